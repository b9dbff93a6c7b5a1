"""Who this process is, how many there are, and what they tell each other."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from slowfast.dist.watchdog import progress

# PyTorch is imported where there are processes to talk to: the config, too, asks how many there are.
if TYPE_CHECKING:
    from torch import Tensor

TIMEOUT_VARIABLE = "SLOWFAST_TIMEOUT_MINUTES"  # of collectives, for groups that are made later


def rank() -> int:
    return _torch().get_rank() if _is_on() else 0


def world_size() -> int:
    return _torch().get_world_size() if _is_on() else 1


def local_rank() -> int:
    """Rank on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def has_own_gpu() -> bool:
    """Whether each process of this machine is shown a GPU of its own and no other.

    `srun --gpus-per-task 1` does so.
    """
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    several = started_outside() and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1
    return several and bool(shown) and "," not in shown


def gpu() -> int:
    """Number of this process's GPU, among those that it is shown."""
    return 0 if has_own_gpu() else local_rank()


def processes_from_cfg(cfg: Any) -> int:
    """Training processes of this machine; before they exist, one for each of NUM_GPUS."""
    if not started_outside():
        return int(max(cfg.NUM_GPUS, 1))
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_main() -> bool:
    return rank() == 0


def barrier() -> None:
    if _is_on():
        _torch().barrier()
        progress()


def gather_objects(value: Any) -> list[Any]:
    """What every rank holds, in the order of ranks, on every rank."""
    if not _is_on():
        return [value]
    values: list[Any] = [None] * world_size()
    _torch().all_gather_object(values, value)
    progress()
    return values


def broadcast_object(value: Any) -> Any:
    """Rank 0's value, on every rank."""
    if not _is_on():
        return value
    box = [value]
    _torch().broadcast_object_list(box, src=0)
    progress()
    return box[0]


def any_rank(flag: Tensor) -> Tensor:
    """Whether a flag (0 or 1, float) is set on any rank, in place and on every rank."""
    if _is_on():
        _torch().all_reduce(flag, op=_torch().ReduceOp.MAX)
        progress()
    return flag


def begin_sum(values: Tensor) -> Callable[[], Tensor]:
    """Begin to add ``values`` up over all ranks, in place; the function returned gives the sums.

    What is computed between the two calls is computed while ranks talk.
    """
    if not _is_on():
        return lambda: values
    work = _torch().all_reduce(values, async_op=True)

    def result() -> Tensor:
        work.wait()  # of NCCL, the device waits, not the host
        progress()
        return values

    return result


def new_group(ranks: Sequence[int] | None = None, *, backend: str | None = None) -> Any:
    """A group of processes (None: all) whose collectives have the time-out of the run.

    Groups that PyTorch makes by itself wait for 10 or 30 minutes, whatever was asked for.
    """
    minutes = float(os.environ.get(TIMEOUT_VARIABLE, "30"))
    chosen = None if ranks is None else list(ranks)
    return _torch().new_group(chosen, timeout=datetime.timedelta(minutes=minutes), backend=backend)


def first_process() -> bool:
    """Whether this is the first process of a job, also before or after the ranks exist."""
    return int(os.environ.get("RANK", "0")) == 0


def started_outside() -> bool:
    """Whether the processes exist already, made by `launch`, torchrun or another launcher."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))


def _is_on() -> bool:
    if "torch.distributed" not in sys.modules:
        return False
    return _torch().is_available() and _torch().is_initialized()


def _torch() -> Any:
    from torch import distributed

    return distributed
