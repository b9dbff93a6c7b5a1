"""Mirrors slowfast/cli/convert.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slowfast.cli.main import main
from slowfast.config import load_cfg
from slowfast.models import build_model


def test_the_report_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = str(tmp_path / "a.pyth"), str(tmp_path / "a.safetensors")
    torch.save({"w": torch.zeros(2)}, source)
    assert main(["convert", source, target]) == 0
    assert capsys.readouterr().out.startswith(f"{target}: 1 tensors, names as they are")
    assert main(["convert", source, target, "--force"]) == 0


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tmp_path / "none.pkl"), str(tmp_path / "a.pyth")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "none.pkl: there is no such checkpoint" in error


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["convert", "--help"])
    assert "SLOWFAST_8x8_R50.pkl SLOWFAST_8x8_R50.pyth --cfg" in capsys.readouterr().out


def test_the_line_changes_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = Path(__file__).parents[2] / "configs" / "Motions" / "SLOW_TINY.yaml"
    small = ["RESNET.WIDTH_PER_GROUP", "8", "NUM_GPUS", "0"]
    net = build_model(load_cfg(cfg, [*small, "MODEL.NUM_CLASSES", "7"]))
    torch.save(net.state_dict(), tmp_path / "a.pyth")
    line = [
        "convert",
        str(tmp_path / "a.pyth"),
        str(tmp_path / "b.pyth"),
        "--cfg",
        str(cfg),
        *small,
    ]
    assert main(line) == 2
    assert "set TRAIN.ALLOW_PARTIAL True (--allow-partial)" in capsys.readouterr().err
    assert main([*line, "MODEL.NUM_CLASSES", "7"]) == 0
    assert "re-initialised" not in capsys.readouterr().out
    assert main([*line[:5], "--allow-partial", "--force", *small]) == 0
    assert "2 re-initialised (another shape): head.projection.weight" in capsys.readouterr().out
