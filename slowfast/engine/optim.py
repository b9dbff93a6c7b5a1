"""Optimizers and their parameter groups."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Decay:
    """Which parameters are decayed, and by how much.

    Args:
        weight: weight decay of everything that no other rule names.
        norm: weight decay of batch-norm parameters (SlowFast, Sec. 4.1: none).
        skip_1d: no decay of vectors and biases (LayerNorm, biases of Linear).
        skip_names: no decay of parameters with these names or last names (position embeddings).
    """

    weight: float
    norm: float = 0.0
    skip_1d: bool = False
    skip_names: Collection[str] = ()


def parameter_groups(model: nn.Module, decay: Decay) -> list[dict[str, Any]]:
    """Batch norm, the rest, and the rest without decay: each group in registration order.

    Optimizer state is stored by position, so this order is part of the checkpoint format.
    Empty groups are left out; parameters that need no gradient are in none.
    """
    norm: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            full_name = f"{module_name}.{name}" if module_name else name
            named = full_name in decay.skip_names or name in decay.skip_names
            if isinstance(module, _BatchNorm):
                norm.append(parameter)
            elif named or (decay.skip_1d and (parameter.ndim == 1 or name == "bias")):
                spared.append(parameter)
            else:
                decayed.append(parameter)
    groups = [(norm, decay.norm), (decayed, decay.weight), (spared, 0.0)]
    return [
        # `layer_decay` scales the learning rate of a group; 1 for all but layer-wise decay.
        {"params": params, "weight_decay": weight, "layer_decay": 1.0}
        for params, weight in groups
        if params
    ]


def optimizer_from_cfg(model: nn.Module, cfg: Any) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW with the groups and hyper-parameters of SOLVER and BN."""
    solver = cfg.SOLVER
    for key, value, neutral in (
        ("LAYER_DECAY", solver.LAYER_DECAY, 1.0),
        ("LARS_ON", solver.LARS_ON, False),
    ):
        if value != neutral:
            raise ValueError(
                f"SOLVER.{key} is {value!r}, which this version does not train with yet; "
                f"set it to {neutral!r}"
            )
    decay = Decay(solver.WEIGHT_DECAY, norm=cfg.BN.WEIGHT_DECAY, skip_1d=solver.ZERO_WD_1D_PARAM)
    groups = parameter_groups(model, decay)
    shared = {"lr": solver.BASE_LR, "weight_decay": solver.WEIGHT_DECAY}
    if solver.OPTIMIZING_METHOD == "sgd":
        return torch.optim.SGD(
            groups,
            momentum=solver.MOMENTUM,
            dampening=solver.DAMPENING,
            nesterov=solver.NESTEROV,
            **shared,
        )
    if solver.OPTIMIZING_METHOD in ("adam", "adamw"):
        kind = torch.optim.Adam if solver.OPTIMIZING_METHOD == "adam" else torch.optim.AdamW
        return kind(groups, betas=tuple(solver.BETAS), eps=1e-8, **shared)
    raise ValueError(
        f"SOLVER.OPTIMIZING_METHOD is {solver.OPTIMIZING_METHOD!r}; use 'sgd', 'adam' or 'adamw'"
    )
