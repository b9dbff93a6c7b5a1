"""Mirrors slowfast/engine/checkpoint/plain_pickle.py and caffe2.py: hostile files among them."""

from __future__ import annotations

import builtins
import functools
import importlib
import os
import pickle
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slowfast.engine.checkpoint.caffe2 import read_blobs
from slowfast.engine.checkpoint.integrity import CheckpointError


def python2_pickle(blobs: dict[str, np.ndarray]) -> bytes:
    """{"blobs": blobs} as Python 2 wrote it: protocol 2, bytes as 8-bit strings."""

    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    def number(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    parts = [b"\x80\x02}", text(b"blobs"), b"}("]
    for name, array in blobs.items():
        dtype = b"cnumpy\ndtype\n(" + text(array.dtype.str[1:].encode()) + b"K\x00K\x01tR"
        dtype += (
            b"(K\x03" + text(array.dtype.str[:1].encode()) + b"NNN" + number(-1) * 2 + b"K\x00tb"
        )
        shape = b"(" + b"".join(map(number, array.shape)) + b"t"
        new = (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
        )
        state = b"(K\x01" + shape + dtype + b"\x89" + text(array.tobytes()) + b"tb"
        parts += [text(name.encode()), new, state]
    return b"".join([*parts, b"us."])


ARRAYS = {
    "conv1_w": np.arange(24, dtype="<f4").reshape(2, 3, 4),
    "big_endian": np.arange(3, dtype=">f8"),
    "model_iter": np.array([7], dtype="<i8"),
    "half": np.ones((2, 2), dtype="<f2"),
    "column_major": np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)),
    "high": np.frombuffer(bytes(range(128, 256)), dtype="u1"),
}


def read(data: bytes, folder: Path) -> dict[str, torch.Tensor]:
    file = folder / "weights.pkl"
    file.write_bytes(data)
    return read_blobs(file, source="weights.pkl")


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol_are_read(protocol: int, tmp_path: Path) -> None:
    content = {"blobs": {**ARRAYS, "lr": np.float32(0.5), "step": 3, "note": "text"}}
    blobs = read(pickle.dumps(content, protocol), tmp_path)
    for name, array in ARRAYS.items():
        assert torch.equal(
            blobs[name], torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        )
    assert blobs["lr"] == 0.5
    assert blobs["step"] == 3
    assert "note" not in blobs
    blobs["conv1_w"].add_(1)  # memory of its own


def test_what_python_2_wrote_is_read_and_blobs_may_be_bare(tmp_path: Path) -> None:
    arrays = {name: array for name, array in ARRAYS.items() if name != "column_major"}
    blobs = read(python2_pickle(arrays), tmp_path)
    assert list(blobs) == list(arrays)
    for name, array in arrays.items():
        assert np.array_equal(blobs[name].numpy(), array)
    bare = read(pickle.dumps(OrderedDict(arrays), 2), tmp_path)
    assert torch.equal(bare["conv1_w"], blobs["conv1_w"])


