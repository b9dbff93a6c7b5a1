"""Mirrors slowfast/cli/run.py and tools/run_net.py: the known command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import simplejson

from slowfast import dist
from slowfast.cli.run import main as run
from slowfast.cli.run import parse_args

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def test_one_command_trains_tests_and_reports(tiny: list[str], tmp_path: Path) -> None:
    """From any folder, without an installed package."""
    command = [sys.executable, str(ROOT / "tools" / "run_net.py"), "--cfg", str(CONFIG), *tiny]
    command += ["LOG_MODEL_INFO", "True", "SOLVER.MAX_EPOCH", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run_folder = tmp_path / "run"
    assert f"report: {run_folder / 'report.html'}" in done.stdout
    results = simplejson.loads((run_folder / "test_results.json").read_text())
    assert results["num_views"] == 12 * 6
    assert '"split": "test_final"' in done.stdout
    assert set(simplejson.loads((run_folder / "data.json").read_text())) == {"train", "val", "test"}


def test_several_configs_run_one_after_the_other(tiny: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(f"_BASE_: {CONFIG}\nSOLVER:\n  MAX_EPOCH: 1\n")
    options = [*tiny, "SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "False", "REPORT.ENABLE", "False"]
    assert run(["--cfg", str(CONFIG), str(other), *options]) == 0


def test_a_mistake_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--cfg", str(CONFIG), "SOLVER.BASE_LRR", "0.1"], program="run_net.py") == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("run_net.py: ")
    assert "SOLVER.BASE_LR" in captured.err


def test_a_mistake_in_the_second_config_costs_no_training(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--cfg", str(CONFIG), str(tmp_path / "none.yaml"), *tiny]) == 2
    assert "none.yaml" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_pipe_that_broke_does_not_end_a_run_as_if_it_were_done(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("slowfast.cli.run._launch", broken)
    with pytest.raises(RuntimeError, match="a process that this one talks to has gone"):
        run(["--cfg", str(CONFIG), *tiny])


def test_print_config_shows_values_and_where_they_come_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--cfg", str(CONFIG), "--print-config", "SOLVER.MAX_EPOCH", "3"]) == 0
    out = capsys.readouterr().out
    assert "MAX_EPOCH: 3" in out
    assert "SOLVER.MAX_EPOCH" in out
    assert "(command line)" in out
    assert "tiny.yaml:" in out


def test_shards_of_the_public_command_line_reach_the_config(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["--cfg", str(CONFIG), "--num_shards", "4", "--shard_id", "2", "--print-config"]
    assert run(line) == 0
    out = capsys.readouterr().out
    assert "NUM_SHARDS: 4" in out
    assert "SHARD_ID: 2" in out


def test_several_machines_need_an_address(
    tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--cfg", str(CONFIG), "--num_shards", "2", *tiny]) == 2
    assert "--init_method tcp://HOST:PORT" in capsys.readouterr().err


def test_cpu_processes_share_the_batch(tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--cfg", str(CONFIG), "--nproc", "3", *tiny]) == 2
    said = capsys.readouterr().err
    assert "TRAIN.BATCH_SIZE (4) must be a multiple of the number of processes (3)" in said
    assert "Set TRAIN.BATCH_SIZE 3, or --nproc." in said


def test_processes_that_torchrun_made_must_be_those_of_the_config(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert run(["--cfg", str(CONFIG), *tiny, "NUM_GPUS", "2"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "makes 4 process(es) on this machine, but NUM_GPUS is 2" in captured.err


@pytest.mark.parametrize(
    ("error", "code", "out", "err"),
    [
        (dist.Stopped("saved in a", 75), 75, "saved in a\n", ""),
        (dist.Stopped("saved in a", 130), 130, "saved in a\n", ""),
        (dist.ProcessFailed("rank 1 was killed"), 1, "", "rank 1 was killed\n"),
    ],
)
def test_how_processes_ended_is_a_line_and_a_code(
    error: Exception,
    code: int,
    out: str,
    err: str,
    tiny: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[dict[str, Any]] = []

    def launch(*args: Any, **settings: Any) -> None:
        asked.append(settings)
        raise error

    monkeypatch.setattr(dist, "launch", launch)
    assert run(["--cfg", str(CONFIG), "--nproc", "2", *tiny, "DIST_MAX_RESTARTS", "7"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (out, err)
    assert (asked[0]["processes"], asked[0]["max_restarts"]) == (2, 7)
    assert len(asked) == 1, "it went on to the test"


def test_machines_of_the_environment_reach_the_config(
    tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(dist, "launch", lambda function, cfg, **settings: asked.append(cfg))
    for name, value in {"PET_NNODES": "4", "PET_NODE_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PET_RDZV_ENDPOINT", "a:1")
    assert run(["--cfg", str(CONFIG), *tiny]) == 0
    assert (asked[0].NUM_SHARDS, asked[0].SHARD_ID) == (4, 2)


@pytest.mark.parametrize(
    ("line", "files", "opts"),
    [
        (["--cfg", "a.yaml"], ["a.yaml"], []),
        (["--cfg", "a.yaml", "NUM_GPUS", "0"], ["a.yaml"], ["NUM_GPUS", "0"]),
        (["--cfg", "a", "B.YAML", "TEST.ENABLE", "x"], ["a", "B.YAML"], ["TEST.ENABLE", "x"]),
        (["NUM_GPUS", "0", "--cfg", "a.yaml"], ["a.yaml"], ["NUM_GPUS", "0"]),
        (
            ["--cfg", "a.yaml", "SOLVER.X", "-1", "--print-config"],
            ["a.yaml"],
            ["SOLVER.X", "-1"],
        ),
    ],
)
def test_files_end_where_the_first_key_begins(
    line: list[str], files: list[str], opts: list[str]
) -> None:
    args = parse_args(line, "run_net.py")
    assert (args.cfg_files, args.opts) == (files, opts)


def test_gpus_that_are_not_there_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The public recipes ask for eight; a laptop gets a sentence and not eight tracebacks."""
    options = ["NUM_GPUS", "64", "TRAIN.BATCH_SIZE", "64", "TEST.BATCH_SIZE", "64"]
    line = ["--cfg", str(CONFIG), *options, "OUTPUT_DIR", str(tmp_path / "run")]
    assert run(line) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "set NUM_GPUS 0 to run on the CPU" in captured.err


def test_what_ends_a_run_is_in_its_log_too(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*tiny, "MODEL.LOSS_FUNC", "bce_logit", "TEST.ENABLE", "False"]
    assert run(["--cfg", str(CONFIG), *options]) == 2
    captured = capsys.readouterr()
    said = captured.err.removeprefix("slowfast run: ")
    assert said.startswith("MODEL.LOSS_FUNC is 'bce_logit'")
    assert "MODEL.LOSS_FUNC" not in captured.out
    last = (tmp_path / "run" / "stdout.log").read_text().splitlines()[-1]
    assert last.endswith(f"[ERROR] {said.strip()}")


def test_a_run_that_cannot_go_on_says_so_in_the_log_that_is_there(
    tiny: list[str], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    options = [*tiny, "NUM_GPUS", "64", "TRAIN.BATCH_SIZE", "64", "TEST.BATCH_SIZE", "64"]
    assert run(["--cfg", str(CONFIG), *options]) == 2
    lines = (tmp_path / "run" / "stdout.log").read_text().splitlines()
    assert len(lines) == 1
    assert "[ERROR] NUM_GPUS is 64, but PyTorch finds" in lines[0]
