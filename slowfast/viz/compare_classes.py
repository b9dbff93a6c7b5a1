"""Two runs class by class, as a table and as the bar chart of the SlowFast paper (1812.03982)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slowfast.log import LOGGER
from slowfast.viz.class_figures import ClassFigures

MARKED = 5  # largest gains of each kind (Fig. 3)
LEAST = 1.0  # percent that the first run must have for its relative gain to mean something (Fig. 3)
KINDS = ("png", "svg", "pdf", "jpg")
BARS, ABSOLUTE, RELATIVE, SOFT = ("#8fa3bd", "#2e6fdb"), "#111418", "#d9701e", "#5b6675"


@dataclass(frozen=True)
class Row:
    """A class that both runs have figures of, percent."""

    name: str
    count: int | None
    first: float
    second: float

    @property
    def gain(self) -> float:
        return self.second - self.first

    @property
    def ratio(self) -> float | None:
        """None where the first figure is too small to divide by."""
        return self.second / self.first if self.first > LEAST else None


@dataclass(frozen=True)
class Comparison:
    """Rows by falling number of examples, and whose gains are the largest.

    Attributes:
        absolute, relative: names of the classes with the largest gains.
        note: what a reader should know of the numbers; often nothing.
    """

    first: ClassFigures
    second: ClassFigures
    rows: tuple[Row, ...]
    absolute: tuple[str, ...]
    relative: tuple[str, ...]
    note: str = ""


def compare(first: ClassFigures, second: ClassFigures) -> Comparison:
    """Put the classes of two runs side by side.

    Raises:
        ValueError: they are of different classes or different figures.
    """
    if first.metric != second.metric:
        raise ValueError(
            f"{first.title} has the {first.metric} of classes and {second.title} their "
            f"{second.metric}; compare runs of one task"
        )
    strangers = sorted(set(first.values) ^ set(second.values))
    if strangers:
        raise ValueError(
            f"expected the same classes in both, but of {len(first.values)} in {first.title} and "
            f"{len(second.values)} in {second.title}, {len(strangers)} are in one only: "
            f"{', '.join(strangers[:5])}{' ...' if len(strangers) > 5 else ''}; test both on the "
            "same data"
        )
    counts = first.counts or second.counts
    rows = [
        Row(name, counts.get(name) if counts else None, a, b)
        for name, a in first.values.items()
        if a is not None and (b := second.values[name]) is not None
    ]
    if not rows:
        raise ValueError(
            f"{first.title} and {second.title}: expected a class with examples in both"
        )
    rows.sort(key=lambda row: -(row.count or 0))
    gains = sorted((r for r in rows if r.gain > 0), key=lambda row: -row.gain)
    ratios = sorted((r for r in gains if r.ratio), key=lambda row: -(row.ratio or 0))
    return Comparison(
        first,
        second,
        tuple(rows),
        tuple(row.name for row in gains[:MARKED]),
        tuple(row.name for row in ratios[:MARKED]),
        _note(first, second),
    )


def _note(first: ClassFigures, second: ClassFigures) -> str:
    if not first.counts and not second.counts:
        return "Neither says how many examples a class has: classes are in the order of the file."
    both = first.counts and second.counts
    other = [n for n in first.counts if both and first.counts[n] != second.counts.get(n)]
    if other:
        name = other[0]
        return (
            f"{len(other)} classes have other numbers of examples in {second.title}, which was "
            f"tested on other data: {name} has {first.counts[name]} and "
            f"{second.counts.get(name, 0)}."
        )
    return ""


def table_text(found: Comparison) -> str:
    """Lines for the console."""
    first, second = found.first, found.second
    width = max(len("class"), *(len(row.name) for row in found.rows))
    a, b = max(len(first.title), 7), max(len(second.title), 7)
    head = f"{'class':{width}}  {first.counted:>7}  {first.title:>{a}}  {second.title:>{b}}"
    lines = [f"{head}     gain   ratio"]
    for row in found.rows:
        count = "" if row.count is None else f"{row.count:,}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        marks = [
            kind
            for kind, names in (("absolute", found.absolute), ("relative", found.relative))
            if row.name in names
        ]
        lines.append(
            f"{row.name:{width}}  {count:>7}  {row.first:{a}.2f}  {row.second:{b}.2f}  "
            f"{row.gain:+7.2f}  {ratio:>6}  {', '.join(marks)}".rstrip()
        )
    if first.overall is not None and second.overall is not None:
        name = "mAP" if first.metric == "AP" else "top-1 accuracy"
        lines.append(
            f"{name:{width}}  {'':>7}  {first.overall:{a}.2f}  {second.overall:{b}.2f}  "
            f"{second.overall - first.overall:+7.2f}"
        )
    return "\n".join([*lines, *filter(None, [found.note])])


def write_chart(found: Comparison, out: str | os.PathLike[str]) -> Path:
    """Bars of both runs for each class; names of the largest gains are marked.

    Raises:
        ValueError: the name ends with no kind of picture.
    """
    path = Path(out)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise ValueError(
            f"{path}: expected the name of a picture that ends with .{', .'.join(KINDS)}"
        )
    count = len(found.rows)
    # The narrower the more classes there are, down to what can still be read.
    each = 0.42 if count <= 30 else 0.24 if count <= 100 else 0.15
    with rc_context({"font.size": 10 if count <= 100 else 8, "svg.fonttype": "none"}):
        figure = Figure(figsize=(max(7.0, 1.2 + each * count), 5.4), dpi=150, layout="constrained")
        axes = figure.subplots()
        _bars(axes, found)
        _names(axes, found)
        path.parent.mkdir(parents=True, exist_ok=True)
        strange = _save(figure, path, kind)
    if strange and kind != "svg":
        LOGGER.warning(
            "%s: %d letters of names are in no font here and are drawn as boxes; .svg keeps them",
            *(path, strange),
        )
    return path


def _save(figure: Figure, path: Path, kind: str) -> int:
    """Write the picture; how many letters no font has, of which matplotlib warns one by one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(path, format=kind, facecolor="white")
    return len({text for each in caught if (text := str(each.message)).startswith("Glyph ")})


