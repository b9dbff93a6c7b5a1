"""Samples that could not be read, in the words of messages and results."""

from __future__ import annotations

from typing import Any

from slowfast.data.batch import BadSample
from slowfast.data.record import Records


def samples_are(records: Records) -> str:
    """What the rows of a list are, in a word."""
    return "keyframes" if len(records) and records[0].keyframe_key else "videos"


def left_out_entry(item: BadSample) -> dict[str, Any]:
    """As results list it; with its ``second`` if the sample is a keyframe."""
    second = {} if item.second is None else {"second": item.second}
    return {"video": item.path, **second, "cause": item.cause}
