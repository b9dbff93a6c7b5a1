"""Mirrors slowfast/data/check.py and the sub-command that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.cli.data import main
from slowfast.data.check import check_videos
from slowfast.data.manifest import Manifest


@pytest.mark.parametrize("workers", [0, 2])
def test_each_video_is_decoded_and_the_broken_one_named(
    motions: Path, tmp_path: Path, workers: int
) -> None:
    good = sorted(map(str, (motions / "test").rglob("*.mp4")))[:3]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(Path(good[0]).read_bytes()[:-400])
    manifest = Manifest.from_rows([(path, 0) for path in [*good, str(cut)]])
    results = list(check_videos(manifest, workers=workers))
    assert [path for path, _ in results] == [*good, str(cut)]
    assert [bool(cause) for _, cause in results] == [False, False, False, True]
    assert "cut.mp4" in results[-1][1]


def test_the_command_ends_with_a_count(
    motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.csv").write_text("missing.mp4 0\n")
    line = ["check", "--workers", "0", "--prefix", str(motions)]
    assert main([*line, "--list", str(motions / "test.csv")]) == 0
    assert "12 videos, 0 cannot be read" in capsys.readouterr().out
    assert main([*line, "--list", str(tmp_path / "none.csv")]) == 1
    out = capsys.readouterr().out
    assert "missing.mp4" in out
    assert "1 videos, 1 cannot be read" in out
