"""Mirrors slowfast/cli/benchmark.py: it measures what it says; no time is asserted."""

from __future__ import annotations

from pathlib import Path

import pytest
import simplejson
import torch

from slowfast.cli import benchmark_data
from slowfast.cli.benchmark import main

CONFIG = str(Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml")


def rows(capsys: pytest.CaptureFixture[str], *line: str) -> list[dict]:
    assert main([*line, "--repeats", "1", "--json", "--cfg", CONFIG]) == 0
    return simplejson.loads(capsys.readouterr().out)["rows"]


def test_data_compares_items_with_a_plain_decode(
    motions: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    video = next((motions / "test").rglob("*.mp4"))
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(video.read_bytes())
    monkeypatch.setattr(benchmark_data, "LONG_LIST", 40_000)
    table = rows(capsys, "data", "--videos", str(tmp_path / "videos"))
    by_name = {row["what"]: row for row in table}
    plain = by_name["plain decode of all frames"]
    assert plain["ratio"] == 1
    rgb, strict = by_name["training item, rgb"], by_name["training item, strict"]
    assert rgb["mb_to_device"] == pytest.approx(16 * 48 * 48 * 3 / 1e6)
    assert strict["mb_to_device"] == 4 * rgb["mb_to_device"]
    assert by_name["training item, yuv"]["mb_to_device"] < rgb["mb_to_device"]
    test = by_name["test item, 30 views, rgb"]
    assert test["ratio"] == pytest.approx(test["ms"] / plain["ms"])
    assert by_name["worker, list of 40,000 videos"]["mb_memory"] < 2
    for rival in ("decord", "torchcodec", "OpenCV"):
        assert "ms" in by_name[rival] or by_name[rival]["missing"]


@pytest.mark.slow
def test_training_compares_with_float32(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows(capsys, "train", "NUM_GPUS", "0", "--processes", "1", "--steps", "2")
    assert len(table) == 4
    assert "float32" in table[0]["what"]
    assert table[0]["ratio"] == 1


def test_the_network_of_a_config_runs_in_every_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "--repeats", "1", "--cfg", CONFIG, "--device", "cpu"]) == 0
    machine, head, *lines = capsys.readouterr().out.splitlines()
    assert f"torch {torch.__version__}" in machine
    assert "clips/s" in head
    assert [line[21:80].strip() for line in lines if "pytorchvideo" not in line] == [
        "forward, float32",
        "forward, float32, channels last",
        "forward, bfloat16",
        "forward, bfloat16, channels last",
        "forward, fused float32",
        "forward, fused float32, channels last",
        "forward, fused pure bfloat16, channels last",
        "step, float32",
        "step, float32, channels last",
        "step, bfloat16",
        "step, bfloat16, channels last",
    ]


def test_settings_of_the_zoo_and_of_a_config_do_not_mix(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["model", "--cfg", CONFIG, "--crop", "64"]) == 2
    assert "with --cfg set DATA.TRAIN_CROP_SIZE" in capsys.readouterr().err
    assert main(["model", "NUM_GPUS", "0"]) == 2
    assert "NUM_GPUS is a setting, and there is no --cfg" in capsys.readouterr().err


def test_an_empty_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["data", "--cfg", CONFIG, "--videos", str(tmp_path / "empty")]) == 2
    assert "expected a folder with videos, found none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--device tpu", "device is 'tpu', expected 'cpu'"),
        ("--device cuda:77", "device is 'cuda:77', but PyTorch finds"),
        (
            "--crop 3 --networks slow_r18_4x16 --device cpu",
            "does not run with 1 clip(s) of this size (Expected more than 1 value per channel",
        ),
    ],
)
def test_what_does_not_run_is_one_line(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "--repeats", "1", *line.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
