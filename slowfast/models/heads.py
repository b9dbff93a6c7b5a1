"""Heads: features of the last stage to class scores."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slowfast.ops.norm import Norm

Size = tuple[int, int, int]  # T, H, W
HEAD_ACTS = ("softmax", "sigmoid", "none")


class ResNetHead(nn.Module):
    """Average-pool each pathway, concatenate, classify.

    A clip larger than the network was built for leaves more than one position after the pool;
    the scores of the positions are averaged (fully convolutional testing, 1812.03982, Sec. 4).

    Args:
        dims: channels of each pathway.
        pool_sizes: what each pathway is averaged over, at stride 1; None: the whole clip,
            whatever its size.
        act: "softmax", "sigmoid" or "none"; applied in eval mode, before positions are averaged.
        detach: no gradient goes below the classifier (linear probing).

    Shape: P tensors (N, C_p, T_p, H, W) -> (N, num_classes); logits while training,
    scores in eval mode.
    """

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        pool_sizes: Sequence[Size | None],
        *,
        dropout: float = 0.5,
        act: str = "softmax",
        detach: bool = False,
    ) -> None:
        super().__init__()
        self.pool_sizes = tuple(pool_sizes)
        self.detach = detach
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(sum(dims), num_classes)
        self.act = head_act(act)

    def forward(self, xs: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        pooled = [
            average(x, size, pathway=p)
            for p, (x, size) in enumerate(zip(xs, self.pool_sizes, strict=True))
        ]
        check_same_positions(pooled)
        x = torch.cat(pooled, dim=1).permute(0, 2, 3, 4, 1)  # N T H W C
        x = self.dropout(x)
        if self.detach:
            x = x.detach()
        x = self.projection(x)
        if not self.training:
            x = self.act(x)
        return x.mean(dim=(1, 2, 3))


class X3DHead(nn.Module):
    """Expand, average-pool, project to `dim_out`, classify (X3D, 2004.04730, Table 1).

    Args:
        pool_size: as in `ResNetHead`, with its fully convolutional testing.
        bn_lin5: a norm after the projection.
        pool_boxes: classify boxes: (N, C, T, H, W) and boxes -> (M, C), in place of the average.
            The weights keep names and shapes, so that those learned on whole clips load. As in
            all detection, `act` is applied while training too.

    Shape: [(N, dim_in, T, H, W)] -> (N, num_classes), or (M, num_classes) with `pool_boxes`.
    """

    def __init__(
        self,
        dim_in: int,
        dim_inner: int,
        dim_out: int,
        num_classes: int,
        pool_size: Size | None,
        *,
        dropout: float = 0.5,
        act: str = "softmax",
        detach: bool = False,
        bn_lin5: bool = False,
        norm: Norm = nn.BatchNorm3d,
        pool_boxes: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.pool_size, self.detach, self.pool = pool_size, detach, pool_boxes
        # The attribute names are keys of published checkpoints.
        self.conv_5 = nn.Conv3d(dim_in, dim_inner, 1, bias=False)
        self.conv_5_bn = norm(dim_inner)
        self.conv_5_relu = nn.ReLU(inplace=True)
        self.lin_5 = nn.Conv3d(dim_inner, dim_out, 1, bias=False)
        self.lin_5_bn = norm(dim_out) if bn_lin5 else nn.Identity()
        self.lin_5_relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(dim_out, num_classes)
        self.act = head_act(act)

    def forward(self, xs: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        (x,) = xs
        x = self.conv_5_relu(self.conv_5_bn(self.conv_5(x)))
        if self.pool is None:
            x = average(x, self.pool_size)
        else:
            x = self.pool(x, boxes)[:, :, None, None, None]  # M C 1 1 1
        x = self.lin_5_relu(self.lin_5_bn(self.lin_5(x))).permute(0, 2, 3, 4, 1)  # N T H W C
        x = self.dropout(x)
        if self.detach:
            x = x.detach()
        x = self.projection(x)
        if self.pool is not None or not self.training:
            x = self.act(x)
        return x.mean(dim=(1, 2, 3))


class TransformerHead(nn.Module):
    """Classify one vector a clip: the class token, or the mean of all tokens.

    Args:
        act: "softmax", "sigmoid" or "none"; applied in eval mode.
        detach: no gradient goes below the classifier (linear probing).

    Shape: (N, dim) -> (N, num_classes); logits while training, scores in eval mode.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        *,
        dropout: float = 0.5,
        act: str = "softmax",
        detach: bool = False,
    ) -> None:
        super().__init__()
        self.detach = detach
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(dim, num_classes)
        self.act = head_act(act)

    def forward(self, x: Tensor, boxes: Tensor | None = None) -> Tensor:
        x = self.dropout(x)
        if self.detach:
            x = x.detach()
        x = self.projection(x)
        return x if self.training else self.act(x)


def check_num_classes(value: object) -> None:
    """Raise ValueError if a head cannot have so many classes."""
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if isinstance(value, bool) or count < 1:
        raise ValueError(
            f"num_classes (MODEL.NUM_CLASSES) is {value!r}, expected a whole number from 1"
        )


def head_act(name: str) -> nn.Module:
    """The module that MODEL.HEAD_ACT `name` stands for; it acts on the last dimension."""
    if name not in HEAD_ACTS:
        raise ValueError(f"MODEL.HEAD_ACT is {name!r}; use one of {', '.join(HEAD_ACTS)}")
    if name == "softmax":
        return nn.Softmax(dim=-1)
    return nn.Sigmoid() if name == "sigmoid" else nn.Identity()


def average(x: Tensor, size: Size | None, *, pathway: int = 0) -> Tensor:
    """Mean of x (N, C, T, H, W) over windows of `size` at stride 1, or over everything."""
    found = tuple(x.shape[2:])
    if size is None or found == size:
        return x.mean(dim=(2, 3, 4), keepdim=True)
    if any(have < need for have, need in zip(found, size, strict=True)):
        raise ValueError(
            f"the head of this network averages {_show(size)} features (T x H x W) of pathway "
            f"{pathway}, but the clip left only {_show(found)}; use larger clips, or build the "
            "network for smaller ones (DATA.NUM_FRAMES, DATA.TRAIN_CROP_SIZE)"
        )
    return F.avg_pool3d(x.float(), size, stride=1).to(x.dtype)  # CPUs have no bfloat16 kernel


def check_same_positions(pooled: Sequence[Tensor]) -> None:
    first = pooled[0].shape[2:]
    for p, x in enumerate(pooled):
        if x.shape[2:] != first:
            raise ValueError(
                f"after the head's pool pathway 0 has {_show(first)} positions (T x H x W) and "
                f"pathway {p} has {_show(x.shape[2:])}; clips of two pathways must have the "
                "number of frames the network was built for (DATA.NUM_FRAMES)"
            )


def _show(size: Sequence[int]) -> str:
    return "x".join(str(n) for n in size)
