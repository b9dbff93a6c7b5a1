"""The state of training taken apart: its tensors by name, and a tree of plain values with slots."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from torch import Tensor

_TENSOR, _TUPLE, _ITEMS = "$tensor", "$tuple", "$items"


@dataclass(frozen=True)
class Slot:
    """Where a tensor was; its name is the path to it, such as ``model_state/head.bias``."""

    name: str


def split(content: Any) -> tuple[Any, dict[str, Tensor]]:
    """A tree of new dicts, lists and tuples with a `Slot` for each tensor, and the tensors."""
    tensors: dict[str, Tensor] = {}

    def take(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            assert path not in tensors, path
            tensors[path] = value
            return Slot(path)
        if isinstance(value, dict):
            return {key: take(each, f"{path}/{key}" if path else str(key))
                    for key, each in value.items()}  # fmt: skip
        if isinstance(value, list | tuple):
            return type(value)(take(each, f"{path}/{i}") for i, each in enumerate(value))
        return value

    return take(content, ""), tensors


def join(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """Inverse of `split`."""
    if isinstance(tree, Slot):
        return tensors[tree.name]
    if isinstance(tree, dict):
        return {key: join(value, tensors) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(join(value, tensors) for value in tree)
    return tree


def to_text(tree: Any) -> str:
    """The tree as JSON; keys that are no text, tuples and slots are marked as such."""
    return json.dumps(_marked(tree), indent=1)


def from_text(text: str) -> Any:
    """Inverse of `to_text`. Other text raises ValueError, TypeError or RecursionError."""
    return json.loads(text, object_pairs_hook=lambda pairs: _unmarked(dict(pairs)))


def _marked(tree: Any) -> Any:
    if isinstance(tree, Slot):
        return {_TENSOR: tree.name}
    if isinstance(tree, tuple):
        return {_TUPLE: [_marked(value) for value in tree]}
    if isinstance(tree, list):
        return [_marked(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if all(isinstance(key, str) and not key.startswith("$") for key in tree):
        return {key: _marked(value) for key, value in tree.items()}
    return {_ITEMS: [[key, _marked(value)] for key, value in tree.items()]}


def _unmarked(found: dict[str, Any]) -> Any:
    """Values are unmarked already: JSON is read from the leaves."""
    match found:
        case {"$tensor": str(name)}:
            return Slot(name)
        case {"$tuple": list(values)}:
            return tuple(values)
        case {"$items": list(pairs)}:
            return dict(pairs)
    return found
