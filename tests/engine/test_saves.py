"""Mirrors slowfast/engine/saves.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.config import load_cfg
from slowfast.engine import saves as module
from slowfast.engine.checkpoint.background import Background
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import (
    FORMATS,
    checkpoint_path,
    list_checkpoints,
    read_checkpoint,
    remove_steps_before,
)
from slowfast.engine.saves import Copies, Saves, saves_from_cfg
from slowfast.engine.stop import Interrupted

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def content(value: float) -> dict[str, Any]:
    return {"model_state": {"w": torch.full((4,), value)}, "epoch": 0}


def nothing() -> None:
    """What is to be done once a checkpoint is whole."""


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., threading.Event]:
    """Writing waits for the event; then it fails with the error, if there is one."""

    def make(error: Exception | None = None) -> threading.Event:
        go = threading.Event()
        for name in ("write_checkpoint", "write_sharded"):
            real = getattr(module, name)

            def write(*args: Any, real: Callable[..., None] = real) -> None:
                assert go.wait(30)
                if error is not None:
                    raise error
                real(*args)

            monkeypatch.setattr(module, name, write)
        return go

    return make


@pytest.mark.parametrize("kind", FORMATS)
def test_training_goes_on_while_what_was_there_is_written(
    kind: str, tmp_path: Path, slow_disk: Callable[..., threading.Event]
) -> None:
    paths = [checkpoint_path(tmp_path, 0, step=step, kind=kind) for step in (1, 2, 3)]
    for path in paths[:2]:
        Saves(kind=kind).write(path, content(0), then=nothing)
    go = slow_disk()
    beside = Saves(kind=kind, writer=Background(), keep=Copies())
    state = content(1)
    then = lambda: remove_steps_before(tmp_path, paths[2], keep=2)  # noqa: E731
    beside.write(paths[2], state, then=then)
    state["model_state"]["w"].fill_(2)  # the next step
    assert list_checkpoints(tmp_path) == paths[1::-1], "the old ones stay until it is whole"
    go.set()
    beside.writer.wait()
    assert list_checkpoints(tmp_path) == paths[2:0:-1]
    assert read_checkpoint(paths[2])["model_state"]["w"].tolist() == [1] * 4


@pytest.mark.parametrize("kind", FORMATS)
def test_both_ways_write_the_same(kind: str, tmp_path: Path) -> None:
    sync, beside = tmp_path / f"sync{FORMATS[kind]}", tmp_path / f"beside{FORMATS[kind]}"
    state = {**content(0.1), "optimizer_state": {"state": {0: {"step": torch.tensor(3.0)}}}}
    Saves(kind=kind).write(sync, state, then=nothing)
    with Saves(kind=kind, writer=Background(), keep=Copies()) as saves:
        saves.write(beside, state, then=nothing)
    one, other = read_checkpoint(sync), read_checkpoint(beside)
    assert torch.equal(one["model_state"]["w"], other["model_state"]["w"])
    assert one["optimizer_state"] == other["optimizer_state"] == state["optimizer_state"]


def save_and_end(path: Path, error: Exception | None) -> None:
    """A run that saves once, beside training, and ends."""
    with Saves(writer=Background(), keep=Copies()) as saves:
        saves.write(path, content(1), then=nothing)
        if error is not None:
            raise error


@pytest.mark.parametrize("stopped", [False, True])
def test_a_run_that_ends_or_is_stopped_waits_and_hears_of_an_error(
    stopped: bool, tmp_path: Path, slow_disk: Callable[..., threading.Event]
) -> None:
    slow_disk(CheckpointError("the disk is full")).set()
    path = tmp_path / "a.pyth"
    with pytest.raises(CheckpointError, match="the disk is full"):
        save_and_end(path, Interrupted(15, path) if stopped else None)


def test_a_failed_save_does_not_hide_the_error_that_ends_a_run(
    tmp_path: Path, slow_disk: Callable[..., threading.Event], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module.LOGGER, "propagate", True)
    slow_disk(CheckpointError("the disk is full")).set()
    with pytest.raises(ValueError, match="the loss is nan"):
        save_and_end(tmp_path / "a.pyth", ValueError("the loss is nan"))
    assert "the disk is full" in caplog.text


def test_the_next_step_hears_of_an_error(
    tmp_path: Path, slow_disk: Callable[..., threading.Event]
) -> None:
    go = slow_disk(CheckpointError("the disk is full"))
    saves = Saves(writer=Background(), keep=Copies())
    saves.write(tmp_path / "a.pyth", content(1), then=nothing)
    saves.check()  # nothing has failed yet, and it does not wait
    go.set()
    saves.writer._thread.join(10)
    with pytest.raises(CheckpointError, match="the disk is full"):
        saves.check()


def test_memory_of_copies_follows_the_state() -> None:
    copies = Copies()
    first = copies({"w": torch.ones(2)})
    assert copies({"w": torch.zeros(3)})["w"].tolist() == [0] * 3
    assert first["w"].tolist() == [1, 1]


def test_the_config_chooses() -> None:
    plain = saves_from_cfg(load_cfg(CONFIG))
    assert (plain.kind, type(plain.writer).__name__) == ("pyth", "Foreground")
    keys = ["TRAIN.CHECKPOINT_FORMAT", "sharded", "TRAIN.CHECKPOINT_ASYNC", "True"]
    other = saves_from_cfg(load_cfg(CONFIG, keys))
    assert (other.kind, type(other.writer).__name__) == ("sharded", "Background")
    assert other.group is None, "one process needs no group"
