"""uint8 clips to the pathways of a network, on the device and once per batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slowfast.data.sampling import slow_frames
from slowfast.data.transforms.fast_input import FAST_INPUTS


class InputStage:
    """Scale to [0, 1], subtract the mean, divide by the deviation, pack pathways.

    Args:
        mean, std: one value per channel, in the order of the decoded frames (RGB).
        reverse_channels: turn RGB into BGR after that.
        alpha: Fast frames per Slow frame; None for a network of one pathway.
        fast_input: what the Fast pathway sees: "rgb", "half", "gray", "difference" or "flow".
        normalised: clips are floats less the mean and by the deviation already (strict mode).
        dtype: of the result; the arithmetic is float32.
        channels_last: keep channels innermost in memory (``torch.channels_last_3d``).

    Shape:
        uint8 (N, T, H, W, C) -> [(N, C, T, H, W)], or [slow, fast] with T // alpha and T frames
        (and the channels and the size that `fast_input` makes). Clips may be float32 on the same
        scale, as augmentation leaves them.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        reverse_channels: bool = False,
        alpha: int | None = None,
        fast_input: str = "rgb",
        normalised: bool = False,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> None:
        if len(mean) != len(std):
            raise ValueError(
                f"DATA.MEAN has {len(mean)} values and DATA.STD {len(std)}; give one per channel"
            )
        order = slice(None, None, -1) if reverse_channels else slice(None)
        # x / 255 / std - mean / std, in two passes over memory instead of three.
        self._scale = [1 / (255 * s) for s in std][order]
        self._shift = [-m / s for m, s in zip(mean, std, strict=True)][order]
        self.reverse_channels, self.alpha = reverse_channels, alpha
        self.fast_input, self.normalised = fast_input, normalised
        self.dtype, self.channels_last = dtype, channels_last
        # Constants stay on the device: copying them at each call would wait for it.
        self._constants: dict[torch.device, tuple[Tensor, Tensor]] = {}
        self._slow: dict[tuple[torch.device, int], Tensor] = {}

    def __call__(self, clips: Tensor) -> list[Tensor]:
        known = clips.dtype in (torch.uint8, torch.float32)
        if not known or clips.ndim != 5 or clips.shape[-1] != len(self._scale):
            raise ValueError(
                f"expected uint8 clips (N, T, H, W, {len(self._scale)}), or float32 ones of the "
                f"same scale, got {clips.dtype} {tuple(clips.shape)}; DATA.MEAN and DATA.STD hold "
                "one value per channel"
            )
        scale, shift = self._affine(clips.device)
        clips = clips.flip(-1) if self.reverse_channels else clips
        layout = torch.channels_last_3d if self.channels_last else torch.contiguous_format
        # A copy in any case: what follows is done in place.
        fast = clips.permute(0, 4, 1, 2, 3).to(torch.float32, memory_format=layout, copy=True)
        if not self.normalised:
            fast = fast.mul_(scale).add_(shift)
        fast = fast.to(self.dtype)
        if self.alpha is None:
            return [fast]
        slow = fast.index_select(2, self._slow_index(clips.device, clips.shape[1], self.alpha))
        if self.fast_input != "rgb":
            fast = FAST_INPUTS[self.fast_input](fast, reverse_channels=self.reverse_channels)
        return [slow.contiguous(memory_format=layout), fast.contiguous(memory_format=layout)]

    def _affine(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._constants:
            self._constants[device] = tuple(  # type: ignore[assignment]
                torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1, 1)
                for values in (self._scale, self._shift)
            )
        return self._constants[device]

    def _slow_index(self, device: torch.device, frames: int, alpha: int) -> Tensor:
        key = (device, frames)
        if key not in self._slow:
            self._slow[key] = torch.tensor(slow_frames(frames, alpha), device=device)
        return self._slow[key]
