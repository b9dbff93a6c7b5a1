"""Tries checkpoints: killed saves, full disks, damage, other numbers of processes, asynchrony."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from slowfast.battery.killed_saves import extent, fill_at, kill_at, offsets
from slowfast.battery.shards import check_asynchronous, check_resharding
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.manifest import MANIFEST
from slowfast.engine.checkpoint.sharded import write_sharded
from slowfast.engine.checkpoint.state import (
    FORMATS,
    checkpoint_path,
    newest_whole,
    read_checkpoint,
    write_checkpoint,
)
from slowfast.engine.checkpoint.tree import split
from slowfast.log import LOGGER


def run(folder: Path, args: argparse.Namespace) -> int:
    """R3, R4, D3 and D4; returns the number of faults."""
    seed = getattr(args, "seed", 0)
    faults = 0
    for kind in FORMATS:
        faults += check_kills(folder / f"kills_{kind}", kind, count=50)
        faults += check_full_disk(folder / f"full_{kind}", kind, count=10)
        faults += check_damage(folder / f"damage_{kind}", kind, cuts=20, flips=200, seed=seed)
    faults += check_resharding(folder / "shards", most=4)
    for kind in FORMATS:
        faults += check_asynchronous(folder / f"async_{kind}", kind, megabytes=64)
    return faults


def content(seed: int) -> dict[str, Any]:
    """A state with everything that one has, in small."""
    noise = torch.Generator().manual_seed(seed)
    weights = {f"block.{i}.weight": torch.randn(16, 8, generator=noise) for i in range(4)}
    state = {i: {"momentum_buffer": torch.randn(16, 8, generator=noise)} for i in range(4)}
    return {
        "epoch": seed,
        "model_state": {**weights, "norm.num_batches_tracked": torch.tensor(seed)},
        "optimizer_state": {"state": state, "param_groups": [{"lr": 0.1, "params": [0, 1, 2, 3]}]},
        "cfg": "TRAIN:\n  ENABLE: True\n",
        "slowfast": {"position": {"epoch": seed, "batch": 0}, "best": {"top1_err": 1 / 3}},
    }


def write(path: Path, kind: str, what: dict[str, Any]) -> None:
    if kind == "pyth":
        write_checkpoint(path, what)
    else:
        write_sharded(path, *split(what), None)


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal to the bit."""
    (tree_a, tensors_a), (tree_b, tensors_b) = split(a), split(b)
    if tree_a != tree_b or tensors_a.keys() != tensors_b.keys():
        return False
    return all(
        value.dtype == tensors_b[name].dtype and torch.equal(value, tensors_b[name])
        for name, value in tensors_a.items()
    )


