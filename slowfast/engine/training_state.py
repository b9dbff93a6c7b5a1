"""Everything that training changes, as plain values and tensors, for any format of checkpoints."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from slowfast import dist
from slowfast.config import clips_per_process, dump_cfg
from slowfast.engine.build import Trainer
from slowfast.engine.checkpoint.sub_bn import split_statistics, to_plain
from slowfast.engine.ema import Average
from slowfast.engine.parallel import as_like, buffers_of_first
from slowfast.ops.sub_batchnorm import aggregate_statistics
from slowfast.version import __version__


def state_of(trainer: Trainer, cfg: Any) -> dict[str, Any]:
    """The content of a checkpoint; all ranks call it together.

    It is the same on all ranks, but for tensors in parts (TRAIN.PARALLEL 'fsdp').
    """
    position = trainer.position
    # Means differ between ranks; everything else is the same on all of them, or a part.
    means = dist.gather_objects(
        {"epoch": trainer.epoch_means.state(), "window": trainer.window_means.state()}
    )
    weights = weights_of(trainer.net)
    return {
        # Public readers go on at epoch + 1: this is the last epoch that is complete.
        "epoch": position.epoch - 1,
        "model_state": dict(to_plain(weights)),
        "optimizer_state": trainer.stepper.optimizer.state_dict(),
        "cfg": dump_cfg(trainer.phase.recipe),
        "scaler_state": trainer.stepper.scaler.state_dict(),
        "slowfast": {
            "version": __version__,
            "position": {"epoch": position.epoch, "batch": position.batch},
            "batches_per_epoch": len(trainer.loader),
            "global_batch": global_batch(trainer.phase.recipe),
            "best": dict(trainer.best),
            "means": means,
            "guard": trainer.stepper.guard.state(),
            "class_names": list(trainer.class_names),
            "trained": trained(trainer.net, trainer.stepper.optimizer),
            "split_statistics": split_statistics(weights),
            "ema_state": trainer.average.state(),
        },
    }


def trained(net: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the parameters in the order of the optimizer, whose states have no other names."""
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return [names[id(parameter)] for parameter in _parameters(optimizer)]


def global_batch(cfg: Any) -> int:
    """Clips of a step on all ranks together."""
    return clips_per_process(cfg, "TRAIN") * dist.world_size()


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    """Parameters as they are on this rank, and rank 0's buffers."""
    aggregate_statistics(net)
    buffers = buffers_of_first(net)
    return {name: buffers.get(name, value) for name, value in net.state_dict().items()}


def parts_of(
    net: nn.Module, optimizer: torch.optim.Optimizer, average: Average
) -> dict[str, Tensor]:
    """Tensors in parts by their names in a sharded checkpoint; empty unless trained with FSDP.

    What the optimizer keeps for a parameter, by its position, is in parts as the parameter is.
    """
    named: dict[str, Tensor] = {f"model_state/{name}": p for name, p in net.named_parameters()}
    for name, mean in average.parameters().items():
        named[f"slowfast/ema_state/model_state/{name}"] = mean
    for index, parameter in enumerate(_parameters(optimizer)):
        named[f"optimizer_state/state/{index}"] = parameter
    return {name: p for name, p in named.items() if hasattr(p, "full_tensor")}


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take back a state of `Optimizer.state_dict`, whole tensors of which may become parts.

    Raises:
        ValueError: it is of other parameters, or of another optimizer. A malformed one may also
            raise KeyError, TypeError, AttributeError, IndexError or RuntimeError.
    """
    parameters = _parameters(optimizer)
    if any(hasattr(parameter, "full_tensor") for parameter in parameters):
        state = {
            **state,
            "state": {
                index: {
                    name: as_like(value, parameters[index])
                    if torch.is_tensor(value) and value.shape == parameters[index].shape
                    else value
                    for name, value in kept.items()
                }
                for index, kept in state["state"].items()
            },
        }
    optimizer.load_state_dict(state)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]
