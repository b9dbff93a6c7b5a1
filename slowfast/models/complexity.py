"""What a network costs: parameters, multiply-adds and activations.

Counted on the meta device: shapes only, no arithmetic, so that the largest network takes seconds.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
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
    by_module: dict[str, float]  # gflops of "s1", "s1_fuse", ..., or "blocks 0-2"; "head"
    by_pathway: dict[str, float]  # gflops of "pathway0", "pathway1", "lateral", "head"
    params_by_module: dict[str, int]  # as in by_module
    params_by_pathway: dict[str, int]  # as in by_pathway

    def __str__(self) -> str:
        lines = [
            f"parameters   {self.params / 1e6:10.3f} M",
            f"GFLOPs       {self.gflops:10.3f} (multiply-adds)",
            f"activations  {self.activations:10.3f} M",
        ]
        width = max(map(len, (*self.by_module, *self.params_by_module)), default=0)
        for gflops, params in (
            (self.by_module, self.params_by_module),
            (self.by_pathway, self.params_by_pathway),
        ):
            lines.append("")
            lines += [
                f"  {name:<{width}} {gflops.get(name, 0):10.3f} GFLOPs "
                f"{params.get(name, 0) / 1e6:10.3f} M parameters"
                for name in {**gflops, **params}
            ]
        lines.append("")
        lines += [
            f"  {name:<{width}} {count:10.3f} GFLOPs" for name, count in self.by_operator.items()
        ]
        return "\n".join(lines)


def count_cost(net: nn.Module, inputs: Sequence[Tensor]) -> Cost:
    """Count one forward pass of `net` on clips shaped like `inputs`; nothing is computed.

    Args:
        net: in the mode that is to be counted; neither it nor its mode is changed.
        inputs: one tensor (N, C, T, H, W) a pathway, see `example_input`; only shapes matter.
            A network of detection gets one box a clip.
    """
    net = getattr(net, "_orig_mod", net)  # a compiled network runs no operator we could see
    place = _places(net)
    tally = _Tally(place)
    # Outside inference mode composite operators arrive as the few the registry knows.
    with torch.inference_mode(False), torch.no_grad():
        shapes, arguments = _on_meta(net, inputs)
        with tally.tracker, tally:
            torch.func.functional_call(net, shapes, arguments)
    by_module: dict[str, int] = defaultdict(int)
    by_pathway: dict[str, int] = defaultdict(int)
    for name, parameter in net.named_parameters():
        module, part = place(name)
        by_module[module] += parameter.numel()
        by_pathway[part] += parameter.numel()
    return Cost(
        params=sum(parameter.numel() for parameter in net.parameters()),
        gflops=sum(tally.by_operator.values()) / 1e9,
        activations=tally.activations / 1e6,
        by_operator=_giga(tally.by_operator),
        by_module=_giga(tally.by_module),
        by_pathway=_giga(tally.by_pathway),
        params_by_module=dict(by_module),
        params_by_pathway=dict(by_pathway),
    )


def training_memory(net: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Bytes that autograd keeps of one forward pass on clips shaped like `inputs`.

    What a training step holds for each clip beside weights, gradients and optimizer state, in the
    precision of the inputs; kernels' workspaces come on top. Counted on the meta device, with the
    network in training mode; its mode and its weights are left as they are.
    """
    net = getattr(net, "_orig_mod", net)
    modes = {module: module.training for module in net.modules()}
    kept: dict[int, int] = {}
    shapes, arguments = _on_meta(net, inputs)
    owned = {tensor.untyped_storage()._cdata for tensor in shapes.values()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in owned:
            kept[storage._cdata] = storage.nbytes()
        alive.append(tensor)  # or its storage's address would be used again
        return tensor

    alive: list[Tensor] = []
    try:
        net.train()
        with (
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            out = torch.func.functional_call(net, shapes, arguments)
            alive.append(out)
    finally:
        for module, training in modes.items():
            module.training = training
    return sum(kept.values())


def _on_meta(net: nn.Module, inputs: Sequence[Tensor]) -> tuple[dict[str, Tensor], tuple[Any, ...]]:
    """Parameters and buffers, and what to call with, without data.

    Parameters want gradients as they did; a network of detection gets one box a clip.
    """
    shapes: dict[str, Tensor] = {
        name: torch.empty_like(parameter, device="meta", requires_grad=parameter.requires_grad)
        for name, parameter in net.named_parameters()
    }
    for name, buffer in net.named_buffers():
        shapes[name] = torch.empty_like(buffer, device="meta")
    clips = [torch.empty_like(clip, device="meta") for clip in inputs]
    spec = getattr(net, "input_spec", None)
    boxes = [torch.empty(len(clips[0]), 5, device="meta")] if spec and spec.boxes else []
    return shapes, (clips, *boxes)


Place = Callable[[str], tuple[str, str]]


def _places(net: nn.Module) -> Place:
    """Tells of a dotted name its stage and its pathway: "s1_fuse.bn" -> "s1_fuse", "lateral"."""
    stage_of = getattr(net, "stage_of", lambda name: name.split(".", 1)[0])

    def place(name: str) -> tuple[str, str]:
        stage = stage_of(name)
        pathway = re.search(r"(?:^|\.)(pathway\d+)_", name)
        if pathway:
            return stage, pathway[1]
        if stage == "head":
            return stage, stage
        return stage, "lateral" if stage.endswith("_fuse") else "pathway0"

    return place


class _Tally(TorchDispatchMode):
    """Sums the cost of every operator that runs, by where it runs."""

    def __init__(self, place: Place) -> None:
        from torch.utils.flop_counter import flop_registry  # slow to import, and seldom needed

        super().__init__()
        self.place, self.registry = place, flop_registry
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
        if packet in self.registry:
            count = self.registry[packet](*args, **kwargs, out_val=out)
            name = packet.__name__
            self._add(OPERATORS.get(name, name), count / 2, out)  # it counts a multiply-add as two
        return out

    def _add(self, operator: str, multiply_adds: float, out: Any) -> None:
        first = out[0] if isinstance(out, tuple) else out
        self.activations += math.prod(first.shape)
        # Names are "Class.s2.pathway0_res0..."; the longest is where we are.
        path = max((p for p in self.tracker.parents if p != "Global"), key=len, default="")
        module, part = self.place(path.split(".", 1)[-1])
        self.by_operator[operator] += multiply_adds
        self.by_module[module] += multiply_adds
        self.by_pathway[part] += multiply_adds


def _giga(table: dict[str, float]) -> dict[str, float]:
    return {name: count / 1e9 for name, count in table.items()}
