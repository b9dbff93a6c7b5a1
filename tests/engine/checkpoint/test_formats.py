"""Mirrors slowfast/engine/checkpoint/formats.py."""

from __future__ import annotations

import argparse
import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.formats import write_weights
from slowfast.engine.checkpoint.integrity import CheckpointError, is_whole
from slowfast.engine.checkpoint.state import read_checkpoint
from slowfast.version import __version__

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(7)}


@pytest.mark.parametrize("name", ["a.pyth", "a.safetensors"])
def test_weights_config_and_names_come_back(name: str, tmp_path: Path) -> None:
    write_weights(tmp_path / name, STATE, config="A: 1\n", class_names=("köpek", "cat"))
    assert is_whole(tmp_path / name)
    content = read_checkpoint(tmp_path / name)
    assert content["cfg"] == "A: 1\n"
    assert content["slowfast"]["class_names"] == ["köpek", "cat"]
    for key, value in STATE.items():
        assert torch.equal(content["model_state"][key], value)


def test_what_a_safetensors_file_says_of_itself(tmp_path: Path) -> None:
    shared = torch.ones(2)
    write_weights(tmp_path / "a.safetensors", {"a": shared, "b": shared, "c": shared.expand(3, 2)})
    with safe_open(str(tmp_path / "a.safetensors"), framework="pt") as file:
        assert file.metadata()["slowfast_version"] == __version__
        assert "config" not in file.metadata()
        assert file.get_tensor("c").shape == (3, 2)
    assert "cfg" not in read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize("data", [b"", b"\x08\0\0\0\0\0\0\0{}      ab", b"\xff" * 40])
def test_a_damaged_safetensors_file_is_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: expected a safetensors file"):
        read_checkpoint(tmp_path / "a.safetensors")


def test_without_the_package_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: .*pip install safetensors"):
        write_weights(tmp_path / "a.safetensors", STATE)


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_weights_of_other_programs_have_other_entries(key: str, tmp_path: Path) -> None:
    torch.save({key: STATE, "epoch": 3}, tmp_path / "a.pth")
    assert list(read_checkpoint(tmp_path / "a.pth")["model_state"]) == list(STATE)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_of_torch_are_read_whatever_the_config_says(
    zipped: bool, tmp_path: Path
) -> None:
    file = tmp_path / "a.pyth"
    torch.save({"model_state": STATE}, file, _use_new_zipfile_serialization=zipped)
    assert list(read_checkpoint(file)["model_state"]) == list(STATE)
    if zipped:
        assert list(read_checkpoint(file, caffe2=True)["model_state"]) == list(STATE)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.float64(1), "numpy.*scalar"),
        (np.ones(2), "numpy.*_reconstruct"),
        (argparse.Namespace(a=1), r"argparse\.Namespace"),
        (Path("x"), r"pathlib\.\w*Path"),
    ],
)
def test_objects_of_old_checkpoints_are_named_with_the_way_out(
    value: Any, named: str, tmp_path: Path
) -> None:
    torch.save({"model_state": STATE, "extra": value}, tmp_path / "old.pyth")
    with pytest.raises(
        CheckpointError, match=rf"old\.pyth: holds objects that could run code .*{named}.*If you"
    ) as caught:
        read_checkpoint(tmp_path / "old.pyth")
    assert "\n" not in str(caught.value)


def test_an_old_format_that_runs_code_runs_none(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"x": Evil()}, tmp_path / "a.pyth", _use_new_zipfile_serialization=False)
    (tmp_path / "b.pyth").write_bytes(pickle.dumps(Evil()))
    for name in ("a.pyth", "b.pyth"):
        with pytest.raises(CheckpointError, match="could run code"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("state", [{}, {"a": 1}, [torch.zeros(1)], None])
def test_a_state_without_tensors_is_an_error(state: Any, tmp_path: Path) -> None:
    torch.save({"model_state": state}, tmp_path / "a.pyth")
    with pytest.raises(CheckpointError, match=r"expected tensors under 'model_state'"):
        read_checkpoint(tmp_path / "a.pyth")


def test_the_kind_is_told_by_what_is_in_the_file(tmp_path: Path) -> None:
    """Whatever the name says."""
    write_weights(tmp_path / "a.safetensors", STATE, class_names=("cat",))
    write_weights(tmp_path / "b.pyth", STATE, class_names=("cat",))
    torch.save({"model_state": STATE}, tmp_path / "c.pyth", _use_new_zipfile_serialization=False)
    for source in ("a.safetensors", "b.pyth", "c.pyth"):
        for name in ("x.pyth", "x.safetensors", "x.pkl", "x.weights"):
            (tmp_path / name).write_bytes((tmp_path / source).read_bytes())
            for caffe2 in (False, True):
                content = read_checkpoint(tmp_path / name, caffe2=caffe2)
                assert torch.equal(content["model_state"]["a.weight"], STATE["a.weight"])
                assert class_names_of(content) == ([] if source == "c.pyth" else ["cat"])


@pytest.mark.parametrize("names", ["[" * 100_000, "{", "3", "null", '{"a": 1}'])
def test_notes_of_a_safetensors_file_may_be_anything(names: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(2)}, path, metadata={"class_names": names})
    if names[0] in "[{" and names[-1] != "}":
        with pytest.raises(CheckpointError, match=r"a\.safetensors: expected a safetensors file"):
            read_checkpoint(path)
    else:
        assert class_names_of(read_checkpoint(path)) == []


@pytest.mark.parametrize("name", ["a.pyth", "a.safetensors"])
def test_a_part_of_a_tensor_is_written_alone(name: str, tmp_path: Path) -> None:
    large = torch.zeros(1_000_000)
    write_weights(tmp_path / name, {"a": large[:5], "b": large[10:20].view(2, 5)})
    assert (tmp_path / name).stat().st_size < 10_000
    assert read_checkpoint(tmp_path / name)["model_state"]["b"].shape == (2, 5)
