"""Report section with the keyframes of the surest mistakes: boxes found and annotated, moving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import escape

import numpy as np

from slowfast.data.readers.clock import times_of
from slowfast.engine.keyframe_boxes import ComparedBoxes, LabelledBox, Moment, boxes_of_run
from slowfast.eval.frame_map import pairwise_iou
from slowfast.viz.box_clips import shots, shown_frames
from slowfast.viz.clips import Preview, encode_preview
from slowfast.viz.page import Part
from slowfast.viz.report_mistakes import clip_figure, score_line
from slowfast.viz.run_files import RunFiles

SHORT_SIDE, LONG_SIDE = 240, 340  # pixels
MOST_FPS = 12
HOLD = 1500  # milliseconds at the keyframe
IOU = 0.5  # of boxes that are of one person


@dataclass(frozen=True)
class _Mistake:
    score: float
    video: str
    moment: Moment
    label: str
    right: tuple[str, ...]  # labels of the annotated box there, if there is one


def boxes_part(run: RunFiles, limit: int) -> Part:
    """Keyframes whose wrong label got the highest score; then others, to show what is right."""
    title = "Boxes in the keyframes"
    if not run.setting("DETECTION.ENABLE") or not run.results or not limit:
        return Part("boxes", title, "")
    try:
        boxes = boxes_of_run(run.folder)
    except ValueError as error:  # lists that are elsewhere by now
        return Part("boxes", title, f'<div class="card warn">{escape(str(error))}</div>')
    wrong: dict[tuple[str, float], _Mistake] = {}
    for mistake in sorted(_mistakes(boxes), key=lambda each: -each.score):
        wrong.setdefault((mistake.video, mistake.moment.second), mistake)
    films = [_film(boxes, m.video, m.moment, m) for m in list(wrong.values())[:limit]]
    every = [(video, moment) for video, each in boxes.moments.items() for moment in each]
    rest = [each for each in every if (each[0], each[1].second) not in wrong]
    rest.sort(key=lambda each: not each[1].found)  # those where nothing was found come last
    films += [_film(boxes, *each) for each in rest[: limit - len(films)]]
    intro = (
        f"Green and on top, what was found with a score of {boxes.threshold:g} and over; red and "
        f"below, what is annotated. The surest mistakes first: {len(wrong):,} of {len(every):,} "
        "keyframes have a label that no annotated box there has. All of them as videos: slowfast "
        "draw-boxes."
    )
    if not any(moment.found for _, moment in every):
        intro += " No box has such a score: what is annotated was missed."
    body = f'<div class="films wide">{"".join(films)}</div>' if films else ""
    return Part("boxes", title, body, intro)


def _mistakes(boxes: ComparedBoxes) -> Iterator[_Mistake]:
    for video, moments in boxes.moments.items():
        for moment in moments:
            for box in moment.found:
                there = [each for each in moment.annotated if _iou(box, each) >= IOU]
                right = {label: None for each in there for label in each.labels}
                for label, score in zip(box.labels, box.scores, strict=True):
                    if label not in right:
                        yield _Mistake(score, video, moment, label, tuple(right))
                        break  # the surest of a box


def _film(boxes: ComparedBoxes, video: str, moment: Moment, mistake: _Mistake | None = None) -> str:
    lines = ""
    if mistake:
        lines = score_line("taken for", mistake.label, mistake.score, "c2")
        said = ", ".join(mistake.right) or "nothing annotated"
        lines += f'<div><span class="soft">is</span> <b>{escape(said)}</b></div>'
    alt = f"{video} at second {moment.second:g}"
    return clip_figure(partial(_preview, boxes, video, moment), alt, lines, name=video, path=video)


def _preview(boxes: ComparedBoxes, video: str, moment: Moment) -> Preview:
    with boxes.read(boxes.record(video)) as source:
        fps = source.fps / max(1, round(source.fps / MOST_FPS))
        planned = shots([moment], times_of(source), fps=fps)
        frames = list(
            shown_frames(
                source,
                planned,
                short_side=SHORT_SIDE,
                long_side=LONG_SIDE,
                threshold=boxes.threshold,
                name=video,
            )
        )
        each = max(round(1000 / fps), 33)
    times = [HOLD if is_key else each for _, is_key in frames]
    (still,) = [image for image, is_key in frames if is_key]
    return encode_preview([image for image, _ in frames], times, still=still)


def _iou(a: LabelledBox, b: LabelledBox) -> float:
    return float(pairwise_iou(np.array([a.corners]), np.array([b.corners]))[0])
