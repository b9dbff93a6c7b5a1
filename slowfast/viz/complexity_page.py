"""docs/complexity.md: the costs that the SlowFast paper prints, beside what we count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

CLOSE = 0.5  # percent; below this the difference is rounding


@dataclass(frozen=True)
class Row:
    """A network of the paper; costs in GFLOPs (multiply-adds) by the crop in pixels."""

    table: str
    title: str
    recipe: str  # path below configs/paper, without .yaml
    ours: dict[int, float]
    printed: dict[int, float] = field(default_factory=dict)
    top1: float | None = None
    top5: float | None = None
    map: float | None = None
    note: str = ""


HEADER = """# What the networks of the paper cost

GFLOPs of one view, a multiply-add counted once: as printed in {source}, and as counted here from
the recipes in `configs/paper`, for crops of 224 and 256 pixels. This page is written by `slowfast
complexity --table paper`; `slowfast complexity --cfg FILE` splits the cost of any recipe by stage
and pathway.
"""


def render(rows: Sequence[Row], *, source: str, plot: str) -> str:
    """The page as Markdown; `plot` is the picture's path as seen from it."""
    cells = [(row, crop) for row in rows for crop in row.printed]
    near = sum(abs(_difference(*cell)) < CLOSE or _same_print(*cell) for cell in cells)
    parts = [HEADER.format(source=source)]
    parts.append(
        f"Of {len(cells)} printed figures {near} are met to the printed digit or within {CLOSE} %; "
        "the others carry a word.\n"
    )
    parts.append(f"![Cost against accuracy]({plot})\n")
    for table in dict.fromkeys(row.table for row in rows):
        parts.append(f"## {table}\n")
        parts.append(_table([row for row in rows if row.table == table]))
    return "\n".join(parts)


def _table(rows: Sequence[Row]) -> str:
    crops = sorted({crop for row in rows for crop in row.printed} or {224})
    measured = "mAP" if any(row.map for row in rows) else "top-1 / top-5, %"
    head = ["network", *(name for crop in crops for name in (f"paper, {crop}", "ours", "off by"))]
    head += [measured, "recipe, remark"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 2) + "---|"]
    for row in rows:
        cells = [row.title]
        for crop in crops:
            printed = row.printed.get(crop)
            cells += ["", f"{row.ours[crop]:.1f}", ""]
            if printed is not None:
                cells[-3::2] = str(printed), f"{_difference(row, crop):+.1f} %"
        cells.append(_accuracy(row))
        cells.append("; ".join(filter(None, [f"`{row.recipe}`", row.note])))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _accuracy(row: Row) -> str:
    if row.map is not None:
        return f"{row.map:.1f}"
    return "" if row.top1 is None else f"{row.top1:.1f} / {row.top5:.1f}"


def _difference(row: Row, crop: int) -> float:
    return 100 * (row.ours[crop] / row.printed[crop] - 1)


def _same_print(row: Row, crop: int) -> bool:
    """Do both read the same with as many digits as the paper gives?"""
    digits = len(str(row.printed[crop]).partition(".")[2])
    return round(row.ours[crop], digits) == row.printed[crop]


@dataclass(frozen=True)
class Point:
    """A network in the plot of cost against accuracy."""

    label: str
    family: str  # "Slow-only" or "SlowFast"
    gflops: float
    top1: float  # percent


SHARE = 0.6  # of an arrow, where its label stands
COLOURS = {"Slow-only": "#3b6ea8", "SlowFast": "#c9463d"}


def draw(points: Sequence[Point], gains: Sequence[tuple[Point, Point]], path: Path) -> None:
    """Write the picture of `figure_of`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure_of(points, gains).savefig(path, dpi=130)


def figure_of(points: Sequence[Point], gains: Sequence[tuple[Point, Point]]) -> Figure:
    """Accuracy over the cost of a view, as Fig. 2 of the paper has it.

    Args:
        gains: pairs of a Slow-only network and the same with a Fast pathway, joined by an arrow.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for family in dict.fromkeys(point.family for point in points):
        own = sorted((p for p in points if p.family == family), key=lambda p: p.gflops)
        axes.plot(
            [p.gflops for p in own],
            [p.top1 for p in own],
            "o-",
            color=COLOURS[family],
            label=family,
        )
        above = family == "SlowFast"  # where no arrow passes
        for point in own:
            axes.annotate(
                point.label,
                (point.gflops, point.top1),
                xytext=(-5, 6) if above else (8, -9),
                textcoords="offset points",
                fontsize=8,
                ha="right" if above else "left",
            )
    for slow, fused in gains:
        axes.annotate(
            "",
            xytext=(slow.gflops, slow.top1),
            xy=(fused.gflops, fused.top1),
            arrowprops={"arrowstyle": "->", "color": "#4b8b4b", "lw": 1.4, "ls": "--"},
        )
        axes.annotate(
            f"+{fused.top1 - slow.top1:.1f}",
            # Nearer to the head of the arrow and right of it, where no line passes.
            (
                slow.gflops + SHARE * (fused.gflops - slow.gflops),
                slow.top1 + SHARE * (fused.top1 - slow.top1),
            ),
            xytext=(6, -2),
            textcoords="offset points",
            fontsize=8,
            color="#4b8b4b",
        )
    axes.set_xlabel("GFLOPs of one view at 256 pixels (counted here)")
    axes.set_ylabel("Kinetics-400 top-1, % (published)")
    axes.margins(x=0.12, y=0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure
