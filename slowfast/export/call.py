"""The arguments of one call of a network, the names they have in a file, and random ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from slowfast.models.input_spec import InputSpec

OUTPUT = "scores"


@dataclass(frozen=True)
class Call:
    """What a network is called with: `net(call.pathways, call.boxes)`."""

    pathways: list[Tensor]  # (N, C, T_p, H, W) each
    boxes: Tensor | None = None  # (M, 5): index of the clip, x1, y1, x2, y2 in pixels

    @property
    def args(self) -> tuple[list[Tensor]] | tuple[list[Tensor], Tensor]:
        return (self.pathways,) if self.boxes is None else (self.pathways, self.boxes)

    @property
    def names(self) -> list[str]:
        """Names of the tensors, in order."""
        clips = ["clip"] if len(self.pathways) == 1 else ["slow", "fast"]
        return clips if self.boxes is None else [*clips, "boxes"]

    @property
    def tensors(self) -> list[Tensor]:
        return self.pathways if self.boxes is None else [*self.pathways, self.boxes]

    def free_shapes(self, *, batch: bool) -> dict[str, Any]:
        """By argument: the dimensions that may differ from call to call.

        The number of boxes always may, that of the clips if `batch`.
        """
        clips = {0: Dim("batch")} if batch else None
        shapes: dict[str, Any] = {"pathways": [clips] * len(self.pathways)}
        return shapes if self.boxes is None else shapes | {"boxes": {0: Dim("boxes")}}


def random_call(spec: InputSpec, batch: int, *, size: int | None = None, seed: int = 0) -> Call:
    """Normalised noise, and two boxes a clip for a network that takes boxes.

    Args:
        size: height and width in pixels; default: what the network was built for.
    """
    side = spec.side(size)
    draw = torch.Generator().manual_seed(seed)
    clips = [torch.randn(c.shape, generator=draw) for c in spec.example(batch, size=side)]
    if not spec.boxes:
        return Call(clips)
    corner = side / 2 * torch.rand(2 * batch, 2, generator=draw)
    extent = side / 8 + side / 4 * torch.rand(2 * batch, 2, generator=draw)
    clip = torch.arange(batch).repeat_interleave(2)[:, None]
    return Call(clips, torch.cat([clip, corner, corner + extent], dim=1))
