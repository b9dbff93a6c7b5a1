"""Whether the pictures of a folder are the frames of one video, without a gap."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise

_NAMED = 3  # series or gaps that a message names


def fault_in_series(files: Sequence[str]) -> str:
    """What is odd about the names of pictures, in their order; nothing if they count evenly.

    Names differ in their last number alone: ``img_1.jpg, img_2.jpg``, or every fifth.
    """
    series: dict[str, list[int]] = {}
    for file in files:
        stem = os.path.splitext(os.path.basename(file))[0]
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", stem, re.ASCII | re.DOTALL)
        name = f"{match[1]}*{match[3]}" if match else stem
        series.setdefault(name, []).append(int(match[2]) if match else 0)
    if len(series) > 1:
        more = ", ..." if len(series) > _NAMED else ""
        return f"pictures of {len(series)} series ({', '.join(list(series)[:_NAMED])}{more})"
    numbers = next(iter(series.values()), [])
    steps = [after - before for before, after in pairwise(numbers)]
    gaps = [number for number, step in zip(numbers, steps, strict=False) if step > min(steps)]
    if gaps:
        more = ", ..." if len(gaps) > _NAMED else ""
        return f"no picture follows {', '.join(map(str, gaps[:_NAMED]))}{more} at once"
    return ""
