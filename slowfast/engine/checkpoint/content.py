"""What a checkpoint holds once it is read: dense tensors with names, and entries of our kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from slowfast.engine.checkpoint.integrity import CheckpointError

# Where programs keep the weights; the first is the public layout.
_STATES = ("model_state", "model", "state_dict")
_LARGEST = 10  # times the file: tensors that share their memory are few


def checked_content(content: Any, *, source: str, size: int) -> dict[str, Any]:
    """`content` in the public layout, with weights that can be computed with.

    Entries beside the weights that are of another kind than this package writes belong to
    another program, and are left out.

    Args:
        source: name of the file, for messages.
        size: of the file, in bytes.

    Raises:
        CheckpointError: there are no weights, or not only dense tensors with names.
    """
    found = content if isinstance(content, dict) else {}
    key = next((key for key in _STATES if _is_state(found.get(key))), None)
    state = content if key is None else found[key]
    if not _is_state(state):
        kind = type(content).__name__
        keys = sorted(map(str, content))[:8] if isinstance(content, dict) else kind
        raise CheckpointError(
            f"{source}: expected tensors under 'model_state', or a plain state dict, found {keys}"
        )
    _check_tensors(state, source=source, limit=_LARGEST * size)
    beside = found if key == "model_state" else {}
    return {**_known(beside), "model_state": state}


def class_names_of(content: dict[str, Any]) -> list[str]:
    """Names of the classes that a checkpoint was trained on; empty if it has none."""
    return [str(name) for name in content.get("slowfast", {}).get("class_names", [])]


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(torch.is_tensor, value.values()))


def _check_tensors(state: dict[Any, Tensor], *, source: str, limit: int) -> None:
    for name, value in state.items():
        if not isinstance(name, str):
            raise CheckpointError(
                f"{source}: expected names of tensors, found {name!r} among them; save the "
                "state_dict() of a network"
            )
        if kind := _unusable(value):
            raise CheckpointError(
                f"{source}: {name} is a {kind} tensor, expected a dense one with values; save the "
                "weights as plain tensors"
            )
        # Not `nbytes`, which a shape that was made up lets overflow.
        limit -= math.prod(value.shape) * value.element_size()
    if limit < 0:
        raise CheckpointError(
            f"{source}: its tensors are more than {_LARGEST} times as large as the file, so most "
            "of them are the same few numbers repeated; save them with .contiguous() if it is meant"
        )


def _unusable(value: Tensor) -> str:
    """Why a tensor has no values that could be copied; empty if it has them."""
    kinds = {
        "meta": value.is_meta,
        "quantized": value.is_quantized,
        "nested": value.is_nested,
        "sparse": value.layout is not torch.strided,
    }
    return next((kind for kind, found in kinds.items() if found), "")


def _is_position(value: Any) -> bool:
    kinds = {key: type(number) for key, number in value.items()} if isinstance(value, dict) else {}
    return kinds == {"epoch": int, "batch": int} and min(value.values()) >= 0


def _is_statistics(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and torch.is_tensor(tensor) and not _unusable(tensor)
        for name, tensor in value.items()
    )


def _is_average(value: Any) -> bool:
    return value == {} or (
        isinstance(value, dict)
        and type(value.get("updates")) is int
        and _is_statistics(value.get("model_state"))
    )


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and type(number) in (int, float) for name, number in value.items()
    )


def _are_means(value: Any) -> bool:
    """Of each rank those of the epoch, and those since the last log line."""
    return isinstance(value, list) and all(
        isinstance(each, dict) and all(_is_mean(each.get(name)) for name in ("epoch", "window"))
        for each in value
    )


def _is_mean(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _are_numbers(value.get("sums"))
        and _are_numbers(value.get("left_out", {}))
        and type(value.get("count")) is int
    )


def _of_kind(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


# Entries of ours, and what each one is.
_OURS: dict[str, Callable[[Any], bool]] = {
    "version": _of_kind(str),
    "position": _is_position,
    "batches_per_epoch": _of_kind(int),
    "global_batch": _of_kind(int),
    "best": _are_numbers,
    "means": _are_means,
    "guard": _are_numbers,
    "ema_state": _is_average,
    "class_names": _of_kind(list),
    "split_statistics": _is_statistics,
}


def _known(beside: dict[str, Any]) -> dict[str, Any]:
    """The entries, those that readers of the content rely on only if they are of their kind."""
    kept = {key: value for key, value in beside.items() if key != "epoch" or type(value) is int}
    ours = beside.get("slowfast")
    entries = ours.items() if isinstance(ours, dict) else ()
    kept["slowfast"] = {
        key: value for key, value in entries if _OURS.get(key, lambda value: True)(value)
    }
    return kept
