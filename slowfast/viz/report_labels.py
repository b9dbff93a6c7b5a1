"""Report section on the surest mistakes where a video has any number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain, zip_longest
from pathlib import PurePath

from slowfast.viz.clips import preview
from slowfast.viz.page import Part
from slowfast.viz.report_mistakes import clip_figure, score_line
from slowfast.viz.run_files import Record, RunFiles

MOST_LABELS = 6  # of a video that are named below it

Mistake = tuple[float, Record, int, str]  # how sure, the video, the class, what went wrong


def labels_part(run: RunFiles, names: Sequence[str], limit: int) -> Part:
    """Videos with the highest score of a class that they have not, the lowest of one they have."""
    judged = [p for p in run.predictions if _is_judged(p, len(names))]
    absent, missed = [], []
    for prediction in judged:
        scores, labels = prediction["scores"], set(prediction["labels"])
        others = [each for each in range(len(scores)) if each not in labels]
        if others:
            worst = max(others, key=lambda each: scores[each])
            absent.append((scores[worst], prediction, worst, "but it is not there"))
        if labels:
            worst = min(labels, key=lambda each: scores[each])
            missed.append((1 - scores[worst], prediction, worst, "but it is there"))
    for each in (absent, missed):
        each.sort(key=lambda mistake: -mistake[0])
    # By turns, and no video twice.
    shown: dict[int, Mistake] = {}
    for mistake in chain.from_iterable(zip_longest(absent, missed)):
        if mistake is not None and len(shown) < limit:
            shown.setdefault(id(mistake[1]), mistake)
    films = "".join(_film(mistake, names) for mistake in shown.values())
    body = f'<div class="films">{films}</div>' if films else ""
    intro = (
        f"Of {len(judged):,} videos: classes with the highest score that a video has not, and "
        "with the lowest that it has, by turns."
    )
    return Part("mistakes", "Most confident mistakes", body, intro)


def _is_judged(prediction: Record, classes: int) -> bool:
    labels, scores = prediction.get("labels"), prediction.get("scores")
    return (
        "box" not in prediction
        and isinstance(labels, list)
        and isinstance(scores, list)
        and len(scores) == classes
        and all(isinstance(each, int) and 0 <= each < classes for each in labels)
    )


def _film(mistake: Mistake, names: Sequence[str]) -> str:
    _, prediction, worst, wrong = mistake
    path, scores = str(prediction.get("video", "")), prediction["scores"]
    alt = f"Clip of {', '.join(names[each] for each in prediction['labels']) or 'no class'}"
    lines = score_line("scored", names[worst], scores[worst], "c2")
    lines += f'<div class="soft">{wrong}</div>'
    labels = sorted(prediction["labels"], key=lambda each: -scores[each])
    for each in [each for each in labels if each != worst][:MOST_LABELS]:
        lines += score_line("has", names[each], scores[each], "c1")
    return clip_figure(partial(preview, path), alt, lines, name=PurePath(path).name, path=path)
