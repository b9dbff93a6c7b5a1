"""Mirrors slowfast/cli/{doctor,doctor_checks,doctor_run}.py."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from slowfast.cli import doctor_checks
from slowfast.cli.doctor import main
from slowfast.cli.doctor_checks import (
    Line,
    codec_line,
    convolution_line,
    disk_line,
    gpu_lines,
    open_files_line,
    python_line,
    shared_memory_line,
    torch_line,
    torchcodec_line,
    workers_line,
    write_line,
)

TINY = "configs/Motions/SLOWFAST_TINY.yaml"


def test_this_machine_passes_and_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--json"])
    lines = json.loads(capsys.readouterr().out)
    assert code == int(any(line["status"] == "FAIL" for line in lines))
    names = [line["name"] for line in lines]
    for name in ("Python", "PyTorch", "decode h264", "shared memory", "open files", "write"):
        assert name in names
    assert all(line["remedy"] for line in lines if line["status"] != "ok")


def test_a_run_is_looked_over(tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", TINY, *tiny, "NUM_GPUS", "0"]) == 0
    out = capsys.readouterr().out
    assert "ok   train list: 24 videos\n" in out
    assert "ok   test videos: 3 of 12 read, clips of 16 x 32 x 32 x 3\n" in out
    assert "ok   memory: " in out


def test_what_keeps_a_run_from_beginning_is_named(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "DATA.PATH_PREFIX": "/nowhere",
        "TRAIN.CHECKPOINT_FILE_PATH": "/no.pyth",
        "NUM_GPUS": "0",
        "TRAIN.BATCH_SIZE": "2000000",
        "MODEL.NUM_CLASSES": "13",
    }
    assert main(["--cfg", TINY, *tiny, *(part for pair in wrong.items() for part in pair)]) == 1
    out = capsys.readouterr().out
    assert "FAIL train videos: 3 of 3 cannot be read, the first: /nowhere/" in out
    assert "FAIL checkpoint: /no.pyth is not there; correct TRAIN.CHECKPOINT_FILE_PATH" in out
    assert "GB; lower TRAIN.BATCH_SIZE" in out
    assert "FAIL classes: " in out
    assert "to be mended: train videos, val videos, test videos, classes" in out
    assert main(["--cfg", TINY, "DATA.PATH_TO_DATA_DIR", str(tmp_path)]) == 1
    assert "FAIL test list: " in capsys.readouterr().out


def test_lines_read_as_status_name_finding_remedy() -> None:
    assert str(Line("warn", "disk", "1 GB free", "buy one")) == "warn disk: 1 GB free; buy one"
    assert str(Line("ok", "disk", "9 GB free")) == "ok   disk: 9 GB free"


def test_thresholds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert python_line((3, 10, 0)).status == "FAIL"
    assert python_line((3, 12, 1)).status == "ok"
    assert workers_line(8, 2).remedy.startswith("set DATA_LOADER.NUM_WORKERS 2")
    assert workers_line(2, 2).status == "ok"
    monkeypatch.setattr(doctor_checks.platform, "system", lambda: "Linux")
    assert shared_memory_line(tmp_path / "no", 8).status == "FAIL"
    monkeypatch.setattr(doctor_checks.platform, "system", lambda: "Darwin")
    assert shared_memory_line(tmp_path / "no", 8).status == "ok"

    def disk(free: int) -> None:
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(doctor_checks.shutil, "disk_usage", lambda _: usage)

    disk(60 << 20)  # the default of Docker is 64 MB
    line = shared_memory_line(tmp_path, 8)
    assert (line.status, "--shm-size" in line.remedy) == ("FAIL", True)
    disk(1 << 30)
    assert shared_memory_line(tmp_path, 8).status == "warn"
    assert shared_memory_line(tmp_path, 2).status == "ok"
    assert disk_line(tmp_path).status == "warn"
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 65536))
    assert open_files_line().remedy == "ulimit -n 4096"
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    assert "the hard limit of 64 does not allow: raise it in" in open_files_line().remedy
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    assert torch_line().status == "FAIL"
    assert write_line(tmp_path / "missing").status == "FAIL"


def test_codecs_are_tried() -> None:
    assert codec_line("h264", "libx264").found.startswith("12 frames")
    assert codec_line("h264", "no such encoder").found.startswith("decoder present, not tried")
    assert codec_line("h2645", "libx264").status == "warn"


def test_a_torchcodec_that_does_not_load_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "torchcodec"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "decoders.py").write_text("raise RuntimeError('Could not load libtorchcodec.')")
    monkeypatch.setattr(doctor_checks.importlib.util, "find_spec", lambda _: object())
    monkeypatch.syspath_prepend(tmp_path)
    line = torchcodec_line()
    assert line.status == "warn"
    assert "Could not load libtorchcodec." in line.found


def test_wrong_convolutions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert convolution_line(cpu, torch.bfloat16).status == "ok"
    right = torch.nn.functional.conv3d

    def wrong(x: torch.Tensor, w: torch.Tensor, padding: int) -> torch.Tensor:
        out = right(x, w, padding=padding)
        return out if x.dtype == torch.float32 else out.roll(1, 2)

    monkeypatch.setattr(torch.nn.functional, "conv3d", wrong)
    line = convolution_line(cpu, torch.bfloat16)
    assert line.status == "FAIL"
    assert "TRAIN.MIXED_PRECISION False" in line.remedy


def test_no_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (line,) = gpu_lines()
    assert line.found == "no GPU that PyTorch can use"
    assert "NUM_GPUS 0" in line.remedy


@pytest.mark.gpu
def test_convolutions_of_this_gpu() -> None:
    assert [line.status for line in gpu_lines()] == ["ok"] * (torch.cuda.device_count() + 2)
