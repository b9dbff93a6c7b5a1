"""Line charts and heat maps as SVG text that takes its colours from the page's style sheet."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 340, 220  # of a line chart, in its own units
LEGEND_LETTERS = 36  # what fits below a chart
LEFT, RIGHT, TOP, BOTTOM = 52, 78, 12, 36
LEGEND = 18  # height of a line below a chart of shares
LABELLED_CLASSES = 40  # more are drawn as an image without a name on each row


Points = Sequence[Sequence[float]]  # of x and y


@dataclass(frozen=True)
class Series:
    """One line: a name, the colour class of the style sheet (c1, c2, ..), points (x, y)."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover low..high."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_format: Callable[[float], str] = "{:g}".format,
    y_from_zero: bool = True,
    y_top: float | None = None,
) -> str:
    """An SVG element; the lines carry their names and last values at their right ends."""
    series = [
        Series(s.name, s.colour, [(x, y) for x, y in s.points if math.isfinite(y)]) for s in series
    ]
    series = [s for s in series if s.points]
    if not series:
        return ""
    xs = [x for s in series for x, _ in s.points]
    ys = [y for s in series for _, y in s.points]
    y_ticks = ticks(0 if y_from_zero else min(ys), max(ys) if y_top is None else y_top)
    x_ticks = [t for t in ticks(min(xs), max(xs)) if min(xs) <= t <= max(xs) and t == int(t)]
    across = scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    up = scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [_summary(title, series, y_format)]
    for tick in y_ticks:
        y = up(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 8}" y="{y + 4}">{y_format(tick)}</text>')
    for tick in x_ticks:
        place = f'x="{across(tick)}" y="{HEIGHT - BOTTOM + 18}"'
        parts.append(f'<text class="tick mid" {place}>{tick:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick mid" x="{middle}" y="{HEIGHT - 2}">{escape(x_label)}</text>')
    for s, label_y in zip(series, _spread([up(s.points[-1][1]) for s in series]), strict=True):
        dots = " ".join(f"{across(x)},{up(y)}" for x, y in s.points)
        end_x, end_y = across(s.points[-1][0]), up(s.points[-1][1])
        parts.append(f'<polyline class="line {s.colour}" points="{dots}"/>')
        parts.append(f'<circle class="dot {s.colour}" cx="{end_x}" cy="{end_y}" r="3.2"/>')
        text = f"{escape(s.name)} " if len(series) > 1 else ""
        parts.append(
            f'<text class="name {s.colour}" x="{end_x + 8}" y="{label_y + 4}">{text}'
            f'<tspan class="strong">{y_format(s.points[-1][1])}</tspan></text>'
        )
    return svg(WIDTH, HEIGHT, "".join(parts), title, css="chart")


def unit_chart(title: str, series: Sequence[Series]) -> str:
    """Precision by recall, both from 0 to 1; names are below, as lines end close to each other."""
    series = [s for s in series if s.points]
    if not series:
        return ""
    right, bottom = WIDTH - 16, HEIGHT - BOTTOM
    across, up = scale(0, 1, LEFT, right), scale(0, 1, bottom, TOP)
    parts = [f"<title>{escape(title)}: {escape(', '.join(s.name for s in series))}</title>"]
    for i in range(6):
        share = i / 5
        y = up(share)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 8}" y="{y + 4}">{share:g}</text>')
        parts.append(
            f'<text class="tick mid" x="{across(share)}" y="{bottom + 18}">{share:g}</text>'
        )
    middle = (LEFT + right) / 2
    parts.append(f'<text class="tick mid" x="{middle}" y="{HEIGHT - 2}">recall</text>')
    parts.append(
        f'<text class="tick mid" transform="translate(13,{(TOP + bottom) / 2}) rotate(-90)">'
        "precision</text>"
    )
    for i, s in enumerate(series):
        dots = " ".join(f"{across(x)},{up(y)}" for x, y in s.points)
        y = HEIGHT + 6 + (i + 0.5) * LEGEND
        parts.append(f'<polyline class="line {s.colour}" points="{dots}"/>')
        parts.append(
            f'<line class="line {s.colour}" x1="{LEFT}" x2="{LEFT + 18}" y1="{y}" y2="{y}"/>'
        )
        text = escape(short(s.name, LEGEND_LETTERS))
        parts.append(f'<text class="name" x="{LEFT + 26}" y="{y + 4}">{text}</text>')
    height = HEIGHT + 8 + LEGEND * len(series)
    return svg(WIDTH, height, "".join(parts), title, css="chart")


