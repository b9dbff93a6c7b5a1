"""Mirrors slowfast/engine/checkpoint/tree.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from slowfast.engine.checkpoint.tree import Slot, from_text, join, split, to_text

CONTENT: dict[str, Any] = {
    "model_state": {"w": torch.arange(3)},
    "optimizer_state": {
        "state": {0: {"step": torch.tensor(2.0), "exp": torch.zeros(2)}},
        "param_groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.999), "fused": None, "foreach": True}],
    },
    "slowfast": {"means": [{"sums": {"loss": float("inf")}}], "$odd": {"$tensor": "no slot"}},
}


def test_tensors_are_named_by_their_path() -> None:
    tree, tensors = split(CONTENT)
    assert tree["model_state"] == {"w": Slot("model_state/w")}
    assert sorted(tensors) == [
        "model_state/w",
        "optimizer_state/state/0/exp",
        "optimizer_state/state/0/step",
    ]
    assert tensors["model_state/w"] is CONTENT["model_state"]["w"]


def test_the_tree_does_not_change_with_what_it_was_made_of() -> None:
    group = {"lr": 0.1}
    tree, _ = split({"param_groups": [group]})
    group["lr"] = 0.2
    assert tree == {"param_groups": [{"lr": 0.1}]}


def test_text_keeps_every_key_kind_and_digit() -> None:
    tree, tensors = split(CONTENT)
    back = from_text(to_text(tree))
    assert back == tree
    assert join(back, tensors) == CONTENT
    assert back["optimizer_state"]["param_groups"][0]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("text", ["[", '{"$items": [[[], 1]]}', '{"$items": [1]}'])
def test_other_text_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_text(text)
