"""Configs: every key with its default, loading, checking and writing them."""

from __future__ import annotations

from slowfast.config.check import clips_per_process, num_pathways
from slowfast.config.defaults import get_cfg
from slowfast.config.errors import ConfigError
from slowfast.config.load import cfg_from_text, dump_cfg, explain, load_cfg, with_values

__all__ = [
    "ConfigError",
    "cfg_from_text",
    "clips_per_process",
    "dump_cfg",
    "explain",
    "get_cfg",
    "load_cfg",
    "num_pathways",
    "with_values",
]
