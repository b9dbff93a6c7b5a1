"""Optimizers and their parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol, cast

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
        layers: a network of N layers learns in layer i with layers ** (N - i) of the rate (BEiT,
            2106.08254, App. B); 1: with the same everywhere.
    """

    weight: float
    norm: float = 0.0
    skip_1d: bool = False
    skip_names: Collection[str] = ()
    layers: float = 1.0


class Layered(Protocol):
    """A network that knows the depth of its parameters, which layer-wise decay needs."""

    num_layers: int

    def layer_of(self, name: str) -> int: ...


def parameter_groups(model: nn.Module, decay: Decay) -> list[dict[str, Any]]:
    """Batch norm, the rest, and the rest without decay: each group in registration order.

    With layer-wise decay each layer has its own groups, in the order in which they begin.
    Optimizer state is stored by position, so this order is part of the checkpoint format.
    Empty groups are left out; parameters that need no gradient are in none.
    """
    weights = {"norm": decay.norm, "decayed": decay.weight, "spared": 0.0}
    layer_of, last = _layers(model, decay)
    groups: dict[tuple[int, str], list[nn.Parameter]] = {}
    if decay.layers == 1:
        groups = {(last, kind): [] for kind in weights}
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                full_name = f"{module_name}.{name}" if module_name else name
                kind = _kind(module, full_name, parameter, decay)
                groups.setdefault((layer_of(full_name), kind), []).append(parameter)
    return [
        # `layer_decay` scales the learning rate of a group.
        {
            "params": params,
            "weight_decay": weights[kind],
            "layer_decay": decay.layers ** (last - layer),
        }
        for (layer, kind), params in groups.items()
        if params
    ]


def _kind(module: nn.Module, full_name: str, parameter: nn.Parameter, decay: Decay) -> str:
    name = full_name.rpartition(".")[2]
    named = full_name in decay.skip_names or name in decay.skip_names
    if isinstance(module, _BatchNorm):
        return "norm"
    if named or (decay.skip_1d and (parameter.ndim == 1 or name == "bias")):
        return "spared"
    return "decayed"


def _layers(model: nn.Module, decay: Decay) -> tuple[Callable[[str], int], int]:
    """What tells the layer of a parameter, and the last layer."""
    if decay.layers == 1:
        return lambda name: 0, 0
    if not hasattr(model, "layer_of"):
        raise ValueError(
            f"SOLVER.LAYER_DECAY is {decay.layers}, but {type(model).__name__} has no layers to "
            "decay over, as transformers have; set SOLVER.LAYER_DECAY 1.0"
        )
    layered = cast(Layered, model)
    return layered.layer_of, layered.num_layers


def optimizer_from_cfg(model: nn.Module, cfg: Any) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW with the groups and hyper-parameters of SOLVER and BN."""
    solver = cfg.SOLVER
    if solver.LARS_ON:
        raise ValueError(
            "SOLVER.LARS_ON is True, which this version does not train with yet; set it to False"
        )
    decay = Decay(
        solver.WEIGHT_DECAY,
        norm=cfg.BN.WEIGHT_DECAY,
        skip_1d=solver.ZERO_WD_1D_PARAM,
        skip_names=getattr(model, "position_names", ()) if cfg.MVIT.ZERO_DECAY_POS_CLS else (),
        layers=solver.LAYER_DECAY,
    )
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
