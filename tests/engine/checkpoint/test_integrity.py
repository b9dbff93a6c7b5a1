"""Mirrors slowfast/engine/checkpoint/integrity.py."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest
import torch

from slowfast.engine.checkpoint import integrity
from slowfast.engine.checkpoint.integrity import (
    CheckpointError,
    hash_path,
    is_whole,
    save_atomically,
    write_atomically,
)


def test_what_is_saved_is_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "a.pyth"
    save_atomically({"x": torch.arange(3)}, path)
    assert is_whole(path) is True
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.pyth", "a.pyth.sha256"]
    assert torch.load(path, weights_only=True)["x"].tolist() == [0, 1, 2]


def test_sha256sum_reads_the_hash_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pyth"
    save_atomically({"x": 1}, path)
    subprocess.run(["sha256sum", "--check", hash_path(path).name], cwd=tmp_path, check=True)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.pyth"
    save_atomically({"x": torch.arange(100)}, path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        broken = bytearray(whole)
        broken[place] ^= 0x10
        path.write_bytes(bytes(broken))
        assert is_whole(path) is False


def test_a_file_without_a_hash_is_neither_whole_nor_broken(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "foreign.pyth")
    assert is_whole(tmp_path / "foreign.pyth") is None


@pytest.mark.parametrize("step", ["torch.save", "os.replace:0", "os.replace:1", "os.replace:2"])
def test_a_crash_at_any_step_leaves_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The old content or the new one, and in either case a hash that fits."""
    path = tmp_path / "a.pyth"
    save_atomically({"x": "old"}, path)

    class Crash(BaseException):
        pass

    calls = {"left": int(step.partition(":")[2] or 0)}
    target = torch if step == "torch.save" else integrity.os
    name = step.partition(":")[0].partition(".")[2]
    real = getattr(target, name)

    def crash(*args: object, **kwargs: object) -> object:
        if calls["left"] == 0:
            raise Crash
        calls["left"] -= 1
        return real(*args, **kwargs)

    monkeypatch.setattr(target, name, crash)
    with pytest.raises(Crash):
        save_atomically({"x": "new"}, path)
    assert is_whole(path) is True
    assert torch.load(path, weights_only=True)["x"] in ("old", "new")


FULL = OSError(errno.ENOSPC, "No space left on device")
SHORT = RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 4992 vs 4886")


@pytest.mark.parametrize("error", [FULL, SHORT])
def test_a_full_disk_is_one_line_and_costs_only_the_new_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "a.pyth"
    save_atomically({"x": "old"}, path)

    def fail(content: object, file: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(CheckpointError) as caught:
            save_atomically({"x": "new"}, path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: the checkpoint could not be saved (")
    assert "): it needs more than the " in message
    assert f" MB left in {tmp_path}; make room there" in message
    assert is_whole(path) is True
    assert torch.load(path, weights_only=True)["x"] == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pyth", "a.pyth.sha256"]


def test_no_room_for_the_hash_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pyth"
    save_atomically({"x": "old"}, path)
    calls = iter([None, FULL])
    real = integrity.os.fsync

    def sync(descriptor: int) -> None:
        error = next(calls, None)
        if error:
            raise error
        real(descriptor)

    monkeypatch.setattr(integrity.os, "fsync", sync)
    with pytest.raises(CheckpointError, match=r"\(No space left on device\)"):
        save_atomically({"x": "new"}, path)
    assert is_whole(path) is True
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pyth", "a.pyth.sha256"]


def test_a_mistake_of_ours_stays_a_mistake(tmp_path: Path) -> None:
    def wrong(file: object) -> None:
        raise RuntimeError("sizes do not match")

    with pytest.raises(RuntimeError, match="sizes do not match"):
        write_atomically(tmp_path / "a.pyth", wrong)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"saved \(Not a directory\): write to another"):
        save_atomically({}, tmp_path / "file" / "sub" / "a.pyth")


def test_a_folder_of_that_name_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a.pyth"
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"a\.pyth: .* \(Is a directory\)"):
        save_atomically({"x": 1}, folder)
    assert list(tmp_path.iterdir()) == [folder]
