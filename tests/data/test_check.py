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
    assert "missing.mp4: expected a video file, found nothing; check the list and --prefix\n" in out
    assert "DATA." not in out
    assert "1 videos, 1 cannot be read" in out


def test_a_missing_list_is_named_as_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, found in (("none.csv", "nothing"), ("", "a folder")):
        assert main(["check", "--list", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert f"--list {tmp_path / name}: expected a file with one 'path label' a line" in said
        assert said.endswith(f"found {found}\n")
