"""Report sections on average precision: by class as bars, and precision-recall curves."""

from __future__ import annotations

from html import escape
from typing import Any

from slowfast.viz.page import Part, bars, card
from slowfast.viz.plots import LEGEND_LETTERS, Points, Series, short, unit_chart
from slowfast.viz.run_files import Record, RunFiles

MAX_OPEN_BARS = 24  # more are set in two columns of thin bars
SHOWN = 3  # curves of classes in a chart


def precision_part(run: RunFiles) -> Part:
    """AP of each class, the most frequent first."""
    entries = [entry for entry in run.results.get("per_class") or [] if "ap" in entry]
    if not entries:
        return Part("classes", "Average precision by class", "")
    counted = "boxes" if "boxes" in entries[0] else "videos"
    judged = [entry for entry in entries if isinstance(entry["ap"], int | float)]
    judged.sort(key=lambda entry: -int(entry.get(counted, 0)))
    rows = [
        (str(e["name"]), e["ap"] / 100, f"{e['ap']:.1f} %  of {e.get(counted, 0):,}")
        for e in judged
    ]
    if len(rows) <= MAX_OPEN_BARS:
        body = card(bars(rows))
    elif rows:
        half = (len(rows) + 1) // 2
        columns = (card(bars(part, many=True)) for part in (rows[:half], rows[half:]))
        body = f'<div class="grid">{"".join(columns)}</div>'
    if absent := [str(e["name"]) for e in entries if e not in judged]:
        named = escape(", ".join(absent))
        body += f'<p class="note">Without {counted}, and in no figure: {named}.</p>'
    intro = f"Sorted by the number of {counted} that have the class, which is behind each figure."
    if not rows:
        intro = f"No class has {counted} in the test, so that there is no average precision."
    return Part("classes", "Average precision by class", body, intro)


def pr_part(run: RunFiles) -> Part:
    """Overall, and of the most frequent, the easiest and the hardest classes."""
    found, figures = run.curves, run.results
    overall = [_series("mean of classes", "c1", found.get("mean"), figures.get("map"))]
    if found.get("pooled"):
        overall.append(_series("all labels pooled", "c2", found["pooled"], None))
    charts = [("Overall", overall), *_chosen_classes(run)]
    cells = "".join(card(unit_chart(title, series), title=title) for title, series in charts)
    if not cells:
        return Part("precision-recall", "Precision and recall", "")
    what = "boxes, at an IoU of 0.5" if "num_boxes" in figures else "labels of videos"
    intro = (
        f"Precision of {what}, by the share that is found as the threshold falls. AP is the area "
        "below a curve"
    )
    if found.get("pooled"):
        intro += "; pooled, all pairs of video and class are one ranking"
    return Part(
        "precision-recall",
        "Precision and recall",
        f'<div class="grid two">{cells}</div>',
        f"{intro}.",
    )


def _chosen_classes(run: RunFiles) -> list[tuple[str, list[Series]]]:
    points = {
        str(entry.get("name")): entry.get("points") or []
        for entry in run.curves.get("per_class") or []
    }
    judged = [
        entry
        for entry in run.results.get("per_class") or []
        if isinstance(entry.get("ap"), int | float) and points.get(str(entry.get("name")))
    ]
    if not judged:
        return []
    by_count = sorted(judged, key=lambda e: -int(e.get("boxes", e.get("videos", 0))))
    by_ap = sorted(judged, key=lambda e: -e["ap"])
    # Few classes are all shown by two charts of them.
    groups = [("Highest AP", by_ap[:SHOWN]), ("Lowest AP", by_ap[SHOWN:][::-1][:SHOWN])]
    if len(judged) > 2 * SHOWN:
        groups.append(("Most frequent", by_count[:SHOWN]))
    return [(title, _lines(entries, points)) for title, entries in groups if entries]


def _lines(entries: list[Record], points: dict[str, Any]) -> list[Series]:
    return [
        _series(str(e["name"]), f"c{i}", points[str(e["name"])], e["ap"])
        for i, e in enumerate(entries, start=1)
    ]


def _series(name: str, colour: str, points: Points | None, ap: float | None) -> Series:
    """Drawn from a recall of 0 on."""
    given = [(float(x), float(y)) for x, y in points or []]
    if given and given[0][0] > 0:
        given.insert(0, (0.0, given[0][1]))
    figure = f", AP {ap:.1f}" if isinstance(ap, int | float) else ""
    return Series(f"{short(name, LEGEND_LETTERS - len(figure))}{figure}", colour, given)
