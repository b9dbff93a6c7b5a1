"""What a network expects as input, the check of it, and an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slowfast.models.limits import check_whole


@dataclass(frozen=True)
class InputSpec:
    """The clips a network was built for; one entry of `channels` and `frames` a pathway."""

    channels: tuple[int, ...]
    frames: tuple[int, ...]
    size: int  # height and width, pixels
    downscale: tuple[int, ...] = ()  # frames of a pathway are this many times smaller; (): none
    boxes: bool = False  # whether a call needs boxes

    def __post_init__(self) -> None:
        for channels, frames in zip(self.channels, self.frames, strict=True):
            check_whole(in_channels=channels, num_frames=frames)
        check_whole(crop_size=self.size)
        less = max(self.downscale, default=1)
        if self.size % less:
            raise ValueError(
                f"crop_size is {self.size}, but must be a multiple of {less}: frames of the Fast "
                f"pathway are {less} times smaller"
            )

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
            if not isinstance(clip, Tensor) or not clip.is_floating_point():
                raise ValueError(
                    f"pathway {p}: expected a tensor of floating point numbers, got "
                    f"{getattr(clip, 'dtype', type(clip).__name__)}; for bytes from a decoder: "
                    "(clip.float() / 255 - mean) / std"
                )
            if clip.ndim != 5 or clip.shape[1] != channels:
                raise ValueError(
                    f"pathway {p}: expected (N, {channels}, T, H, W), got {tuple(clip.shape)}"
                    "; the number of channels is set by DATA.INPUT_CHANNEL_NUM (in_channels)"
                )
        self._compare(pathways)
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
        check_whole(size=size)
        return size

    def _compare(self, pathways: Sequence[Tensor]) -> None:
        """Raise ValueError unless all pathways see the same pictures of the same clips."""
        count, _, _, *sides = pathways[0].shape
        for p, clip in enumerate(pathways[1:], start=1):
            less = self.downscale[p] if self.downscale else 1
            expected = [count, *(side // less for side in sides)]
            found = [clip.shape[0], *clip.shape[3:]]
            if expected != found:
                raise ValueError(
                    f"pathway {p}: expected {expected[0]} clips of {expected[1]}x{expected[2]} "
                    f"pixels beside {count} of {sides[0]}x{sides[1]} in pathway 0, got {found[0]} "
                    f"of {found[1]}x{found[2]}"
                )

    def example(self, batch: int = 1, *, size: int | None = None) -> list[Tensor]:
        """Random clips in [0, 1) of the right shape; `size`: another height and width."""
        check_whole(batch=batch)
        side = self.side(size)
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
