"""What part of a scaled frame is wanted: enough for a reader to convert nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from slowfast.data.transforms.spatial import CropPlan, resize


@dataclass(frozen=True)
class Axis:
    """Output pixel i shows the source from ``start + i * step`` to ``start + (i + 1) * step``."""

    start: float
    step: float
    count: int

    def mirrored(self, length: int) -> Axis:
        """The same pixels in a source of ``length`` pixels that is read backwards."""
        return Axis(length - self.start - self.count * self.step, self.step, self.count)


@dataclass(frozen=True)
class Window:
    """A rectangle of a frame that was cut, then scaled; in pixels of the displayed frame.

    Attributes:
        region: top, left, height, width of what is cut from the decoded frame.
        scaled: (height, width) that the region is scaled to.
        top, left, height, width: the rectangle kept of that.
        flip: it is mirrored left to right.
    """

    region: tuple[int, int, int, int]
    scaled: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    flip: bool = False

    @classmethod
    def of(cls, plan: CropPlan) -> Window:
        """What a random crop keeps."""
        return cls(
            plan.region, plan.scaled, plan.top, plan.left, plan.size, plan.size, flip=plan.flip
        )

    @property
    def rows(self) -> Axis:
        step = self.region[2] / self.scaled[0]
        return Axis(self.region[0] + self.top * step, step, self.height)

    @property
    def columns(self) -> Axis:
        step = self.region[3] / self.scaled[1]
        return Axis(self.region[1] + self.left * step, step, self.width)

    def cut(self, frames: Tensor) -> Tensor:
        """Whole frames (F, H, W, C), uint8 or float -> (F, height, width, C).

        The public order: all of the region is scaled (bilinear, no antialiasing), then cut.
        """
        top, left, height, width = self.region
        frames = resize(frames[:, top : top + height, left : left + width], self.scaled)
        bottom, right = self.top + self.height, self.left + self.width
        frames = frames[:, self.top : bottom, self.left : right]
        return frames.flip(2) if self.flip else frames
