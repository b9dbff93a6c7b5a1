"""Mirrors slowfast/cli/arguments.py, in every command that takes such numbers."""

from __future__ import annotations

import argparse

import pytest

from slowfast.cli.arguments import positive
from slowfast.cli.main import main


def test_numbers_from_one() -> None:
    assert [positive(text) for text in ("1", "224", "007")] == [1, 224, 7]
    for text in ("0", "-3", "1.5", "", "x", "²", "1e3"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 1, got"):
            positive(text)


@pytest.mark.parametrize(
    "line",
    [
        "complexity --cfg a.yaml --crop 0",
        "complexity --cfg a.yaml --crop -3",
        "export net.onnx --crop 0",
        "export net.onnx --crop -8",
        *(f"benchmark model --{name} 0" for name in ("batch", "repeats", "crop", "frames")),
        "benchmark data --threads 0",
        "detect-people --videos v --out o.csv --batch 0",
        "data show --cfg a.yaml --count 0",
    ],
)
def test_other_numbers_are_named(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"{line.split()[-2]}: expected a whole number from 1, got '{line.split()[-1]}'" in said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("detect-people --videos v --out o.csv --threshold nan", "a number from 0 to 1"),
        ("detect-people --videos v --out o.csv --threshold 5", "a number from 0 to 1"),
        ("draw-boxes run --out films --hold nan", "a number from 0"),
        ("draw-boxes run --out films --hold inf", "a number from 0"),
        ("draw-boxes run --out films --threshold nan", "a number from 0"),
        ("draw-boxes --videos v --out films --fps 0", "a number above 0"),
        ("detect-people --videos v --out o.csv --every 0", "a number above 0"),
        ("detect-people --videos v --out o.csv --every inf", "a number above 0"),
        ("data import-boxes a.csv --out boxes --fps -1", "a number above 0"),
    ],
)
def test_numbers_beyond_the_range(
    line: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"{line.split()[-2]}: expected {expected}, got '{line.split()[-1]}'" in said
