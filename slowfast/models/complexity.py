"""What a network costs: parameters, multiply-adds and activations.

Counted on the meta device: shapes only, no arithmetic, so that the largest network takes seconds.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

OPERATORS = {"convolution": "conv", "addmm": "linear", "mm": "linear", "bmm": "matmul"}


@dataclass(frozen=True)
class Cost:
    """Of one forward pass; a multiply-add counts as one, as in the papers.

    Convolutions, linear layers and matrix products count; norms and activations do not.
    """

    params: int
    gflops: float
    activations: float  # millions of numbers that these operators put out
    by_operator: dict[str, float]  # gflops of "conv", "linear", "matmul"
    by_module: dict[str, float]  # gflops of "s1", "s1_fuse", ..., "head"
    by_pathway: dict[str, float]  # gflops of "pathway0", "pathway1", "lateral", "head"

    def __str__(self) -> str:
        lines = [
            f"parameters   {self.params / 1e6:10.3f} M",
            f"GFLOPs       {self.gflops:10.3f} (multiply-adds)",
            f"activations  {self.activations:10.3f} M",
        ]
        for table in (self.by_operator, self.by_module, self.by_pathway):
            lines.append("")
            lines += [f"  {name:<12} {gflops:10.3f} GFLOPs" for name, gflops in table.items()]
        return "\n".join(lines)


def count_cost(net: nn.Module, inputs: Sequence[Tensor]) -> Cost:
    """Count one forward pass of `net` on clips shaped like `inputs`; nothing is computed.

    Args:
        net: in the mode that is to be counted; neither it nor its mode is changed.
        inputs: one tensor (N, C, T, H, W) a pathway, see `example_input`; only shapes matter.
            A network of detection gets one box a clip.
    """
    net = getattr(net, "_orig_mod", net)  # a compiled network runs no operator we could see
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    tally = _Tally()
    # Outside inference mode composite operators arrive as the few the registry knows.
    with torch.inference_mode(False), torch.no_grad():
        shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
        clips = [torch.empty_like(clip, device="meta") for clip in inputs]
        spec = getattr(net, "input_spec", None)
        boxes = [torch.empty(len(clips[0]), 5, device="meta")] if spec and spec.boxes else []
        with tally.tracker, tally:
            torch.func.functional_call(net, shapes, (clips, *boxes))
    return Cost(
        params=sum(parameter.numel() for parameter in net.parameters()),
        gflops=sum(tally.by_operator.values()) / 1e9,
        activations=tally.activations / 1e6,
        by_operator=_giga(tally.by_operator),
        by_module=_giga(tally.by_module),
        by_pathway=_giga(tally.by_pathway),
    )


class _Tally(TorchDispatchMode):
    """Sums the cost of every operator that runs, by where it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = ModuleTracker()
        self.activations = 0
        self.by_operator: dict[str, float] = defaultdict(float)
        self.by_module: dict[str, float] = defaultdict(float)
        self.by_pathway: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if packet in flop_registry:
            count = flop_registry[packet](*args, **kwargs, out_val=out)
            name = packet.__name__
            self._add(OPERATORS.get(name, name), count / 2, out)  # it counts a multiply-add as two
        return out

    def _add(self, operator: str, multiply_adds: float, out: Any) -> None:
        first = out[0] if isinstance(out, tuple) else out
        self.activations += math.prod(first.shape)
        # Names are "Class.s2.pathway0_res0..."; the longest is where we are.
        path = max((p for p in self.tracker.parents if p != "Global"), key=len, default="")
        module = path.split(".")[1] if "." in path else path
        pathway = re.search(r"\.(pathway\d+)_", path)
        part = pathway[1] if pathway else "lateral" if module.endswith("_fuse") else module
        self.by_operator[operator] += multiply_adds
        self.by_module[module] += multiply_adds
        self.by_pathway[part] += multiply_adds


def _giga(table: dict[str, float]) -> dict[str, float]:
    return {name: count / 1e9 for name, count in table.items()}
