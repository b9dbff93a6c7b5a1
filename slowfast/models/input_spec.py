"""What a network expects as input, the check of it, and an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class InputSpec:
    """The clips a network was built for; one entry of `channels` and `frames` a pathway."""

    channels: tuple[int, ...]
    frames: tuple[int, ...]
    size: int  # height and width, pixels
    downscale: tuple[int, ...] = ()  # frames of a pathway are this many times smaller; (): none
    boxes: bool = False  # whether a call needs boxes

    def check(self, pathways: Sequence[Tensor], *, alpha: int | None = None) -> None:
        """Raise ValueError unless `pathways` fit; `alpha`: Fast frames per Slow frame."""
        if isinstance(pathways, Tensor):
            raise ValueError(
                "the network takes a list of tensors (N, C, T, H, W), one a pathway; got one "
                f"tensor {tuple(pathways.shape)}: call net([clip])"
            )
        if len(pathways) != len(self.channels):
            raise ValueError(
                f"the network has {len(self.channels)} pathway(s), got {len(pathways)} tensor(s); "
                "pass a list with one tensor (N, C, T, H, W) a pathway, Slow before Fast"
            )
        for p, (clip, channels) in enumerate(zip(pathways, self.channels, strict=True)):
            if clip.ndim != 5 or clip.shape[1] != channels:
                raise ValueError(
                    f"pathway {p}: expected (N, {channels}, T, H, W), got {tuple(clip.shape)}"
                    "; the number of channels is set by DATA.INPUT_CHANNEL_NUM (in_channels)"
                )
        if alpha is not None:
            slow, fast = (clip.shape[2] for clip in pathways)
            if fast != alpha * slow:
                raise ValueError(
                    f"the Fast pathway must have {alpha} frames per Slow frame (SLOWFAST.ALPHA), "
                    f"got {slow} Slow and {fast} Fast frames"
                )

    def example(self, batch: int = 1, *, size: int | None = None) -> list[Tensor]:
        """Random clips in [0, 1) of the right shape; `size`: another height and width."""
        side = size or self.size
        downscale = self.downscale or (1,) * len(self.frames)
        return [
            torch.rand(batch, channels, frames, side // less, side // less)
            for channels, frames, less in zip(self.channels, self.frames, downscale, strict=True)
        ]


def example_input(net: nn.Module, batch: int = 1, *, size: int | None = None) -> list[Tensor]:
    """Random clips that `net` accepts, one tensor (batch, C, T_p, H, W) a pathway.

    Args:
        net: a network of this package, possibly wrapped (DDP, torch.compile).
        size: height and width in pixels; default: what the network was built for.
    """
    while not hasattr(net, "input_spec"):
        inner = getattr(net, "module", getattr(net, "_orig_mod", None))
        if inner is None:
            raise ValueError(f"{type(net).__name__} is not a network of slowfast.models")
        net = inner
    spec = net.input_spec
    assert isinstance(spec, InputSpec)
    return spec.example(batch, size=size)
