"""Mirrors slowfast/cli/convert.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slowfast.cli.main import main


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
