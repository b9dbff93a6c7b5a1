"""The start of a run: its folder, its log, and what it was asked to do."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import simplejson
import torch

from slowfast import dist
from slowfast.config import dump_cfg
from slowfast.data.record import Records
from slowfast.engine.journal import Journal
from slowfast.engine.support import warn_of_unused
from slowfast.log import LOGGER, setup_logging
from slowfast.version import __version__


def open_run(cfg: Any) -> Journal:
    """Make OUTPUT_DIR, start the log, write ``config.yaml``; the journal takes the figures.

    Raises:
        ValueError: OUTPUT_DIR cannot be written to.
    """
    folder = Path(cfg.OUTPUT_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"OUTPUT_DIR {folder}: expected a folder to write to, found {error}; set another"
        ) from error
    setup_logging(folder, rank=dist.rank())
    if dist.is_main():
        (folder / "config.yaml").write_text(dump_cfg(cfg))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    LOGGER.info(
        "slowfast %s, torch %s, Python %s, %d process(es), %s; output in %s",
        __version__,
        torch.__version__,
        platform.python_version(),
        dist.world_size(),
        device or platform.machine(),
        folder.resolve(),
    )
    warn_of_unused(cfg)
    board = None
    if cfg.TENSORBOARD.ENABLE:
        name = cfg.TENSORBOARD.LOG_DIR or f"runs-{cfg.TRAIN.DATASET}"
        board = folder / name
    return Journal(folder, tensorboard_dir=board)


def record_data(cfg: Any, splits: Mapping[str, Records]) -> None:
    """Add what identifies the lists of these splits to ``data.json``."""
    if not dist.is_main():
        return
    path = Path(cfg.OUTPUT_DIR) / "data.json"
    known = simplejson.loads(path.read_text()) if path.exists() else {}
    write_json(path, known | {split: each.fingerprint() for split, each in splits.items()})


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all; numbers that are not finite become null."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(simplejson.dumps(content, indent=1, ignore_nan=True) + "\n")
    os.replace(part, path)
