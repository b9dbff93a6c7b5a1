"""How a run writes its checkpoints: in which format, and whether training waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from slowfast import dist
from slowfast.engine.checkpoint.background import Background, Foreground, Writer
from slowfast.engine.checkpoint.parts import tidy
from slowfast.engine.checkpoint.sharded import Group, checkpoint_group, write_sharded
from slowfast.engine.checkpoint.state import write_checkpoint
from slowfast.engine.checkpoint.tree import join, split
from slowfast.engine.parallel import whole
from slowfast.engine.stop import Interrupted
from slowfast.log import LOGGER


class Copies:
    """Copies of tensors on the CPU, in page-locked memory if they come from a GPU.

    That memory is kept for the next copy: only one is in use at a time.
    """

    def __init__(self) -> None:
        self._stager: Any = None
        self._shapes: dict[str, torch.Size] = {}

    def __call__(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        from torch.distributed.checkpoint.staging import BlockingAsyncStager

        shapes = {name: value.shape for name, value in tensors.items()}
        if self._stager is None or shapes != self._shapes:
            locked = any(value.is_cuda for value in tensors.values())
            self._stager = BlockingAsyncStager(cache_staged_state_dict=locked)
            self._shapes = shapes
        return self._stager.stage(tensors)  # type: ignore[no-any-return]


def _as_they_are(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors


@dataclass
class Saves:
    """Writes checkpoints; a context that is not left before the last one is written.

    Args:
        kind: "pyth" or "sharded" (TRAIN.CHECKPOINT_FORMAT).
        writer: who does it; `keep` makes tensors that do not change until it is done.
        group: processes that write together; None: each file is written by one.
    """

    kind: str = "pyth"
    writer: Writer = field(default_factory=Foreground)
    keep: Callable[[dict[str, Tensor]], dict[str, Tensor]] = _as_they_are
    group: Group = None

    def write(self, path: Path, content: dict[str, Any], *, then: Callable[[], None]) -> None:
        """Write a state; all ranks call it together, and have the same but for tensors in parts.

        Args:
            then: called on rank 0 as soon as the checkpoint is whole.

        Raises:
            CheckpointError: this one, or the one before it, could not be written.
        """
        self.writer.wait()  # what is kept for the one before it is in use until then
        tree, tensors = split(content)
        if self.kind == "pyth":
            tensors = _gathered(tensors)
        if self.kind == "sharded" or dist.is_main():
            kept = self.keep(tensors)
            self.writer.submit(lambda: self._job(path, tree, kept, then))
        if isinstance(self.writer, Foreground):
            dist.barrier()

    def _job(
        self, path: Path, tree: Any, tensors: dict[str, Tensor], then: Callable[[], None]
    ) -> None:
        if self.kind == "pyth":
            write_checkpoint(path, join(tree, tensors))
        else:
            if dist.is_main():
                tidy(path.parent)
            write_sharded(path, tree, tensors, self.group)
        if dist.is_main():
            then()

    def check(self) -> None:
        """Raise what a save beside training has raised, if it has; never wait."""
        self.writer.check()

    def __enter__(self) -> Saves:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, Interrupted):
            self.writer.wait()  # a run that says its state is saved must have saved it
        elif self.group is None:
            try:
                self.writer.wait()
            except ValueError as second:
                LOGGER.error("%s", second)
        # Else others may be gone, and waiting for them would hide the error that is under way.


def _gathered(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors, those that were in parts on rank 0's CPU; one at a time is on the device."""
    gathered = {}
    for name, value in tensors.items():
        full = whole(value)
        if full is not value and dist.is_main():
            full = full.cpu()
        if dist.is_main():
            gathered[name] = full
    return gathered


def saves_from_cfg(cfg: Any) -> Saves:
    """As TRAIN says; all ranks call it together."""
    train = cfg.TRAIN
    beside = train.CHECKPOINT_ASYNC
    return Saves(
        kind=train.CHECKPOINT_FORMAT,
        writer=Background() if beside else Foreground(),
        keep=Copies() if beside else _as_they_are,
        group=checkpoint_group() if train.CHECKPOINT_FORMAT == "sharded" else None,
    )
