"""Mirrors slowfast/engine/checkpoint/state.py."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch

from slowfast.engine.checkpoint.integrity import CheckpointError, hash_path
from slowfast.engine.checkpoint.state import (
    checkpoint_path,
    list_checkpoints,
    newest_whole,
    read_checkpoint,
    remove_steps_before,
    set_aside_after,
    write_checkpoint,
)
from slowfast.log import LOGGER


def make(folder: Path, epoch: int, step: int = 0, task: str = "") -> Path:
    path = checkpoint_path(folder, epoch, step=step, task=task)
    write_checkpoint(path, {"model_state": {"w": torch.zeros(2)}, "epoch": epoch - 1})
    return path


def test_names_are_the_public_ones(tmp_path: Path) -> None:
    assert checkpoint_path(tmp_path, 1).name == "checkpoint_epoch_00001.pyth"
    assert checkpoint_path(tmp_path, 1, task="ssl").name == "ssl_checkpoint_epoch_00001.pyth"


def test_the_furthest_comes_first_whatever_its_date(tmp_path: Path) -> None:
    far, near, between = make(tmp_path, 10), make(tmp_path, 2), make(tmp_path, 2, step=7)
    os.utime(far, (0, 0))
    assert list_checkpoints(tmp_path) == [far, between, near]


def test_tasks_do_not_see_each_other(tmp_path: Path) -> None:
    make(tmp_path, 3)
    other = make(tmp_path, 1, task="ssl")
    assert list_checkpoints(tmp_path, task="ssl") == [other]


def test_a_damaged_checkpoint_is_passed_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    whole, broken = make(tmp_path, 1), make(tmp_path, 2)
    broken.write_bytes(broken.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert newest_whole(tmp_path) == whole
    assert "checkpoint_epoch_00002.pyth does not fit its hash" in caplog.text


def test_damage_everywhere_is_an_error_and_not_a_fresh_start(tmp_path: Path) -> None:
    for path in (make(tmp_path, 1), make(tmp_path, 2)):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"none of the 2 checkpoint\(s\) fits its hash"):
        newest_whole(tmp_path)


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    whole, piped, hashed = make(tmp_path, 1), make(tmp_path, 2), make(tmp_path, 3)
    for pipe in (piped, hash_path(piped), hash_path(hashed)):
        pipe.unlink()
        os.mkfifo(pipe)
    assert newest_whole(tmp_path) == whole
    hash_path(piped).unlink()
    assert newest_whole(tmp_path) == whole
    with pytest.raises(CheckpointError, match=r"00002\.pyth: cannot be read \(no regular file\)"):
        read_checkpoint(piped)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04half"])
def test_without_a_hash_a_file_that_cannot_be_read_is_passed(
    content: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a copy that was cut off leaves it."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    whole, broken = make(tmp_path, 1), make(tmp_path, 2)
    broken.write_bytes(content)
    hash_path(broken).unlink()
    assert newest_whole(tmp_path) == whole
    assert "00002.pyth has no checkpoint_epoch_00002.pyth.sha256 and cannot be read" in caplog.text


def test_what_is_beyond_a_position_is_set_aside_with_its_hash(tmp_path: Path) -> None:
    kept = [make(tmp_path, 2, step=3), make(tmp_path, 2), make(tmp_path, 1)]
    beyond = [make(tmp_path, 3), make(tmp_path, 2, step=4)]
    other = make(tmp_path, 9, task="ssl")
    for again in range(2):  # what was set aside before gives way
        moved = set_aside_after(tmp_path, (2, 3))
        assert [path.name for path in moved] == [path.name for path in beyond], again
        assert all(path.exists() and hash_path(path).exists() for path in moved)
        assert list_checkpoints(tmp_path) == kept
        assert not any(hash_path(path).exists() for path in beyond)
        for path in (make(tmp_path, 3), make(tmp_path, 2, step=4)):
            assert path.exists()
    assert other.exists()
    broken = tmp_path / "checkpoints" / "checkpoint_epoch_00004.dcp"
    broken.symlink_to("nowhere")
    assert [path.is_symlink() for path in set_aside_after(tmp_path, (3, 0))] == [True]


def test_parts_of_a_save_are_no_checkpoints(tmp_path: Path) -> None:
    path = make(tmp_path, 1)
    path.with_name(".checkpoint_epoch_00002.pyth.77.part").write_bytes(b"half")
    assert list_checkpoints(tmp_path) == [path]


def test_old_steps_go_and_epochs_stay(tmp_path: Path) -> None:
    epoch = make(tmp_path, 1)
    steps = [make(tmp_path, 1, step=s) for s in (5, 10, 15)]
    remove_steps_before(tmp_path, steps[-1], keep=2)
    assert list_checkpoints(tmp_path) == [steps[2], steps[1], epoch]
    assert not hash_path(steps[0]).exists()


def test_reading_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pyth: there is no such checkpoint"):
        read_checkpoint(tmp_path / "none.pyth")
    damaged = make(tmp_path, 1)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"does not fit checkpoint_epoch_00001\.pyth\.sha256"):
        read_checkpoint(damaged)
    text = tmp_path / "text.pyth"
    text.write_text("no checkpoint")
    with pytest.raises(CheckpointError, match=r"text\.pyth: expected a PyTorch checkpoint"):
        read_checkpoint(text)
    torch.save({"state": 1}, tmp_path / "other.pyth")
    with pytest.raises(CheckpointError, match=r"expected tensors under 'model_state'.*'state'"):
        read_checkpoint(tmp_path / "other.pyth")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"model_state": Evil()}, tmp_path / "evil.pyth")
    with pytest.raises(CheckpointError, match="holds objects that could run code"):
        read_checkpoint(tmp_path / "evil.pyth")
    assert not (tmp_path / "owned").exists()


def test_a_bare_state_dict_is_read(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1)}, tmp_path / "bare.pth")
    assert list(read_checkpoint(tmp_path / "bare.pth")["model_state"]) == ["w"]


def test_a_folder_is_named_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "a.pyth"
    folder.mkdir()
    with pytest.raises(
        CheckpointError, match=r"a\.pyth: cannot be read \(Is a directory\); name a"
    ):
        read_checkpoint(folder)
    hash_path(folder).write_text("0  a.pyth\n")
    with pytest.raises(CheckpointError, match="Is a directory"):
        read_checkpoint(folder)


def test_the_hash_of_a_file_that_was_changed_on_purpose_can_go(tmp_path: Path) -> None:
    path = make(tmp_path, 1)
    torch.save({"model_state": {"w": torch.ones(2)}}, path)
    with pytest.raises(CheckpointError, match=r"on purpose, delete (\S+)\.sha256") as caught:
        read_checkpoint(path)
    path.with_name(str(caught.value).rpartition("delete ")[2]).unlink()
    assert read_checkpoint(path)["model_state"]["w"].tolist() == [1, 1]
