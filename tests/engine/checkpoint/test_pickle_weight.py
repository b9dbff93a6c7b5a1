"""Mirrors slowfast/engine/checkpoint/pickle_weight.py."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.pickle_weight import refuse_heavy
from slowfast.engine.checkpoint.state import read_checkpoint


def doubled(times: int) -> tuple:
    value: tuple = ()
    for _ in range(times):
        value = (value, value)
    return value


@pytest.mark.parametrize("protocol", range(6))
def test_tuples_are_weighed_as_often_as_they_are_held(protocol: int) -> None:
    refuse_heavy(io.BytesIO(pickle.dumps({"a": doubled(15)}, protocol)))
    with pytest.raises(ValueError, match="its tuples hold each other more often"):
        refuse_heavy(io.BytesIO(pickle.dumps({"a": [doubled(60)]}, protocol)))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [{}, {"a": [1, (2, 3), {4: ()}]}, OrderedDict(a=(1,) * 10_000), [(1, 2)] * 100_000],
)
def test_what_is_light_passes_and_ends_where_it_ends(value: Any, protocol: int) -> None:
    file = io.BytesIO(pickle.dumps(value, protocol) + b"more")
    refuse_heavy(file)
    assert file.read() == b"more"


def test_a_key_whose_hash_never_ends_is_not_hashed(tmp_path: Path) -> None:
    twice = b"q\x00h\x00h\x00\x86"
    key = b"\x80\x02}q\x01)" + twice * 60 + b"q\x02h\x01h\x02Ns."
    with zipfile.ZipFile(tmp_path / "slow.pyth", "w") as archive:
        archive.writestr("archive/data.pkl", key)
        archive.writestr("archive/version", "3\n")
    with pytest.raises(CheckpointError, match=r"slow\.pyth: expected a PyTorch checkpoint"):
        read_checkpoint(tmp_path / "slow.pyth")


@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_pass(zipped: bool, tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = {"model_state": net.state_dict(), "optimizer_state": optimizer.state_dict()}
    torch.save(content, tmp_path / "a.pyth", _use_new_zipfile_serialization=zipped)
    assert read_checkpoint(tmp_path / "a.pyth").keys() == {*content, "slowfast"}
