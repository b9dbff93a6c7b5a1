"""A second set of weights: the running mean of those that are trained."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from slowfast import dist
from slowfast.engine.checkpoint.sub_bn import fit_sub_bn
from slowfast.engine.parallel import as_like, buffers_of_first, own_part, shard
from slowfast.ops.sub_batchnorm import aggregate_statistics


class Average(Protocol):
    """The network that is evaluated and tested, as the loop sees it."""

    @property
    def net(self) -> nn.Module: ...

    def update(self) -> None:
        """Take the weights after a step into account."""
        ...

    def parameters(self) -> dict[str, nn.Parameter]:
        """Those that a checkpoint holds on top of the trained network's, by name."""
        ...

    def state(self) -> dict[str, Any]: ...

    def load(self, state: Mapping[str, Any]) -> None: ...


class NoAverage:
    """The trained network itself."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def update(self) -> None:
        pass

    def parameters(self) -> dict[str, nn.Parameter]:
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        pass


class Ema:
    """Exponential moving average of weights and batch-norm statistics.

    After each step a mean m becomes ``decay * m + (1 - decay) * w``; the first step's weights are
    taken as they are. PyTorch's `AveragedModel` does the same, but waits for a GPU at each step.

    Args:
        source: the trained network.
        mean: a copy of it. Of either, this process has all or the same parts.
        decay: share of the mean that stays.
    """

    def __init__(self, source: nn.Module, mean: nn.Module, *, decay: float) -> None:
        self.source, self.updates = source, 0
        self._mean = mean.requires_grad_(False).train()
        self._blend = get_ema_multi_avg_fn(decay)

    @property
    def net(self) -> nn.Module:
        """The averaged network; before the first step, the one that is trained."""
        return self._mean if self.updates else self.source

    @torch.no_grad()
    def update(self) -> None:
        floats: dict[tuple[torch.device, torch.dtype], tuple[list[Tensor], list[Tensor]]] = {}
        for mean, value in zip(_tensors(self._mean), _tensors(self.source), strict=True):
            if self.updates and mean.is_floating_point():
                means, values = floats.setdefault((mean.device, mean.dtype), ([], []))
                means.append(mean)
                values.append(value)
            else:  # numbers of batches are no averages
                mean.copy_(value)
        for means, values in floats.values():
            self._blend(means, values, self.updates)
        self.updates += 1
        self._mean.train()  # so that `eval` gathers the statistics of batch norm in parts

    def parameters(self) -> dict[str, nn.Parameter]:
        return dict(self._mean.named_parameters())

    def state(self) -> dict[str, Any]:
        self._mean.train()
        aggregate_statistics(self._mean)
        # Running statistics differ between ranks; those of rank 0 count, as for the source.
        state = {**self._mean.state_dict(), **buffers_of_first(self._mean)}
        return {"updates": self.updates, "model_state": state}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state of the same network; nothing if there is none."""
        if state:
            own = self._mean.state_dict()
            fitted = fit_sub_bn(state["model_state"], own)
            self._mean.load_state_dict(
                {name: as_like(value, own.get(name, value)) for name, value in fitted.items()}
            )
            self.updates = int(state["updates"])


def average_from_cfg(net: nn.Module, cfg: Any) -> Average:
    """What ``EMA`` asks for, of a network that no process has only parts of yet."""
    if not cfg.EMA.ENABLE:
        return NoAverage(net)
    mean = copy.deepcopy(net)
    if cfg.TRAIN.PARALLEL == "fsdp" and dist.world_size() > 1:
        shard(mean, device=next(net.parameters()).device)
    return Ema(net, mean, decay=cfg.EMA.DECAY)


def _tensors(net: nn.Module) -> list[Tensor]:
    """What this process has of its parameters and buffers."""
    return [own_part(each.detach()) for each in (*net.parameters(), *net.buffers())]
