"""Mirrors slowfast/data/picture_series.py, and that check-data tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from slowfast.data.check import Listed
from slowfast.data.findings import find_faults, to_leave_out
from slowfast.data.inspection import inspect
from slowfast.data.picture_series import fault_in_series
from slowfast.data.record import Record


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1.jpg", "2.jpg", "3.jpg"], ""),
        (["a/b2/img_0005.png", "a/b2/img_0010.png", "a/b2/img_0015.png"], ""),
        (["cover.jpg"], ""),
        ([], ""),
        (["1.jpg", "2.jpg", "5.jpg", "6.jpg"], "no picture follows 2 at once"),
        (["cover.jpg", "1.jpg", "2.jpg"], "pictures of 2 series (cover, *)"),
        (["x_1.jpg", "x_2.jpg", "y_1.jpg"], "pictures of 2 series (x_*, y_*)"),
    ],
)
def test_names_count_evenly_or_not(names: list[str], expected: str) -> None:
    assert fault_in_series(names) == expected


def test_a_folder_with_a_gap_is_told_and_kept(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
    record = Record(str(tmp_path))
    videos = {record.path: Listed(record, (("train", 0),))}
    found = find_faults(videos, {record.path: inspect(record)})
    assert [each.what for each in found] == [f"{tmp_path}: no picture follows 2 at once"]
    assert to_leave_out(found) == []