class Calls:
    """Pickles to a call of `function`."""

    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def hostile_calls(flag: str) -> dict[str, Calls]:
    return {
        "system": Calls(os.system, (f"touch {flag}",)),
        "mkdir": Calls(os.mkdir, (flag,)),
        "eval": Calls(eval, (f"open({flag!r}, 'w')",)),
        "exec": Calls(exec, (f"open({flag!r}, 'w')",)),
        "open": Calls(open, (flag, "w")),
        "subprocess": Calls(subprocess.check_output, (["touch", flag],)),
        "getattr": Calls(getattr, ("os", "system")),
        "import": Calls(importlib.import_module, ("os",)),
        "reduce": Calls(functools.reduce, (print, [1, 2])),
        "memmap": Calls(np.memmap, (flag, "u1", "w+", 0, 8)),
        "fromfile": Calls(np.fromfile, ("/etc/hostname", "u1")),
        "load": Calls(np.load, ("x", None, True)),
        "torch.load": Calls(torch.load, ("x",)),
        "print": Calls(builtins.print, ("owned",)),
        "nested": Calls(list, ([Calls(os.mkdir, (flag,))],)),
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", hostile_calls(""))
def test_no_call_is_made(
    kind: str, protocol: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = tmp_path / "owned"
    evil = hostile_calls(str(flag))[kind]
    with pytest.raises(CheckpointError, match=r"weights\.pkl: .* but it asks for "):
        read(pickle.dumps({"blobs": {"x": evil}}, protocol), tmp_path)
    assert not flag.exists()
    assert not capsys.readouterr().out


F4 = b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR"
NEW = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
HOSTILE = {
    "INST": (b"(S'id'\nios\nsystem\n.", "INST"),
    "OBJ": (b"(cos\nsystem\nS'id'\no.", "os.system"),
    "OBJ of an array": (b"(cnumpy\nndarray\nS'id'\no.", "OBJ"),
    "NEWOBJ": (b"\x80\x02cnumpy\nndarray\n(t\x81.", "NEWOBJ"),
    "NEWOBJ_EX": (b"\x80\x04cnumpy\nndarray\n(t}\x92.", "NEWOBJ_EX"),
    "STACK_GLOBAL": (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", "os.system"),
    "STACK_GLOBAL of no names": (b"\x80\x04K\x01K\x02\x93.", "it asks for"),
    "EXT1": (b"\x80\x02\x82\x01.", "EXT1"),
    "EXT2": (b"\x80\x02\x83\x01\x00.", "EXT2"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
    "PERSID": (b"Pid\n.", "PERSID"),
    "BINPERSID": (b"\x80\x02K\x01Q.", "BINPERSID"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.", "ndarray.dump"),
    "subclass": (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmemmap\n", "memmap"),
    "state of a function": (b"\x80\x02cnumpy\ndtype\n}U\x01xU\x01ysb.", "state of _Global"),
    "state of a dict": (b"\x80\x02}}b.", "state of dict"),
    "call of text": (b"\x80\x02U\x02id)R.", "it calls str"),
    "call of a result": (b"\x80\x02" + NEW + b")R.", "it calls PickledArray"),
    "object array": (pickle.dumps({"x": np.array([{}], dtype=object)}, 2), "'O8'"),
    "record array": (b"\x80\x02cnumpy\ndtype\n(U\x03V16K\x00K\x01tR.", "'V16'"),
    "text array": (pickle.dumps({"x": np.array(["a"])}, 2), "'U1'"),
    "dtype that is no text": (b"\x80\x02cnumpy\ndtype\n(}K\x00K\x01tR.", "where numbers belong"),
    "wrong size": (b"\x80\x02" + NEW + b"(K\x01K\x09\x85" + F4 + b"\x89U\x04aaaatb.", "4 bytes"),
    "negative shape": (
        b"\x80\x02" + NEW + b"(K\x01J\xff\xff\xff\xffJ\xfc\xff\xff\xff\x86" + F4 + b"\x89U\x10"
        + b"a" * 16 + b"tb.",
        "16 bytes",
    ),
    "unhashable key": (b"\x80\x02}]K\x01s.", "other keys than names"),
    # Hashing such a key would recurse in C and end the process.
    "deep key": (b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.", "other keys than names"),
    "deep lists": (b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".", "list where a dict"),
    "huge length": (b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"x.", "but "),
    "huge memo index": (b"\x80\x02}r\xff\xff\xff\x7f.", "dict where a dict"),
    "memo without an entry": (b"\x80\x02h\x07.", "but "),
    "list of itself": (b"\x80\x02]q\x00h\x00a.", "list where a dict"),
    "dict of itself": (b"\x80\x02}q\x00U\x01xh\x00s.", "is dict, not an array"),
    "set": (b"\x80\x04\x8f(K\x01\x90.", "EMPTY_SET"),
    "pop of nothing": (b"\x80\x020.", "but "),
    "no STOP": (b"\x80\x02}", "breaks off"),
    "unknown opcode": (b"\x80\x02\xff.", "damaged at byte 3"),
    "empty": (b"", "breaks off"),
    "no dict": (pickle.dumps([1]), "list where a dict"),
    "unfilled array": (b"\x80\x02}U\x01x" + NEW + b"s.", "is PickledArray, not an array"),
    "bytes of a size": (b"\x80\x02c__builtin__\nbytes\nK\x09\x85R.", "it calls no bytes"),
    "other codec": (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aU\x06rot_13\x86R.", "encode"),
    "number as long as the file": (b"I" + b"9" * 100_000 + b"\n.", "but "),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_one_error(kind: str, tmp_path: Path) -> None:
    data, reason = HOSTILE[kind]
    with pytest.raises(CheckpointError, match=r"weights\.pkl: expected a Caffe2 ") as caught:
        read(data, tmp_path)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_copies_of_a_part_are_no_bomb(tmp_path: Path) -> None:
    """A memo lets each byte of the file be asked for a thousand times."""
    data = b"B" + (40_000).to_bytes(4, "little") + bytes(40_000) + b"q\x01"
    shape = b"(K\x01M\x10\x27\x85" + F4 + b"\x89"
    arrays = b"".join(b"X\x03\x00\x00\x00%03d" % i + NEW + shape + b"h\x01tb" for i in range(900))
    with pytest.raises(CheckpointError, match="larger than the file itself"):
        read(b"\x80\x03" + data + b"0}(" + arrays + b"u.", tmp_path)
    text = b"X" + (40_000).to_bytes(4, "little") + b"a" * 40_000 + b"q\x01"
    calls = b"c_codecs\nencode\nh\x01U\x06latin1\x86R" * 900
    with pytest.raises(CheckpointError, match="larger than the file itself"):
        read(b"\x80\x02" + text + b"](" + calls + b"e.", tmp_path)
    pairs = b"](" + b"X\x01\x00\x00\x00aK\x01\x86" * 5000 + b"eq\x01"
    calls = b"ccollections\nOrderedDict\nh\x01\x85R" * 5000
    with pytest.raises(CheckpointError, match="larger than the file itself"):
        read(b"\x80\x02" + pairs + b"](" + calls + b"e.", tmp_path)


def test_damage_anywhere_is_an_error_or_still_weights(tmp_path: Path) -> None:
    data = python2_pickle({"conv1_w": ARRAYS["conv1_w"], "b": ARRAYS["half"]})
    refused = 0
    for position in range(len(data)):
        for damaged in (data[:position], data[:position] + b"\xa5" + data[position + 1 :]):
            try:
                read(damaged, tmp_path)
            except CheckpointError:
                refused += 1
    assert refused > len(data)  # every cut, and more
