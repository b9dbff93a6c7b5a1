"""Mirrors slowfast/cli/predict.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson
import torch

from slowfast.cli.predict import main
from slowfast.config import dump_cfg, load_cfg
from slowfast.engine.build import build_network

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


@pytest.fixture
def checkpoint(tiny: list[str], tmp_path: Path) -> Path:
    cfg = load_cfg(CONFIG, tiny)
    net = build_network(cfg, torch.device("cpu"))
    path = tmp_path / "net.pyth"
    torch.save({"model_state": net.state_dict(), "cfg": dump_cfg(cfg)}, path)
    return path


def test_names_and_scores(
    checkpoint: Path, motions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = sorted(map(str, (motions / "test").rglob("*.mp4")))[:2]
    assert main(["--checkpoint", str(checkpoint), "--top", "2", "--json", *videos]) == 0
    lines = [simplejson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["video"] for line in lines] == videos
    assert all(len(line["predictions"]) == 2 for line in lines)
    assert lines[0]["predictions"][0]["name"] in (motions / "classes.txt").read_text()


def test_an_unreadable_video_costs_only_itself(
    checkpoint: Path, motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    good = str(next((motions / "test").rglob("*.mp4")))
    line = ["--checkpoint", str(checkpoint), str(tmp_path / "text.mp4"), good]
    assert main([*line, "--set", "TEST.NUM_ENSEMBLE_VIEWS", "1"]) == 2
    captured = capsys.readouterr()
    assert "text.mp4" in captured.err
    assert captured.err.count("\n") == 1
    assert good in captured.out


def test_no_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(tmp_path / "none.pyth"), "a.mp4"]) == 2
    assert "none.pyth: there is no such checkpoint" in capsys.readouterr().err