def check_kills(folder: Path, kind: str, *, count: int) -> int:
    """R3: a save is killed; half of them are of a new checkpoint, half replace one."""
    faults, tried, left = [], 0, []
    for epoch, what in ((2, "a new one"), (1, "one again")):
        path = checkpoint_path(folder, epoch, kind=kind)
        save = partial(write, path, kind, content(2))
        _begin(folder, kind)
        for offset in offsets(extent(save), count // 2):
            _begin(folder, kind)
            while not kill_at(offset, save):  # no two saves have just as many bytes
                offset -= 1
                assert offset >= 0, "a save begins with its first byte"
                _begin(folder, kind)
            tried += 1
            found = newest_whole(folder)
            saved = found is not None and read_checkpoint(found)
            right = [content(1)] if found != path else [content(1), content(2)][epoch - 1 :]
            if not any(same(saved, each) for each in right):
                faults.append(f"{what}, {offset}: {found} is neither as before nor as saved")
            save()
            left += [each.name for each in path.parent.iterdir() if each.name.startswith(".")]
    faults += [f"{name} was left" for name in left]
    good = tried - len(faults)
    return _told(f"R3 {kind}: kill at {tried} offsets of a save: {good} of {tried}", faults)


def check_full_disk(folder: Path, kind: str, *, count: int) -> int:
    faults = []
    path = checkpoint_path(folder, 2, kind=kind)
    save = partial(write, path, kind, content(2))
    _begin(folder, kind)
    whole = extent(save)
    places = [i * whole.done // count for i in range(count)]
    places = [place for place in places if place not in whole.renames]
    for place in places:
        _begin(folder, kind)
        before = _listing(folder)
        told = fill_at(place, save)
        # torch.save's own writer notices only that less was written than it asked for.
        said = any(reason in told for reason in ("No space left", "only a part fitted"))
        if not said or "\n" in told:
            faults.append(f"{place}: told {told!r}")
        if _listing(folder) != before:
            faults.append(f"{place}: left {_listing(folder) - before}")
        elif newest_whole(folder) != checkpoint_path(folder, 1, kind=kind):
            faults.append(f"{place}: the old one is not used")
    title = f"R3 {kind}: disk full at {len(places)} offsets: told in a line, the old one kept"
    return _told(f"{title}: {len(places) - len(faults)} of {len(places)}", faults)


def check_damage(folder: Path, kind: str, *, cuts: int, flips: int, seed: int) -> int:
    """R4: one file of the newest checkpoint is damaged, each of them in turn."""
    _begin(folder, kind)
    path = checkpoint_path(folder, 2, kind=kind)
    write(path, kind, content(2))
    damaged = sorted(path.iterdir() if path.is_dir() else path.parent.glob(f"{path.name}*"))
    choose, faults, passed = random.Random(seed), [], 0
    for number in range(cuts + flips):
        file = damaged[number % len(damaged)]
        whole = file.read_bytes()
        broken = bytearray(whole)
        at = choose.randrange(len(whole))
        if number < cuts:
            del broken[at:]
        else:
            broken[at] ^= 1 << choose.randrange(8)
        file.write_bytes(broken)
        what = f"{file.name}, byte {at}"
        used, wrong = _judge(folder, path, file, kind)
        faults += [f"{what}: {fault}" for fault in wrong]
        passed += not used
        file.write_bytes(whole)
    title = f"R4 {kind}: {cuts} truncations and {flips} flipped bits of {len(damaged)} file(s)"
    return _told(f"{title}: {len(faults)} silent loads, {passed} passed over", faults)


def _judge(folder: Path, path: Path, file: Path, kind: str) -> tuple[bool, list[str]]:
    """Whether a damaged checkpoint is used, and what is wrong with how it is treated."""
    with _warnings() as lines:
        found = newest_whole(folder)
    if found == path:  # the damage must be where it changes nothing, as in a hash file's names
        right = same(read_checkpoint(found), content(2))
        return True, [] if right else ["was loaded in silence"]
    wrong = []
    if found is None or not same(read_checkpoint(found), content(1)):
        wrong.append("the one before it was not used")
    # A line of the manifest that is damaged cannot name its file.
    manifest = kind == "sharded" and file.name == MANIFEST
    name = file.name if kind == "sharded" and not manifest else path.name
    if not any(name in line and "damaged" in line for line in lines):
        wrong.append(f"no line names it: {lines}")
    try:
        read_checkpoint(path)
        wrong.append("is read when it is asked for")
    except CheckpointError:
        return False, wrong
    return False, wrong


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Lines of the log that are written meanwhile, which the console is spared."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    keep, handlers, propagate = Keep(), LOGGER.handlers, LOGGER.propagate
    LOGGER.handlers, LOGGER.propagate = [keep], False
    try:
        yield lines
    finally:
        LOGGER.handlers, LOGGER.propagate = handlers, propagate


def _begin(folder: Path, kind: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    write(checkpoint_path(folder, 1, kind=kind), kind, content(1))


def _listing(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def _told(line: str, faults: list[str]) -> int:
    print(f"{line}; {len(faults)} faults")
    for fault in faults[:10]:
        print(f"  {fault}")
    return len(faults)