def _bars(axes: Axes, found: Comparison) -> None:
    places = range(len(found.rows))
    pairs: Sequence[tuple[ClassFigures, list[float]]] = (
        (found.first, [row.first for row in found.rows]),
        (found.second, [row.second for row in found.rows]),
    )
    name = "mAP" if found.first.metric == "AP" else "top-1"
    for side, (figures, heights), colour in zip((-0.5, 0.5), pairs, BARS, strict=True):
        overall = "" if figures.overall is None else f" ({figures.overall:.1f} {name})"
        axes.bar(
            [place + side * 0.4 for place in places],
            heights,
            width=0.4,
            color=colour,
            label=f"{figures.title}{overall}",
        )
    for place, row in zip(places, found.rows, strict=True):
        marks = []
        if row.name in found.absolute:
            marks.append((f"{row.gain:+.1f}", ABSOLUTE))
        if row.name in found.relative:
            marks.append((f"×{row.ratio:.1f}", RELATIVE))
        for line, (text, colour) in enumerate(marks):
            axes.annotate(
                text,
                (place, max(row.first, row.second)),
                xytext=(0, 3 + 10 * line),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=colour,
                fontweight="bold",
            )


def _names(axes: Axes, found: Comparison) -> None:
    axes.set_xticks(range(len(found.rows)), [_short(row.name) for row in found.rows])
    for label, row in zip(axes.get_xticklabels(), found.rows, strict=True):
        label.set(rotation=90 if len(found.rows) > 30 else 45, rotation_mode="anchor")
        label.set(ha="right", va="center" if len(found.rows) > 30 else "top")
        if row.name in found.absolute:
            label.set(fontweight="bold", color=ABSOLUTE)
        elif row.name in found.relative:
            label.set(fontweight="bold", color=RELATIVE)
        else:
            label.set(color=SOFT)
    axes.set_xlim(-0.8, len(found.rows) - 0.2)
    highest = max(max(row.first, row.second) for row in found.rows)
    axes.set_ylim(0, max(highest * 1.2, 1))  # room for the marks
    if highest > 80:
        axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(f"{found.first.metric}, %")
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dfe4ea", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    counted = any(row.count is not None for row in found.rows)
    order = f"by falling number of {found.first.counted}" if counted else "as listed"
    said = f"Classes {order}. Black: the largest gains, orange: the largest ratios."
    axes.set_xlabel(said, loc="left", fontsize=8, color=SOFT)


def _short(name: str, limit: int = 26) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
