"""Every key there is, and a config that holds all defaults."""

from __future__ import annotations

import copy
from typing import Any

from fvcore.common.config import CfgNode

from slowfast.config.schema import Key
from slowfast.config.sections import SECTIONS

KEYS: dict[str, Key] = {path: key for section in SECTIONS for path, key in section.paths()}
SECTION_NAMES: frozenset[str] = frozenset(
    ".".join(path.split(".")[:end]) for path in KEYS for end in range(1, path.count(".") + 1)
)


def get_cfg() -> CfgNode:
    """A new config with every default, not frozen."""
    tree: dict[str, Any] = {}
    for path, key in KEYS.items():
        *sections, name = path.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = copy.deepcopy(key.default)
    return CfgNode(tree)


def get_value(cfg: CfgNode, path: str) -> Any:
    """The value of a full key such as ``MVIT.REV.ENABLE``."""
    node = cfg
    for part in path.split("."):
        node = node[part]
    return node


def set_value(cfg: CfgNode, path: str, value: Any) -> None:
    """Set a full key of a config that is not frozen."""
    section, _, name = path.rpartition(".")
    node = get_value(cfg, section) if section else cfg
    setattr(node, name, value)
