"""Mirrors slowfast/viz/clips.py."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slowfast.data.datasets.motions import encode
from slowfast.viz.clips import LONG_SIDE, MAX_FRAMES, preview


def write(path: Path, frames: int, *, width: int = 64, height: int = 48) -> Path:
    grey = np.linspace(0, 255, frames).astype(np.uint8)
    encode(path, np.tile(grey[:, None, None, None], (1, height, width, 3)), fps=30)
    return path


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split("base64,")[1])))


def test_a_short_clip_is_shown_whole_at_its_own_speed_and_size(tmp_path: Path) -> None:
    shown = preview(write(tmp_path / "a.mp4", 12))
    film = decoded(shown.animated)
    assert (shown.width, shown.height) == film.size == (64, 48)
    assert film.n_frames == 12
    film.seek(11)
    film.load()
    assert film.info["duration"] == 33
    assert np.asarray(film.convert("L")).mean() == pytest.approx(255, abs=6)
    still = decoded(shown.still)
    assert getattr(still, "n_frames", 1) == 1


def test_a_long_large_video_becomes_a_few_small_frames(tmp_path: Path) -> None:
    shown = preview(write(tmp_path / "a.mp4", 100, width=480, height=320))
    film = decoded(shown.animated)
    assert film.n_frames <= MAX_FRAMES
    assert max(film.size) == LONG_SIDE
    assert shown.height == round(320 * LONG_SIDE / 480)


def test_frames_in_a_folder_are_shown_too(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (64, 48), (80 * i, 0, 0)).save(tmp_path / f"{i}.png")
    shown = preview(tmp_path)
    assert decoded(shown.animated).n_frames == 3


def test_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"a\.mp4"):
        preview(tmp_path / "a.mp4")
