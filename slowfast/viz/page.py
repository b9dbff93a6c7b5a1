"""The page around a report: style sheet, sections, tiles and tables; nothing from outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #1a2029; --soft: #5b6675;
  --faint: #8a94a2; --line: #e2e6ec; --c1: #2e6fdb; --c2: #d95a2c; --c3: #12876f;
  --tint: #eaf1fd; --warn: #fdf1e3; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1318; --card: #171c23; --ink: #e7ebf1;
  --soft: #a3adba; --faint: #79838f; --line: #2a313b; --c1: #6ea0f5; --c2: #f08a5d; --c3: #4cc3a5;
  --tint: #1b2a44; --warn: #35271a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.02em; margin: 0; }
h2 { font-size: 19px; letter-spacing: -0.01em; margin: 44px 0 4px; }
h3 { font-size: 14px; margin: 0 0 8px; }
p { margin: 4px 0 12px; max-width: 76ch; }
.soft, .note { color: var(--soft); } .note { font-size: 13.5px; }
code, .mono { font: 12.5px/1.5 ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 14px; font-size: 13.5px; }
a { color: var(--c1); text-decoration: none; } a:hover { text-decoration: underline; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 18px 20px; margin-top: 12px; overflow-x: auto; }
.grid { display: grid; gap: 12px; margin-top: 12px;
  grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); }
.split { display: grid; gap: 12px; margin-top: 12px; align-items: start;
  grid-template-columns: minmax(0, 1.75fr) minmax(280px, 1fr); }
.grid.two { grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); }
.grid > .card, .split > .card { margin-top: 0; }
@media (max-width: 820px) { .split { grid-template-columns: minmax(0, 1fr); } }
.tiles { display: grid; gap: 12px; margin-top: 24px;
  grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; letter-spacing: -0.02em;
  font-weight: 650; white-space: nowrap; }
.tile span { color: var(--soft); font-size: 13px; }
.tile.lead { background: var(--c1); border-color: var(--c1); }
.tile.lead b, .tile.lead span { color: #fff; }
@media (prefers-color-scheme: dark) { .tile.lead { background: #2459b4; border-color: #2459b4; } }
.verdict { border-left: 4px solid var(--c3); } .verdict.bad { border-color: var(--c2); }
.warn { background: var(--warn); }
svg { display: block; width: 100%; height: auto; margin: 0 auto; font-family: inherit; }
svg text { fill: var(--ink); } svg .tick { font-size: 12px; fill: var(--soft); }
svg .axis { font-size: 12.5px; fill: var(--soft); }
svg .name { font-size: 12.5px; } svg .strong { font-weight: 650; }
svg .mid { text-anchor: middle; } svg .end { text-anchor: end; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
svg .line.c1 { stroke: var(--c1); } svg .line.c2 { stroke: var(--c2); }
svg .line.c3 { stroke: var(--c3); }
svg .c1:not(.line) { fill: var(--c1); } svg .c2:not(.line) { fill: var(--c2); }
svg .c3:not(.line) { fill: var(--c3); }
.heat { margin: 0 auto; }
.heat .empty { fill: var(--line); fill-opacity: 0.4; }
.heat .hit { fill: var(--c1); } .heat .miss { fill: var(--c2); }
.heat .cell { font-size: 12px; } .heat .cell.on { fill: #fff; font-weight: 600; }
@media (prefers-color-scheme: dark) { .heat .cell.on { fill: #0b1017; } }
img.pixels { display: block; width: min(100%, 900px); image-rendering: pixelated;
  border: 1px solid var(--line); }
.bars { display: grid; gap: 5px 14px; align-items: center; font-size: 13.5px;
  grid-template-columns: fit-content(55%) minmax(72px, 1fr) max-content; }
.bars > span { overflow-wrap: anywhere; } .bars > span:nth-child(3n) { white-space: nowrap; }
.bars.many { font-size: 12.5px; gap: 1px 12px; }
.track { height: 14px; border-radius: 4px; background: var(--line); overflow: hidden; }
.many .track { height: 9px; }
.track i { display: block; height: 100%; border-radius: 4px; background: var(--c1); }
.track i.c2 { background: var(--c2); }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12.5px; }
td, th { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } td.num, th.num { text-align: right; }
td:first-child { padding-left: 8px; } th:first-child { padding-left: 8px; }
dl { display: grid; gap: 2px 20px; margin: 0; font-size: 13px;
  grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); }
dl div { display: flex; justify-content: space-between; gap: 14px; padding: 3px 8px;
  border-bottom: 1px solid var(--line); }
dl div.changed { background: var(--tint); border-radius: 4px; }
dt { color: var(--soft); overflow-wrap: anywhere; } .changed dt { color: var(--ink); }
dd { margin: 0; text-align: right; overflow-wrap: anywhere; } .changed dd { font-weight: 600; }
details dl { margin-top: 10px; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--c1); font-size: 13.5px; }
.films { display: grid; gap: 14px; margin-top: 12px;
  grid-template-columns: repeat(auto-fill, minmax(196px, 1fr)); }
.films.wide { grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  overflow: hidden; break-inside: avoid; }
figure img, figure .gone { display: block; width: 100%; height: auto; aspect-ratio: 4 / 3;
  object-fit: contain; background: #000; }
figure .gone { display: grid; place-items: center; padding: 14px;
  color: #cfd5dd; font-size: 12.5px; text-align: center; overflow-wrap: anywhere; }
figcaption { padding: 10px 14px 12px; font-size: 13px; }
figcaption .file { color: var(--faint); font-size: 11.5px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; margin-top: 6px; }
.score { display: grid; grid-template-columns: 1fr max-content; gap: 0 8px; }
.score .track { grid-column: 1 / -1; height: 6px; margin: 2px 0 6px; }
.score b { overflow-wrap: anywhere; }
footer { margin-top: 48px; color: var(--faint); font-size: 12.5px; }
@media print { :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000;
  --soft: #444; --faint: #666; --line: #ddd; --c1: #2e6fdb; --c2: #d95a2c; --c3: #12876f; }
  main { max-width: none; padding: 0; } .card, .tile, svg { break-inside: avoid; }
  h2 { break-after: avoid; } nav { display: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


@dataclass(frozen=True)
class Part:
    """A section of the page; `body` is HTML, the others are text."""

    anchor: str
    title: str
    body: str
    intro: str = ""


@dataclass(frozen=True)
class Tile:
    """A headline figure."""

    value: str
    label: str
    lead: bool = False


def page(title: str, subtitle: str, head: str, parts: Sequence[Part], footer: str) -> str:
    """A whole HTML document; empty parts are left out."""
    parts = [part for part in parts if part.body]
    links = "".join(f'<a href="#{p.anchor}">{escape(p.title)}</a>' for p in parts)
    body = "".join(
        f'<section id="{p.anchor}"><h2>{escape(p.title)}</h2>'
        + (f'<p class="soft">{escape(p.intro)}</p>' if p.intro else "")
        + f"{p.body}</section>\n"
        for p in parts
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>"
        f'<header><h1>{escape(title)}</h1><p class="soft mono">{escape(subtitle)}</p>'
        f"<nav>{links}</nav></header>\n{head}\n{body}<footer>{escape(footer)}</footer>"
        "</main></body></html>\n"
    )


def tiles(shown: Iterable[Tile]) -> str:
    cells = "".join(
        f'<div class="tile{" lead" if t.lead else ""}"><b>{escape(t.value)}</b>'
        f"<span>{escape(t.label)}</span></div>"
        for t in shown
    )
    return f'<div class="tiles">{cells}</div>' if cells else ""


def card(body: str, *, title: str = "", css: str = "") -> str:
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<div class="card {css}">{heading}{body}</div>' if body else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of text; empty without rows."""
    top = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def settings(pairs: Iterable[tuple[str, object]], *, changed: Collection[str]) -> str:
    """Keys and values in as many columns as fit; those in `changed` are marked."""
    cells = "".join(
        f"<div{' class=changed' if key in changed else ''}>"
        f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd></div>"
        for key, value in pairs
    )
    return f"<dl>{cells}</dl>" if cells else ""


def bars(rows: Iterable[tuple[str, float, str]], *, many: bool = False) -> str:
    """Horizontal bars: (name, share in 0..1, what to write behind it)."""
    cells = "".join(
        f"<span>{escape(name)}</span>{bar(share)}<span>{escape(text)}</span>"
        for name, share, text in rows
    )
    return f'<div class="bars{" many" if many else ""}">{cells}</div>' if cells else ""


def bar(share: float, *, colour: str = "c1") -> str:
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<span class="track"><i class="{colour}" style="width:{width:.1f}%"></i></span>'
