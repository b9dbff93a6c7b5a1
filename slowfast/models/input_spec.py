"""What a network expects as input, the check of it, and an example."""

from __future__ import annotations

import operator
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

    def __post_init__(self) -> None:
        for what, values in (
            ("in_channels (DATA.INPUT_CHANNEL_NUM)", self.channels),
            ("num_frames (DATA.NUM_FRAMES)", self.frames),
            ("crop_size (DATA.TRAIN_CROP_SIZE)", (self.size,)),
        ):
            for value in values:
                check_count(value, what)

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

    def side(self, size: int | None) -> int:
        """Height and width of clips: `size` if it is given, else what the network is built for."""
        if size is None:
            return self.size
        check_count(size, "the size of clips in pixels")
        return size

    def example(self, batch: int = 1, *, size: int | None = None) -> list[Tensor]:
        """Random clips in [0, 1) of the right shape; `size`: another height and width."""
        check_count(batch, "the number of clips")
        side = self.side(size)
        downscale = self.downscale or (1,) * len(self.frames)
        return [
            torch.rand(batch, channels, frames, side // less, side // less)
            for channels, frames, less in zip(self.channels, self.frames, downscale, strict=True)
        ]


def check_count(value: object, what: str) -> None:
    """Raise ValueError unless `value`, which is `what`, is a whole number from 1."""
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if isinstance(value, bool) or count < 1:
        raise ValueError(f"{what} is {value!r}, expected a whole number from 1")


def example_input(net: nn.Module, batch: int = 1, *, size: int | None = None) -> list[Tensor]:
    """Random clips that `net` accepts, one tensor (batch, C, T_p, H, W) a pathway.

    Args:
        net: a network of this package, possibly wrapped (DDP, torch.compile).
        size: height and width in pixels; default: what the network was built for.
    """
    return _spec_of(net).example(batch, size=size)


def example_boxes(
    net: nn.Module,
    batch: int = 1,
    *,
    size: int | None = None,
    device: torch.device | str | None = None,
) -> Tensor | None:
    """One box a clip, of the whole frame, (batch, 5); None if `net` classifies clips.

    >>> net = create_model("slow_r50_4x16_ava")
    >>> scores = net(example_input(net), example_boxes(net))
    """
    spec = _spec_of(net)
    if not spec.boxes:
        return None
    side = float(spec.side(size))
    rows = [[float(clip), 0.0, 0.0, side, side] for clip in range(batch)]
    return torch.tensor(rows, device=device)


def takes_boxes(net: nn.Module) -> bool:
    """Whether a call of `net` needs boxes."""
    return _spec_of(net).boxes


def _spec_of(net: nn.Module) -> InputSpec:
    while not hasattr(net, "input_spec"):
        inner = getattr(net, "module", getattr(net, "_orig_mod", None))
        if inner is None:
            raise ValueError(f"{type(net).__name__} is not a network of slowfast.models")
        net = inner
    spec = net.input_spec
    assert isinstance(spec, InputSpec)
    return spec
