"""Clips to tokens: the patch embedding of the transformers (2010.11929, Sec. 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from slowfast.ops.conv import Conv3d
from slowfast.ops.pos_embed import Grid


@dataclass(frozen=True)
class PatchSpec:
    """The convolution that makes a token of each patch.

    Args:
        kernel, stride, padding: in T, H, W; in H, W if `image`.
        image: patches of one frame, by a 2D convolution.
    """

    kernel: Sequence[int] = (3, 7, 7)
    stride: Sequence[int] = (2, 4, 4)
    padding: Sequence[int] = (1, 3, 3)
    image: bool = False

    def __post_init__(self) -> None:
        sizes = {"KERNEL": self.kernel, "STRIDE": self.stride, "PADDING": self.padding}
        dims = 2 if self.image else 3
        for name, size in sizes.items():
            if len(size) != dims:
                raise ValueError(
                    f"MVIT.PATCH_{name} is {list(size)}, but with MVIT.PATCH_2D {self.image} it "
                    f"has {dims} numbers, {'height' if self.image else 'time, height'} and width"
                )

    @property
    def volume(self) -> tuple[Grid, Grid, Grid]:
        """Kernel, stride and padding in T, H, W."""
        if self.image:
            (kh, kw), (sh, sw), (ph, pw) = self.kernel, self.stride, self.padding
            return (1, kh, kw), (1, sh, sw), (0, ph, pw)
        (kt, kh, kw), (st, sh, sw), (pt, ph, pw) = self.kernel, self.stride, self.padding
        return (kt, kh, kw), (st, sh, sw), (pt, ph, pw)

    def grid(self, frames: int, size: int) -> Grid:
        """T, H, W of the tokens of a square clip, as the public networks count them."""
        _, (t, h, w), _ = self.volume
        grid = frames // t, size // h, size // w
        if min(grid) < 1:
            raise ValueError(
                f"a clip of {frames} frames (DATA.NUM_FRAMES) of {size} pixels "
                f"(DATA.TRAIN_CROP_SIZE) is smaller than a patch (MVIT.PATCH_STRIDE "
                f"{list(self.stride)})"
            )
        return grid


class PatchEmbed(nn.Module):
    """A strided convolution, then the patches as a sequence: by time, row, column.

    Shape: (N, in_channels, T, H, W) -> (N, L, dim), and the grid of the L tokens.
    """

    def __init__(self, in_channels: int, dim: int, spec: PatchSpec) -> None:
        super().__init__()
        self.image = spec.image
        self.kernel, stride, self.padding = spec.volume
        # The attribute name is a key of published checkpoints.
        self.proj: nn.Conv2d | nn.Conv3d
        if spec.image:
            self.proj = nn.Conv2d(
                in_channels, dim, self.kernel[1:], stride=stride[1:], padding=self.padding[1:]
            )
        else:
            self.proj = Conv3d(in_channels, dim, self.kernel, stride=stride, padding=self.padding)

    def forward(self, clip: Tensor) -> tuple[Tensor, Grid]:
        frames, height, width = clip.shape[2:]
        if self.image and frames != 1:
            raise ValueError(
                f"the network takes images (MVIT.PATCH_2D), clips of one frame; got {frames} frames"
            )
        sizes = zip((frames, height, width), self.padding, self.kernel, strict=True)
        if any(size + 2 * pad < kernel for size, pad, kernel in sizes):
            raise ValueError(
                f"a clip of {frames} frames of {height}x{width} pixels is smaller than a patch of "
                f"{'x'.join(map(str, self.kernel))} (MVIT.PATCH_KERNEL); use larger clips"
            )
        x = self.proj(clip.squeeze(2)).unsqueeze(2) if self.image else self.proj(clip)
        t, h, w = x.shape[2:]
        return x.flatten(2).transpose(1, 2), (t, h, w)
