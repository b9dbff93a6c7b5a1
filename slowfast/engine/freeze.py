"""Parts of a network that are not trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from slowfast.config.errors import did_you_mean
from slowfast.ops.norm import FrozenBatchNorm3d
from slowfast.ops.sub_batchnorm import SubBatchNorm3d

ALL_BUT = "all but "


def freeze(net: nn.Module, parts: Sequence[str]) -> None:
    """Take the weights of these parts out of training, in place, with their batch norms.

    Their parameters need no gradient, so that they are in no group of the optimizer, and their
    batch norms keep normalising by the statistics they have. Names and order of the state dict
    stay those of the network.

    Args:
        parts: names as in the state dict, up to a dot: "s1", "blocks.0"; or "all but head".

    Raises:
        ValueError: a name fits no parameter.
    """
    names = [name for name, _ in net.named_parameters()]
    frozen = {name for part in parts for name in _chosen(part, names)}
    for name, parameter in net.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    for name, module in list(net.named_modules()):
        if isinstance(module, _BatchNorm) and f"{name}.weight" in frozen:
            parent, _, last = name.rpartition(".")
            setattr(net.get_submodule(parent), last, _with_fixed_statistics(module))


def _chosen(part: str, names: Sequence[str]) -> list[str]:
    prefix = part.removeprefix(ALL_BUT)
    inside = [name for name in names if name == prefix or name.startswith(f"{prefix}.")]
    if not inside:
        pieces = [name.split(".") for name in names]
        known = sorted({".".join(piece[:end]) for piece in pieces for end in range(1, len(piece))})
        tops = dict.fromkeys(piece[0] for piece in pieces)
        raise ValueError(
            f"MODEL.FREEZE names {part!r}, but no parameter's name begins with {prefix!r}."
            + (did_you_mean(prefix, known) or f" Parts are {', '.join(tops)}.")
        )
    return [name for name in names if name not in inside] if part != prefix else inside


def _with_fixed_statistics(norm: _BatchNorm) -> FrozenBatchNorm3d:
    """Batch norm with the parameters and the statistics of one of any kind."""
    source = norm.bn if isinstance(norm, SubBatchNorm3d) else norm
    with torch.device("meta"):  # what it is made with is replaced below
        frozen = FrozenBatchNorm3d(norm.weight.shape[0])
    frozen.eps, frozen.momentum = norm.eps, norm.momentum
    frozen.weight, frozen.bias = norm.weight, norm.bias
    for name, buffer in source.named_buffers(recurse=False):
        frozen.register_buffer(name, buffer)
    return frozen
