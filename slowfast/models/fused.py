"""Networks for inference only: batch norms folded into the convolutions before them."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

BEFORE_BN = ("conv", "conv_f2s", "conv_out")  # of stems, lateral connections, non-local blocks


def fuse_for_inference(net: nn.Module) -> nn.Module:
    """A copy of `net` with the same scores and fewer operations; `net` stays as it is.

    In eval mode a batch norm is a scale and a shift of each channel, which the weights and the
    bias of the convolution before it can do as well. Fold in float32, then change the precision:
    `fuse_for_inference(net).bfloat16()`. The names of weights are no longer those of checkpoints,
    and the copy has nothing left to train.

    Raises:
        ValueError: the network is in training mode, where batch norms use the batch.
    """
    if net.training:
        raise ValueError(
            "fuse_for_inference needs a network in eval mode, whose batch norms use their running "
            "statistics; call net.eval() first"
        )
    fused = copy.deepcopy(net).requires_grad_(False)
    for module in list(fused.modules()):
        for conv_name, bn_name in _pairs(module):
            conv, bn = getattr(module, conv_name), getattr(module, bn_name)
            setattr(module, conv_name, fuse_conv_bn_eval(conv, bn).requires_grad_(False))
            setattr(module, bn_name, nn.Identity())
    return fused


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the convolutions in `module` and of the batch norms that directly follow them.

    A norm is `<convolution>_bn`, or `bn` after the one convolution that the module normalises.
    """
    children = dict(module.named_children())
    for name, child in children.items():
        if not isinstance(child, _BatchNorm):
            continue
        before = BEFORE_BN if name == "bn" else (name.removesuffix("_bn"),)
        for conv in before:
            if isinstance(children.get(conv), nn.Conv3d):
                yield conv, name
