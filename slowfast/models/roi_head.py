"""Heads of detection: the features of each box to class scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slowfast.log import LOGGER
from slowfast.models.heads import head_act

FAR = 1e5  # pixels; no corner of a box is that far out
BOXES = "a float tensor (M, 5): index of the clip in the batch, x1, y1, x2, y2 in pixels"


@dataclass(frozen=True)
class RoIOptions:
    """How the features of a box are cut out of a clip's; the defaults are those of AVA."""

    resolution: int = 7  # side of a box's features
    stride: int = 16  # pixels of the input for one feature
    aligned: bool = True  # shift boxes by half a feature; False: as Caffe2 did

    def compare(self, stride: int) -> None:
        """Warn when the features of the network are not `self.stride` pixels apart."""
        if stride != self.stride:
            LOGGER.warning(
                "DETECTION.SPATIAL_SCALE_FACTOR is %d, but the features of this network are %d "
                "pixels apart, so boxes are cut out of place; set it to %d, or the strides of a "
                "ResNet (RESNET.SPATIAL_STRIDES)",
                self.stride,
                stride,
                stride,
            )


def roi_options(detection: bool | RoIOptions, default: RoIOptions) -> RoIOptions | None:
    """The options that a constructor's `detection` asks for; None: classify clips."""
    if isinstance(detection, RoIOptions):
        return detection
    if not isinstance(detection, bool):
        raise ValueError(f"detection is {detection!r}, but must be True, False or RoIOptions(...)")
    return default if detection else None


class RoIPool(nn.Module):
    """The features of each box: mean over time, RoIAlign, spatial max (1812.03982, Sec. 5).

    Boxes are cut with one sample a feature and more for large boxes (sampling ratio 0).

    Shape: x (N, C, T, H, W), boxes (M, 5) -> (M, C).

    Raises:
        ValueError: there are no boxes, or they can't be those of N clips; see `check_boxes`.
    """

    def __init__(self, options: RoIOptions) -> None:
        # Only networks of detection need it, and importing it takes longer than PyTorch itself.
        from torchvision.ops import roi_align

        super().__init__()
        self.options, self.roi_align = options, roi_align

    def extra_repr(self) -> str:
        return str(self.options)

    def forward(self, x: Tensor, boxes: Tensor | None) -> Tensor:
        boxes = check_boxes(boxes, clips=x.shape[0])
        x = x.mean(dim=2)
        # Coordinates need more than half precision has.
        precise = torch.promote_types(x.dtype, torch.float32)
        side = self.options.resolution
        regions = self.roi_align(
            x.to(precise),
            boxes.to(precise),
            side,
            spatial_scale=1 / self.options.stride,
            sampling_ratio=0,
            aligned=self.options.aligned,
        )
        return F.max_pool2d(regions, side).flatten(1).to(x.dtype)


class RoIHead(nn.Module):
    """Pool the boxes of each pathway, concatenate, classify.

    Takes the features of any body that keeps a grid; tokens (N, T * H * W, C) become one by
    `tokens.transpose(1, 2).unflatten(2, (T, H, W))`.

    Args:
        dims: channels of each pathway.
        options: how boxes are cut out; the same for all pathways.
        act: "softmax", "sigmoid" or "none"; applied while training too.
        detach: no gradient goes below the classifier.

    Shape: P tensors (N, C_p, T_p, H, W) and boxes (M, 5) -> scores (M, num_classes).
    """

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        options: RoIOptions,
        *,
        dropout: float = 0.5,
        act: str = "sigmoid",
        detach: bool = False,
    ) -> None:
        super().__init__()
        self.detach = detach
        self.pool = RoIPool(options)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(sum(dims), num_classes)
        self.act = head_act(act)

    def forward(self, xs: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        x = self.dropout(torch.cat([self.pool(x, boxes) for x in xs], dim=1))
        if self.detach:
            x = x.detach()
        return self.act(self.projection(x))


def check_boxes(boxes: Tensor | None, *, clips: int) -> Tensor:
    """Raise ValueError unless `boxes` can be those of `clips` clips.

    Values are read on the CPU only: elsewhere that would wait for the device.
    """
    if boxes is None:
        raise ValueError(
            f"this network classifies boxes: call net(pathways, boxes) with boxes {BOXES}; or "
            "build one for whole clips (DETECTION.ENABLE False)"
        )
    if not isinstance(boxes, Tensor) or boxes.ndim != 2 or boxes.shape[1] != 5:
        found = tuple(boxes.shape) if isinstance(boxes, Tensor) else type(boxes).__name__
        raise ValueError(f"boxes: expected {BOXES}, got {found}")
    if boxes.device.type == "cpu" and not torch.compiler.is_compiling():
        _check_values(boxes, clips)
    return boxes


def _check_values(boxes: Tensor, clips: int) -> None:
    """RoIAlign would read whatever lies beside the features, or ask for endless memory."""
    clip, corners = boxes[:, 0], boxes[:, 1:]
    wrong = clip[(clip < 0) | (clip >= clips) | (clip != clip.floor())]
    if len(wrong):
        raise ValueError(
            f"boxes: the first column is the index of the clip, from 0 to {clips - 1} in a "
            f"batch of {clips}, got {wrong[0].item():g}"
        )
    wrong = corners[~(corners.abs() < FAR)]  # NaN is not below anything
    if len(wrong):
        raise ValueError(
            f"boxes: expected corners in pixels, got {wrong[0].item():g}; scale boxes to the crop "
            "and leave out those that are not finite"
        )
