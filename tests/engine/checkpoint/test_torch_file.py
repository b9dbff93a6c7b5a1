"""Mirrors slowfast/engine/checkpoint/torch_file.py: whatever the bytes, one kind of error."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import read_checkpoint

STATE = {"model_state": {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(3)}}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("count", [150, pytest.param(5000, marks=pytest.mark.slow)])
def test_damage_is_one_kind_of_error(zipped: bool, count: int, tmp_path: Path) -> None:
    """Flipped, overwritten, inserted and missing bytes; what can still be read is read."""
    path = tmp_path / "a.pyth"
    torch.save({**STATE, "epoch": 1}, path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    draw = random.Random(7)
    refused = []
    for _ in range(count):
        mutant = bytearray(data)
        # The pickle, where damage does most, is at the beginning.
        end = len(data) if draw.random() < 0.3 else min(len(data), 700)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(end)
            mutant[at] = draw.choice([mutant[at] ^ 1 << draw.randrange(8), draw.randrange(256)])
        if draw.random() < 0.2:
            del mutant[draw.randrange(len(data)) :]
        path.write_bytes(mutant)
        try:
            content = read_checkpoint(path)
        except CheckpointError as error:
            refused.append(str(error))
        else:
            assert all(isinstance(name, str) for name in content["model_state"])
    assert len(refused) > count / 10
    assert all(said.startswith(f"{path}: ") and "\n" not in said for said in refused)


def with_pickle(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/version", b"3\n")
    return path


@pytest.mark.parametrize(
    "pickled", [b".", b"", b"\x80\x02Q.", b"\x80\x02h\x05.", b"(" * 5000, b"\x80\x02]\x94a."]
)
def test_pickles_that_break_the_reader_are_named(pickled: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.pyth: expected a PyTorch checkpoint .* damaged"):
        read_checkpoint(with_pickle(tmp_path / "a.pyth", pickled))


@pytest.mark.parametrize(
    "data", [b"", b"hello world, this is not a checkpoint", b"PK\x03\x04", b"\x80", b"e" * 99]
)
def test_files_that_are_no_checkpoints_are_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "note.pyth").write_bytes(data)
    with pytest.raises(
        CheckpointError, match=r"note\.pyth: expected a PyTorch checkpoint"
    ) as caught:
        read_checkpoint(tmp_path / "note.pyth")
    assert "weights_only" not in str(caught.value)


def test_packed_entries_are_never_unpacked(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "a.pyth")
    with (
        zipfile.ZipFile(tmp_path / "a.pyth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pyth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.namelist():
            packed.writestr(entry, plain.read(entry))
    with pytest.raises(CheckpointError, match=r"bomb\.pyth: .*its entries are compressed"):
        read_checkpoint(tmp_path / "bomb.pyth")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Each entry of the directory names the same large one."""
    path = with_pickle(tmp_path / "bomb.pyth", b"x" * 5000)
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    first = data[start : data.index(b"PK\x01\x02", start + 1)]
    directory = first * 30
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 30, 30, len(directory), start, 0)
    assert len(data) - end == len(tail)
    path.write_bytes(data[:start] + directory + tail)
    with pytest.raises(CheckpointError, match="its entries are larger than the file itself"):
        read_checkpoint(path)


def test_the_reader_s_advice_to_run_the_file_is_not_passed_on(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("owned",)

    for zipped in (True, False):
        torch.save({"x": Evil()}, tmp_path / "a.pyth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match="could run code") as caught:
            read_checkpoint(tmp_path / "a.pyth")
        assert "Re-running" not in str(caught.value)
