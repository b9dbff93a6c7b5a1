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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--top", "0"], "--top is 0, expected at least 1"),
        (["--top", "-3"], "--top is -3, expected at least 1"),
        (["--device", "foo"], "device is 'foo', expected 'cpu', 'cuda' or such as 'cuda:1'"),
        (["--device", "meta"], "device is 'meta', expected 'cpu', 'cuda' or such as 'cuda:1'"),
        (["--device", "cuda:77"], "device is 'cuda:77', but PyTorch finds"),
        (
            ["--set", "TEST.NUM_ENSEMBLE_VIEWS", "0"],
            "command line: TEST.NUM_ENSEMBLE_VIEWS is 0, but must be at least 1",
        ),
        (["--set", "DATA.NUM_FRAMES", "9"], "DATA.NUM_FRAMES (9) must be a multiple of"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["--checkpoint", str(checkpoint), *words, "a.mp4"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"slowfast predict: {message}")
    assert not captured.out


def test_a_missing_video_gets_advice_that_fits(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--checkpoint", str(checkpoint), "--device", "cpu", str(tmp_path / "none.mp4")]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert said.endswith("none.mp4: expected a video file, found nothing; check the path\n")
