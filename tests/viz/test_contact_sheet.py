"""Mirrors slowfast/viz/contact_sheet.py, and `slowfast data show` with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slowfast.cli.data import main
from slowfast.data.batch import Batch
from slowfast.viz.contact_sheet import CAPTION, GAP, contact_sheet, write_contact_sheet

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def batch(count: int, frames: int = 4, size: int = 30) -> Batch:
    clips = torch.arange(count)[:, None, None, None, None].expand(-1, frames, size, size, 3) * 50.0
    numbers = torch.arange(count)
    return Batch(clips - 20, numbers, numbers, numbers, ["/a/b.mp4"] * count)


def pixels(sheet: Image.Image, row: int, column: int, size: int = 30) -> np.ndarray:
    x, y = GAP + column * (size + GAP), row * (size + CAPTION) + CAPTION
    return np.array(sheet)[y : y + size, x : x + size]


def test_a_row_of_frames_for_each_clip_over_several_batches() -> None:
    sheet = contact_sheet([batch(2), batch(3)], count=4)
    assert sheet.size == (4 * 34 + GAP, 4 * 50 + GAP)
    for row, value in enumerate((0, 30, 0, 30)):  # below 0 is cut off
        for column in range(4):
            assert (pixels(sheet, row, column) == value).all()


def test_a_long_clip_shows_its_first_and_its_last_frame() -> None:
    long = batch(1, frames=20)
    long.clips = torch.arange(20.0)[None, :, None, None, None].expand(1, -1, 30, 30, 3)
    sheet = contact_sheet([long], count=1)
    assert [int(pixels(sheet, 0, c)[0, 0, 0]) for c in range(8)] == [0, 3, 5, 8, 11, 14, 16, 19]


def test_hidden_patches_are_dark() -> None:
    masked = batch(3)
    masked.masks = torch.zeros(3, 2, 2, 2, dtype=torch.bool)
    masked.masks[2, 0, 0, 0] = True
    sheet = contact_sheet([masked], count=3)
    assert (pixels(sheet, 2, 0)[:15, :15] == 20).all()
    assert (pixels(sheet, 2, 1)[:15, :15] == 20).all()
    assert (pixels(sheet, 2, 2) == 80).all()
    assert (pixels(sheet, 1, 0) == 30).all()


def test_captions_name_the_classes_in_a_clip() -> None:
    """Text is compared as drawn: equal labels look equal, others do not."""
    mixed = batch(4)
    mixed.clips = torch.zeros(4, 1, 30, 400, 3)[:, :, :, :30].expand(-1, 8, -1, -1, -1)
    mixed.labels = torch.tensor([[0.1, 0.9, 0], [0.1, 0.9, 0], [0.9, 0.1, 0], [0.0, 1.0, 0.0]])
    drawn = np.array(contact_sheet([mixed], count=4, class_names=["walk", "run"]))
    first, same, swapped, whole = (drawn[r * 50 : r * 50 + CAPTION] for r in range(4))
    assert (first == same).all()
    assert not (first == swapped).all()
    assert not (first == whole).all()
    assert first.min() < 128 < first.max()


def test_errors(tmp_path: Path) -> None:
    empty = Batch(torch.empty(0, 0, 0, 0, 3), *[torch.empty(0)] * 3, paths=[])
    with pytest.raises(ValueError, match="no clip to show: no video of these batches can be read"):
        contact_sheet([empty], count=3)
    with pytest.raises(ValueError, match=r"a\.txt: expected the name of a picture such as clips"):
        write_contact_sheet(contact_sheet([batch(1)], count=1), tmp_path / "a.txt")


def test_the_command(tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "clips.png"
    augment = [
        "AUG.ENABLE",
        "True",
        "MIXUP.ENABLE",
        "True",
        "MODEL.LOSS_FUNC",
        "soft_cross_entropy",
    ]
    shown = ["show", "--cfg", str(CONFIG), "--out", str(out), "--count", "6"]
    assert main([*shown, *tiny, *augment]) == 0
    assert capsys.readouterr().out == f"6 clips of epoch 1 in {out}\n"
    first = np.array(Image.open(out))
    assert first.shape == (6 * (32 + CAPTION) + GAP, 8 * (32 + GAP) + GAP, 3)
    main([*shown, "--epoch", "2", *tiny, *augment])
    assert not np.array_equal(first, np.array(Image.open(out)))
    assert main([*shown, *tiny, "AUG.ENABLE", "True", "AUG.AA_TYPE", "rand-x1"]) == 2
    assert "'x1' is none of its parts" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*shown[:-1], "0"])
    assert "--count: expected a whole number from 1, got '0'" in capsys.readouterr().err
