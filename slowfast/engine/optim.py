"""Optimizers and their parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from slowfast.engine.lars import add_lars


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


def parameter_groups(model: nn.Module, decay: Decay, *, lars: bool = False) -> list[dict[str, Any]]:
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
            "apply_LARS": lars and kind == "decayed",
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
    """SGD, Adam or AdamW, with LARS or without, as SOLVER and BN say.

    Raises:
        ValueError: the optimizer is unknown, or there is nothing to train.
    """
    solver = cfg.SOLVER
    decay = Decay(
        solver.WEIGHT_DECAY,
        norm=cfg.BN.WEIGHT_DECAY,
        skip_1d=solver.ZERO_WD_1D_PARAM,
        skip_names=getattr(model, "position_names", ()) if cfg.MVIT.ZERO_DECAY_POS_CLS else (),
        layers=solver.LAYER_DECAY,
    )
    groups = parameter_groups(model, decay, lars=solver.LARS_ON)
    if not groups:
        raise ValueError("no parameter is left to train; MODEL.FREEZE names all of them")
    learning = [name for name, p in model.named_parameters() if p.requires_grad]
    if cfg.MODEL.DETACH_FINAL_FC and not any(".head." in f".{name}" for name in learning):
        raise ValueError(
            "MODEL.DETACH_FINAL_FC True leaves gradients to the head alone, and MODEL.FREEZE "
            f"{list(cfg.MODEL.FREEZE)} freezes it: nothing would learn; leave out one of the two"
        )
    optimizer = _optimizer(groups, solver)
    optimizer.register_load_state_dict_pre_hook(_keep_settings)
    optimizer.register_load_state_dict_post_hook(_lay_out_like_parameters)
    if solver.LARS_ON:
        add_lars(optimizer)
    return optimizer


def _optimizer(groups: list[dict[str, Any]], solver: Any) -> torch.optim.Optimizer:
    # One kernel for all parameters: it waits for no device, also with a GradScaler, and is three
    # to four times as fast as the other implementations on a CPU.
    devices = {p.device.type for group in groups for p in group["params"]}
    shared: dict[str, Any] = {
        "lr": solver.BASE_LR,
        "weight_decay": solver.WEIGHT_DECAY,
        "fused": devices <= {"cpu", "cuda"},
    }
    if solver.OPTIMIZING_METHOD == "sgd":
        _check_nesterov(solver)
        if any(hasattr(p, "full_tensor") for group in groups for p in group["params"]):
            shared["fused"] = False  # PyTorch has this kernel for whole tensors only
        return torch.optim.SGD(
            groups,
            momentum=solver.MOMENTUM,
            dampening=solver.DAMPENING,
            nesterov=solver.NESTEROV,
            **shared,
        )
    adams = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "mt_adamw": torch.optim.AdamW,  # the public name of an implementation of it
    }
    if solver.OPTIMIZING_METHOD in adams:
        kind = adams[solver.OPTIMIZING_METHOD]
        return kind(groups, betas=tuple(map(float, solver.BETAS)), eps=1e-8, **shared)
    raise ValueError(
        f"SOLVER.OPTIMIZING_METHOD is {solver.OPTIMIZING_METHOD!r}; use 'sgd', 'adam' or 'adamw'"
    )


def _check_nesterov(solver: Any) -> None:
    if solver.NESTEROV and (solver.MOMENTUM == 0 or solver.DAMPENING != 0):
        raise ValueError(
            "SOLVER.NESTEROV is True, which needs momentum without dampening; SOLVER.MOMENTUM is "
            f"{solver.MOMENTUM:g} and SOLVER.DAMPENING {solver.DAMPENING:g}; set SOLVER.NESTEROV "
            "False, or a MOMENTUM above 0 and DAMPENING 0"
        )


# What a state holds of a parameter, by the kind of optimizer (AdamW is an Adam).
_KEPT = {
    torch.optim.SGD: {"momentum_buffer"},
    torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"},
}


def _keep_settings(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """The state of another run without its settings: decay, momentum and the like are this one's.

    Raises:
        ValueError: it is of another optimizer, or of other parameters.
    """
    loaded, own = state.get("param_groups"), optimizer.param_groups
    if not isinstance(loaded, list) or len(loaded) != len(own):
        return state  # does not fit, as PyTorch says next
    _check_kept(optimizer, state)
    # The rate is set before each step; until then it is the one of the step before.
    groups = [
        {**theirs, **{k: v for k, v in ours.items() if k not in ("params", "lr")}}
        for theirs, ours in zip(loaded, own, strict=True)
    ]
    return {**state, "param_groups": groups}


def _check_kept(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """States are matched by position alone, and fused kernels trust their shapes."""
    known = next(names for kind, names in _KEPT.items() if isinstance(optimizer, kind))
    pairs = [
        (index, parameter)
        for theirs, ours in zip(state["param_groups"], optimizer.param_groups, strict=True)
        for index, parameter in zip(theirs["params"], ours["params"], strict=False)
    ]
    for index, parameter in pairs:
        kept = state["state"].get(index, {})
        if kept and kept.keys() != known:
            raise ValueError(
                f"it is of another optimizer: it keeps {', '.join(map(str, sorted(kept)))} for a "
                f"parameter, where {', '.join(sorted(known))} belong"
            )
        for name, value in kept.items():
            if name != "step" and not isinstance(value, Tensor | None):
                raise ValueError(f"{name} {index} is {type(value).__name__}, and no tensor")
            shaped = isinstance(value, Tensor) and (value.ndim > 0 or name != "step")
            if shaped and value.shape != parameter.shape:
                raise ValueError(
                    f"{name} {index} is {tuple(value.shape)}, its parameter "
                    f"{tuple(parameter.shape)}"
                )


def _lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Fused kernels read a parameter and its state in memory order: both need the same one."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if not isinstance(value, Tensor) or value.shape != parameter.shape:
                continue
            if value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
