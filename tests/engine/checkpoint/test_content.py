"""Mirrors slowfast/engine/checkpoint/content.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.engine.checkpoint.content import checked_content, class_names_of
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import read_checkpoint

STATE = {"a": torch.ones(2)}
MEAN = {"sums": {"loss": 1.5}, "count": 2}
OURS = {
    "version": "1",
    "position": {"epoch": 1, "batch": 2},
    "batches_per_epoch": 3,
    "global_batch": 4,
    "best": {"top1": 1.0},
    "means": [{"epoch": MEAN, "window": MEAN}],
    "guard": {"skipped": 0, "mean": 1.5},
    "ema_state": {"updates": 1, "model_state": STATE},
    "class_names": ["cat"],
    "split_statistics": {},
}


def check(content: Any) -> dict[str, Any]:
    return checked_content(content, source="a.pyth", size=1000)


def test_what_we_write_comes_back() -> None:
    content = {"model_state": STATE, "epoch": 3, "optimizer_state": {}, "slowfast": OURS}
    assert check(content) == content
    assert class_names_of(content) == ["cat"]


@pytest.mark.parametrize("ours", [None, "text", 3, [1], {"class_names": None}, {"class_names": 4}])
def test_entries_of_other_programs_are_left_out(ours: Any) -> None:
    content = check({"model_state": STATE, "slowfast": ours, "epoch": None})
    assert content == {"model_state": STATE, "slowfast": {}}
    assert class_names_of(content) == []


def test_each_entry_of_ours_is_of_its_kind() -> None:
    for key in OURS:
        found = check({"model_state": STATE, "slowfast": {**OURS, key: object()}})
        assert found["slowfast"] == {k: v for k, v in OURS.items() if k != key}
    for position in ({}, {"epoch": 1}, {"epoch": 1, "batch": None}, {"epoch": True, "batch": 1}):
        found = check({"model_state": STATE, "slowfast": {"position": position}})
        assert found["slowfast"] == {}
    for name, wrong in (
        ("position", {"epoch": -1, "batch": 0}),
        ("global_batch", True),
        ("best", {"top1": "low"}),
        ("means", [{"epoch": MEAN}]),
        ("means", [{"epoch": MEAN, "window": {"sums": {"loss": "low"}, "count": 1}}]),
        ("guard", {"mean": "low"}),
        ("ema_state", {"updates": 1, "model_state": {"a": 1}}),
        ("ema_state", {"model_state": STATE}),
    ):
        found = check({"model_state": STATE, "slowfast": {name: wrong}})
        assert found["slowfast"] == {}, (name, wrong)
    for parts in ({"a": 1}, {1: torch.ones(1)}, {"a": torch.ones(1, device="meta")}):
        found = check({"model_state": STATE, "slowfast": {"split_statistics": parts}})
        assert found["slowfast"] == {}
    for epoch in ("3", 3.0, torch.tensor(3)):
        assert "epoch" not in check({"model_state": STATE, "epoch": epoch})


def test_names_are_text() -> None:
    with pytest.raises(CheckpointError, match=r"a\.pyth: expected names of tensors, found 3 among"):
        check({"model_state": {3: torch.ones(1)}})


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Tensor.to_sparse, "sparse"),
        (Tensor.to_sparse_csr, "sparse"),
        (lambda x: x.to("meta"), "meta"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "quantized"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_without_plain_values_are_named(
    make: Callable[[Tensor], Tensor], kind: str, tmp_path: Path
) -> None:
    torch.save({"model_state": {"b.weight": make(torch.eye(3))}}, tmp_path / "a.pyth")
    with pytest.raises(CheckpointError, match=rf"a\.pyth: b\.weight is a {kind} tensor, expected"):
        read_checkpoint(tmp_path / "a.pyth")


def test_one_number_repeated_a_million_times_is_a_bomb(tmp_path: Path) -> None:
    torch.save({"model_state": {"a": torch.ones(1).expand(10**12)}}, tmp_path / "a.pyth")
    with pytest.raises(CheckpointError, match="more than 10 times as large as the file"):
        read_checkpoint(tmp_path / "a.pyth")
    wide = {"a": torch.ones(1).expand(1 << 31, 1 << 31)}  # the bytes are 0 when counted in 64 bits
    with pytest.raises(CheckpointError, match="more than 10 times as large as the file"):
        check({"model_state": wide})
    shared = torch.ones(1000)
    torch.save({"model_state": dict.fromkeys("abc", shared)}, tmp_path / "b.pyth")
    assert list(read_checkpoint(tmp_path / "b.pyth")["model_state"]) == ["a", "b", "c"]
