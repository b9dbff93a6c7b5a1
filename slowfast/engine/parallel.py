"""How processes share a network: each has all of it (DDP), or a part of every tensor (FSDP2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from slowfast import dist
from slowfast.engine.ddp import distribute
from slowfast.models.lateral import FuseFastToSlow
from slowfast.models.mvit import MViT
from slowfast.models.rev_mvit import ReversibleBlocks


def wrap_model(
    net: nn.Module,
    *,
    device: torch.device,
    parallel: str = "ddp",
    compiled: bool = False,
    amp_dtype: torch.dtype | None = None,
    compression: torch.dtype | None = None,
    detached: bool = False,
) -> nn.Module:
    """What training calls: `net`, compiled and distributed; `net` keeps its names.

    Args:
        parallel: "ddp" or "fsdp" (TRAIN.PARALLEL); the same thing for a single process.
        amp_dtype: of the forward pass; FSDP gathers the parameters in it.
        compression: in what gradients travel; None: as they are.
        detached: as `ddp.distribute`.

    Raises:
        ValueError: the network cannot be trained in parts.
    """
    shared = dist.world_size() > 1
    if shared and parallel == "fsdp":
        shard(net, device=device, amp_dtype=amp_dtype, compression=compression)
    model: nn.Module = torch.compile(net) if compiled else net  # type: ignore[assignment]
    if shared and parallel == "ddp":
        return distribute(model, device=device, compression=compression, detached=detached)
    return model


def shard(
    net: nn.Module,
    *,
    device: torch.device,
    amp_dtype: torch.dtype | None = None,
    compression: torch.dtype | None = None,
) -> None:
    """Leave this process its part of every parameter, in place (FSDP2).

    The weights must be there and the same everywhere, as after `build_network`: nothing is sent.
    A block of a transformer, or a stage of another network, is gathered as a whole when it is
    needed. With half precision, parameters are gathered in it. Not in networks with batch norm,
    whose statistics are float32, nor on CPUs, where autocast leaves layer norm alone: there
    parameters stay float32 until an operator casts them. Gradients are added in float32 unless
    ``compression`` names another type.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    if any(isinstance(module, ReversibleBlocks) for module in net.modules()):
        raise ValueError(
            "TRAIN.PARALLEL is 'fsdp' and MVIT.REV.ENABLE is True: reversible blocks compute "
            "their own gradients, of whole parameters; set TRAIN.PARALLEL 'ddp'"
        )
    normed_by_batch = any(isinstance(module, _BatchNorm) for module in net.modules())
    half = amp_dtype is not None and device.type == "cuda" and not normed_by_batch
    policy = MixedPrecisionPolicy(
        param_dtype=amp_dtype if half else None, reduce_dtype=compression or torch.float32
    )
    for parameter in net.parameters():
        # FSDP takes no other memory format (MODEL.CHANNELS_LAST).
        parameter.data = parameter.data.contiguous()
    mesh = init_device_mesh(device.type, (dist.world_size(),))
    for unit in [*_units(net), net]:
        fully_shard(unit, mesh=mesh, mp_policy=policy)
    if any(True for _ in net.buffers()):
        net.register_forward_pre_hook(_share_buffers)


def is_sharded(net: nn.Module) -> bool:
    return any(hasattr(parameter, "full_tensor") for parameter in net.parameters())


def without_exchange(model: nn.Module) -> Callable[[], AbstractContextManager[Any]]:
    """What to run all but the last part of a step in: gradients stay in their process."""
    if isinstance(model, nn.parallel.DistributedDataParallel):
        return model.no_sync
    return partial(_unsent, model) if is_sharded(model) else nullcontext


@contextmanager
def _unsent(model: Any) -> Iterator[None]:
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor of which this process has a part; all processes call it together."""
    gather = getattr(tensor, "full_tensor", None)  # of DTensor, whose import takes a second
    return tensor if gather is None else gather()  # type: ignore[no-any-return]


def own_part(tensor: Tensor) -> Tensor:
    """What this process has of a tensor."""
    local = getattr(tensor, "to_local", None)
    return tensor if local is None else local()  # type: ignore[no-any-return]


def as_like(value: Tensor, near: Tensor) -> Tensor:
    """`value`, of which this process has all; only its part, where it has a part of `near`."""
    if not hasattr(near, "full_tensor") or hasattr(value, "full_tensor"):
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(near, DTensor)
    # Each process cuts its part out of what it has; nothing is sent.
    value = value.to(near.device)
    return distribute_tensor(value, near.device_mesh, near.placements, src_data_rank=None)


def buffers_of_first(net: nn.Module) -> dict[str, Tensor]:
    """Copies of rank 0's buffers by name, on every rank.

    Running statistics differ between ranks within a step. DDP goes on from rank 0's, so they are
    the ones that count.
    """
    copies = {name: buffer.detach().clone() for name, buffer in net.named_buffers()}
    for copy in copies.values() if dist.world_size() > 1 else ():
        torch.distributed.broadcast(copy, 0)
    return copies


def _units(net: nn.Module) -> Iterator[nn.Module]:
    children = net.trunk.children() if isinstance(net, MViT) else net.children()
    # Laterals stay with the rest: they are small, and hand on what FSDP warns not to change.
    return (
        child
        for child in children
        if any(True for _ in child.parameters()) and not isinstance(child, FuseFastToSlow)
    )


def _share_buffers(net: nn.Module, args: Any) -> None:
    """Before each forward pass of training, rank 0's buffers become everybody's, as with DDP."""
    if net.training and torch.is_grad_enabled():
        for buffer in net.buffers():
            torch.distributed.broadcast(buffer, 0)
