"""What `slowfast doctor --cfg` looks at: whether the run of a config can begin on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from slowfast.cli.doctor_checks import Line, disk_line, write_line
from slowfast.data.datasets.build import build_records, class_names_from_cfg, dataset_from_cfg
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Records
from slowfast.engine.build import device_from_cfg
from slowfast.models.build import build_model
from slowfast.models.complexity import training_memory
from slowfast.models.zoo import example_input

_FIRST = 3  # videos of a split that are opened
_COPIES = {"sgd": 1, "adam": 2, "adamw": 2}  # of each parameter, that an optimizer keeps


def run_lines(cfg: Any) -> Iterator[Line]:
    """One line for each thing that a run needs; nothing is left behind."""
    yield _folder_line(cfg)
    splits = (["train", "val"] if cfg.TRAIN.ENABLE else []) + (["test"] if cfg.TEST.ENABLE else [])
    for split in splits:
        try:
            records = build_records(cfg, split)
        except (ValueError, OSError) as error:
            yield Line("FAIL", f"{split} list", str(error))
            continue
        yield Line("ok", f"{split} list", f"{len(records)} videos")
        yield _videos_line(cfg, split, records)
    try:
        names = class_names_from_cfg(cfg)
        found = f"{len(names)} names" if names else "no names, numbers are shown"
        yield Line("ok", "classes", f"{cfg.MODEL.NUM_CLASSES} classes, {found}")
    except ValueError as error:
        yield Line("FAIL", "classes", str(error))
    try:
        yield Line("ok", "device", str(device_from_cfg(cfg)))
    except ValueError as error:
        yield Line("FAIL", "device", str(error))
    yield _checkpoint_line(cfg)
    yield _memory_line(cfg)


def _folder_line(cfg: Any) -> Line:
    folder = Path(cfg.OUTPUT_DIR)
    there = next(each for each in (folder, *folder.resolve().parents) if each.is_dir())
    line = write_line(there)
    line = disk_line(there) if line.status == "ok" else line
    return Line(line.status, "OUTPUT_DIR", f"{folder}, {line.found}", line.remedy)


def _videos_line(cfg: Any, split: str, records: Records) -> Line:
    """Reads a few items of the split as the run would, spread over the list."""
    name, faults = f"{split} videos", []
    try:
        dataset = dataset_from_cfg(cfg, split, records)
    except ValueError as error:
        return Line("FAIL", name, str(error))
    rows = sorted({i * (len(records) - 1) // max(_FIRST - 1, 1) for i in range(_FIRST)})
    shape = ""
    for row in rows:
        try:
            sample = dataset.read(row)
        except VideoError as error:
            faults.append(error.fault)
            continue
        shape = " x ".join(map(str, sample.clips(0, 1).shape[1:]))
    if faults:
        status = "FAIL" if len(faults) == len(rows) else "warn"
        found = f"{len(faults)} of {len(rows)} cannot be read, the first: {faults[0]}"
        return Line(status, name, found, "check DATA.PATH_PREFIX; slowfast check-data reads all")
    return Line("ok", name, f"{len(rows)} of {len(records)} read, clips of {shape}")


def _checkpoint_line(cfg: Any) -> Line:
    key = "TRAIN.CHECKPOINT_FILE_PATH" if cfg.TRAIN.ENABLE else "TEST.CHECKPOINT_FILE_PATH"
    path = (cfg.TRAIN if cfg.TRAIN.ENABLE else cfg.TEST).CHECKPOINT_FILE_PATH
    if not path:
        return Line("ok", "checkpoint", f"none ({key} is empty)")
    if "://" in path or os.path.isfile(path):
        return Line("ok", "checkpoint", path)
    return Line("FAIL", "checkpoint", f"{path} is not there", f"correct {key}")


def _memory_line(cfg: Any) -> Line:
    """What a training step holds: weights, what the optimizer keeps, layers, clips."""
    try:
        model = build_model(cfg)
        kept = training_memory(model, example_input(model))
    except (ValueError, RuntimeError) as error:
        return Line("FAIL", "network", str(error))
    parameters = sum(each.numel() for each in model.parameters())
    copies = 2 + _COPIES.get(cfg.SOLVER.OPTIMIZING_METHOD.lower(), 2)
    clips = max(cfg.TRAIN.BATCH_SIZE // max(cfg.NUM_GPUS, 1), 1)
    half = 2 if cfg.TRAIN.MIXED_PRECISION else 1
    needed = (parameters * 4 * copies + clips * kept / half) / 2**30
    found = (
        f"{parameters / 1e6:.1f} M parameters, {kept / half / 2**30:.2f} GB a clip for the "
        f"gradients: about {needed:.1f} GB for {clips} clips in training"
    )
    room, where = _room(cfg)
    if needed > room:
        remedy = "lower TRAIN.BATCH_SIZE (and SOLVER.BASE_LR by the same factor)"
        status = "FAIL" if cfg.TRAIN.ENABLE else "warn"
        return Line(status, "memory", f"{found}; {where} has {room:.0f} GB", remedy)
    return Line("ok", "memory", f"{found}; {where} has {room:.0f} GB")


def _room(cfg: Any) -> tuple[float, str]:
    """GB of what the network runs on, and its name."""
    if cfg.NUM_GPUS and torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / 2**30, "the GPU"
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return pages / 2**30, "this machine"
