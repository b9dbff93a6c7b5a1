"""What a run with faults left, compared with what another one left, bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast.engine.checkpoint.state import list_checkpoints, read_checkpoint


@dataclass(frozen=True)
class Outcome:
    """What must be the same whatever a run went through."""

    weights: str  # sha256
    optimizer: str  # sha256
    position: tuple[int, int]  # epochs and batches done
    steps: Mapping[
        tuple[int, int, int], tuple[str, tuple[int, ...]]
    ]  # rank, step, part: loss, rows


def outcome_of(output_dir: str | Path, folder: Path) -> Outcome:
    """The newest checkpoint of a run, and its traces in the folder of the plan."""
    content = read_checkpoint(list_checkpoints(output_dir)[0])
    position = content["slowfast"]["position"]
    return Outcome(
        weights=digest(content["model_state"]),
        optimizer=digest(content["optimizer_state"]),
        position=(position["epoch"], position["batch"]),
        steps=read_traces(folder),
    )


def read_traces(folder: Path) -> dict[tuple[int, int, int], tuple[str, tuple[int, ...]]]:
    """(rank, step, part) -> loss as hexadecimal and rows, of all ranks.

    Raises:
        ValueError: a step that was run again was another one the second time.
    """
    steps: dict[tuple[int, int, int], tuple[str, tuple[int, ...]]] = {}
    for key, found in _trace_lines(folder):
        if steps.setdefault(key, found) != found:
            raise ValueError(
                f"{folder}: step {key[1]} of rank {key[0]} was {steps[key]} first and {found} "
                "when run again"
            )
    return steps


def repeated_steps(folder: Path) -> int:
    """Steps of all ranks that were computed more than once: what was lost."""
    keys = [key for key, _ in _trace_lines(folder)]
    return len(keys) - len(set(keys))


def _trace_lines(
    folder: Path,
) -> Iterator[tuple[tuple[int, int, int], tuple[str, tuple[int, ...]]]]:
    for path in sorted(folder.glob("trace_rank*.jsonl")):
        rank = int(path.stem.removeprefix("trace_rank"))
        for line in path.read_text().splitlines():
            record = json.loads(line)
            yield (
                (rank, record["step"], record["part"]),
                (record["loss"], tuple(record["rows"])),
            )


def differences(whole: Outcome, other: Outcome) -> list[str]:
    """Where two runs differ, in words; empty if nowhere."""
    found = [
        f"{name}: {getattr(whole, name)} and {getattr(other, name)}"
        for name in ("weights", "optimizer", "position")
        if getattr(whole, name) != getattr(other, name)
    ]
    for key in sorted(whole.steps.keys() | other.steps.keys()):
        if whole.steps.get(key) != other.steps.get(key):
            found.append(
                f"rank {key[0]}, step {key[1]}: {whole.steps.get(key)} and {other.steps.get(key)}"
            )
    return found


def digest(value: Any) -> str:
    """SHA-256 of nested dicts and lists of tensors and numbers, in hexadecimal."""
    running = hashlib.sha256()

    def add(each: Any) -> None:
        if isinstance(each, Tensor):
            running.update(f"{each.dtype} {tuple(each.shape)}".encode())
            flat = each.detach().cpu().contiguous().reshape(-1)
            running.update(flat.view(torch.uint8).numpy().tobytes())
        elif isinstance(each, Mapping):
            for key, inner in each.items():
                running.update(repr(key).encode())
                add(inner)
        elif isinstance(each, list | tuple):
            running.update(f"{len(each)}".encode())
            for inner in each:
                add(inner)
        else:
            running.update(repr(each).encode())

    add(value)
    return running.hexdigest()