def heat_map(shares: np.ndarray, names: Sequence[str]) -> str:
    """Confusion shares (C, C), each row of sum 1 or nan, true class by predicted class.

    Right answers and mistakes have colours of their own; strength is the share.
    """
    count = len(names)
    if count > LABELLED_CLASSES:
        return _heat_image(shares)
    cell = 44 if count <= 14 else max(16, 620 // count)
    margin = min(150, 14 + 7 * max(map(len, names)))
    parts = [f"<title>Confusion matrix of {count} classes</title>"]
    for i, name in enumerate(names):
        at = margin + (i + 0.5) * cell
        text = escape(short(name))
        parts.append(f'<text class="tick end" x="{margin - 8}" y="{at + 4}">{text}</text>')
        parts.append(
            f'<text class="tick" transform="translate({at + 4},{margin - 8}) rotate(-48)">'
            f"{text}</text>"
        )
    for (row, column), share in np.ndenumerate(shares):
        share = float(share) if math.isfinite(share) else 0.0
        x, y = margin + column * cell + 1, margin + row * cell + 1
        colour = "hit" if row == column else "miss"
        tip = f"{escape(names[row])} taken for {escape(names[column])}: {share:.1%}"
        parts.append(
            f'<rect class="empty" x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}"/>'
        )
        if share <= 0:
            continue
        parts.append(
            f'<rect class="{colour}" x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" '
            f'fill-opacity="{0.12 + 0.88 * share:.3f}"><title>{tip}</title></rect>'
        )
        if cell >= 30 and share >= 0.005:
            tone = "on" if share > 0.55 else "off"
            place = f'x="{x + cell / 2 - 1}" y="{y + cell / 2 + 3}"'
            parts.append(f'<text class="cell mid {tone}" {place}>{100 * share:.0f}</text>')
    side = margin + count * cell
    body = (
        f'<text class="axis mid" x="{margin + count * cell / 2}" y="{side + 20}">'
        "columns: predicted class, rows: true class, numbers: % of the row</text>"
    )
    return svg(side + 40, side + 28, "".join(parts) + body, "Confusion matrix", css="heat")


def _heat_image(shares: np.ndarray) -> str:
    """One pixel a pair of classes, in colours that read on light and on dark."""
    filled = np.nan_to_num(shares)
    pixels = np.empty((*filled.shape, 4), np.uint8)
    pixels[..., :3] = (217, 90, 44)
    pixels[np.eye(len(filled), dtype=bool), :3] = (46, 111, 219)
    # A cell of one pixel needs more than its share to be seen: the power lifts the small ones.
    pixels[..., 3] = np.rint(255 * filled**0.4).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img class="heat pixels" src="data:image/png;base64,{data}" alt="Confusion matrix of '
        f'{len(filled)} classes: rows are true classes, columns predicted ones">'
    )


def svg(width: float, height: float, body: str, label: str, *, css: str) -> str:
    return (
        f'<svg class="{css}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(label)}" style="max-width:{width * 1.15:g}px">{body}</svg>'
    )


def _summary(title: str, series: Sequence[Series], y_format: Callable[[float], str]) -> str:
    """What the lines do, for those who cannot see them."""
    tales = [
        f"{s.name} from {y_format(s.points[0][1])} to {y_format(s.points[-1][1])}" for s in series
    ]
    return f"<title>{escape(title)}: {escape(', '.join(tales))}</title>"


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: round(start + (value - low) / span * (end - start), 1)


def _spread(heights: Sequence[float], *, gap: float = 15) -> list[float]:
    """Move labels apart that would cover each other; order is kept."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for above, below in pairwise(order):
        placed[below] = max(placed[below], placed[above] + gap)
    return placed


def short(name: str, limit: int = 20) -> str:
    """The beginning of a long name."""
    return name if len(name) <= limit else name[: limit - 1] + "…"
