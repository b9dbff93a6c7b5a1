"""Report section on the most confident mistakes, each as a small animated clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import PurePath
from typing import Any

from slowfast.viz.clips import Preview, preview
from slowfast.viz.page import Part, bar
from slowfast.viz.run_files import Record, RunFiles


def mistakes_part(run: RunFiles, names: Sequence[str], limit: int) -> Part:
    """Videos whose wrong class got the highest score."""
    judged = [p for p in run.predictions if isinstance(p.get("label"), int)]
    wrong = [p for p in judged if not p.get("correct") and _score(p, "prediction") is not None]
    wrong.sort(key=lambda p: -(_score(p, "prediction") or 0.0))
    shown = wrong[:limit]
    if not shown:
        perfect = bool(judged) and not wrong
        body = '<div class="card verdict">Every test video was recognised.</div>' if perfect else ""
        return Part("mistakes", "Most confident mistakes", body)
    films = "".join(_film(prediction, names) for prediction in shown)
    intro = f"{len(shown)} of {len(wrong):,} mistakes among {len(judged):,} videos."
    return Part("mistakes", "Most confident mistakes", f'<div class="films">{films}</div>', intro)


def _film(prediction: Record, names: Sequence[str]) -> str:
    path = str(prediction.get("video", ""))
    taken = _name(prediction, "prediction", names)
    true = _name(prediction, "label", names)
    scores = score_line("taken for", taken, _score(prediction, "prediction"), "c2")
    scores += score_line("is", true, _score(prediction, "label"), "c1")
    alt = f"Clip of {true}, taken for {taken}"
    return clip_figure(partial(preview, path), alt, scores, name=PurePath(path).name, path=path)


def clip_figure(make: Callable[[], Preview], alt: str, lines: str, *, name: str, path: str) -> str:
    """A clip with what is said of it and its name below.

    Args:
        make: reads the clip; ValueError if it cannot.
        lines: HTML.
        path: shown when the pointer is on the name.
    """
    try:
        shown = _picture(make(), alt)
    except ValueError as error:  # moved or unreadable by now; the mistake is still worth a line
        shown = f'<div class="gone">{escape(str(error))}</div>'
    file = f'<div class="file" title="{escape(path)}">{escape(name)}</div>'
    return f"<figure>{shown}<figcaption>{lines}{file}</figcaption></figure>"


def _picture(clip: Preview, alt: str) -> str:
    size = f'width="{clip.width}" height="{clip.height}"'
    return (
        f'<picture><source srcset="{clip.still}" media="(prefers-reduced-motion: reduce), print">'
        f'<img src="{clip.animated}" {size} alt="{escape(alt)}"></picture>'
    )


def score_line(relation: str, name: str, score: float | None, colour: str) -> str:
    text = "" if score is None else f"{score:.0%}" if 0 <= score <= 1 else f"{score:.2f}"
    track = bar(score, colour=colour) if score is not None and 0 <= score <= 1 else ""
    label = f'<span class="soft">{relation}</span> <b>{escape(name)}</b>'
    return f'<div class="score"><span>{label}</span><span>{text}</span>{track}</div>'


def _name(prediction: Record, key: str, names: Sequence[str]) -> str:
    index: Any = prediction.get(key)
    if isinstance(index, int) and 0 <= index < len(names):
        return names[index]
    return str(prediction.get(f"{key}_name", index))


def _score(prediction: Record, key: str) -> float | None:
    """Score that the class under `key` got."""
    index, scores = prediction.get(key), prediction.get("scores")
    if not isinstance(index, int) or not isinstance(scores, list) or not 0 <= index < len(scores):
        return None
    score = scores[index]
    return float(score) if isinstance(score, int | float) else None
