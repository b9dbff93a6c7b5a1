"""Figures by class of a tested run or of a list of detections, to compare two of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOLD_BY = "give the OUTPUT_DIR of a tested run, or the JSON of slowfast ava-eval --out"


@dataclass(frozen=True)
class ClassFigures:
    """What a test says of its classes, in percent.

    Attributes:
        title: of the run.
        metric: "AP" or "accuracy".
        overall: mAP, or top-1 accuracy.
        values: by name; None for a class without examples.
        counts: examples by name; empty if nobody counted.
        counted: what examples are: boxes, videos.
    """

    title: str
    metric: str
    overall: float | None
    values: Mapping[str, float | None]
    counts: Mapping[str, int]
    counted: str


def read_class_figures(path: str | Path, *, title: str = "") -> ClassFigures:
    """Read the test results of an OUTPUT_DIR, such a file, or what ``slowfast ava-eval`` wrote.

    Raises:
        ValueError: there is no such file, or it says nothing of classes.
    """
    given = Path(path)
    file = given / "test_results.json" if given.is_dir() else given
    content = _content(given, file)
    title = title or _title_of(given)
    per_class = content.get("per_class")
    if isinstance(per_class, dict):  # of slowfast ava-eval: shares by name
        values = {name: _percent(value, 100) for name, value in per_class.items()}
        counts = {name: int(count) for name, count in (content.get("boxes") or {}).items()}
        return ClassFigures(title, "AP", _percent(content.get("mAP"), 100), values, counts, "boxes")
    entries = per_class if isinstance(per_class, list) else []
    if not entries or not all(isinstance(each, dict) and "name" in each for each in entries):
        raise ValueError(f"{file}: expected figures by class (per_class), found none; {TOLD_BY}")
    metric, key = ("AP", "ap") if "ap" in entries[0] else ("accuracy", "accuracy")
    counted = "boxes" if "boxes" in entries[0] else "videos"
    overall = content.get("map" if metric == "AP" else "top1")
    return ClassFigures(
        title,
        metric,
        _percent(overall, 1),
        {str(entry["name"]): _percent(entry.get(key), 1) for entry in entries},
        {str(entry["name"]): int(entry.get(counted, 0)) for entry in entries},
        counted,
    )


def _title_of(given: Path) -> str:
    """The name of a run's folder, dots and all; of another file its name without ending."""
    if given.is_dir():
        return given.resolve().name
    return given.resolve().parent.name if given.name == "test_results.json" else given.stem


def _content(given: Path, file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        way_out = TOLD_BY
        if (given / "config.yaml").is_file():
            way_out = (
                f"test it with slowfast run --cfg {given / 'config.yaml'} TRAIN.ENABLE False "
                "TEST.ENABLE True"
            )
        raise ValueError(f"{file}: expected test results, found no such file; {way_out}") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: expected test results as JSON, found {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected test results, found a JSON {type(content).__name__}")
    return content


def _percent(value: Any, scale: float) -> float | None:
    """None for what is no number: null, nan."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return scale * value
