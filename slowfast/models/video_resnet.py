"""The five-stage network that C2D, I3D, Slow-only, Fast-only and SlowFast are settings of.

SlowFast (Feichtenhofer et al., 1812.03982) is two ResNets: a Slow pathway with few frames and
many channels, and a Fast pathway with `alpha` times the frames and `1 / beta_inv` of the
channels. After each of the first four stages a lateral connection strides the Fast features
down in time and concatenates them to the Slow ones. With one pathway and no lateral
connections, the same five stages are a plain 3D ResNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from slowfast.models.heads import ResNetHead, Size, check_num_classes
from slowfast.models.input_spec import InputSpec
from slowfast.models.lateral import Lateral
from slowfast.models.pathway import BlockOptions, Pathway
from slowfast.models.res_stage import ResStage
from slowfast.models.roi_head import RoIHead, RoIOptions
from slowfast.models.stem import ResNetStem, VideoStem
from slowfast.ops.init import init_resnet


@dataclass(frozen=True)
class HeadOptions:
    """The classifier, and how the weights start."""

    num_classes: int = 400
    dropout: float = 0.5
    act: str = "softmax"  # "softmax", "sigmoid" or "none"
    adaptive_pool: bool = False  # average whole clips of any size (short-cycle multigrid)
    detach: bool = False  # no gradient below the classifier
    fc_init_std: float = 0.01
    zero_init_final_bn: bool = True
    zero_init_final_conv: bool = False
    roi: RoIOptions | None = None  # classify boxes, not clips

    def __post_init__(self) -> None:
        check_num_classes(self.num_classes)


class VideoResNet(nn.Module):
    """Stem, four residual stages, head, over one or two pathways.

    Args:
        pathways: one for C2D, I3D, Slow-only and Fast-only; Slow then Fast for SlowFast.
        head: takes the list of last-stage features (and boxes, for detection).
        input_spec: the clips the head's pool fits.
        lateral: how Fast is fused into Slow after s1 to s4; None for one pathway.
        block: how the blocks are made.

    Shape: `pathways[p]` of a call is (N, in_channels, T_p, H, W); the result is the head's.

    Module names and their order are those of published checkpoints, so that they (weights and
    optimizer state, which is indexed by parameter order) load as they are.
    """

    def __init__(
        self,
        pathways: Sequence[Pathway],
        head: nn.Module,
        *,
        input_spec: InputSpec,
        lateral: Lateral | None = None,
        block: BlockOptions | None = None,
    ) -> None:
        super().__init__()
        if (len(pathways) == 2) != (lateral is not None):
            raise ValueError(
                f"{len(pathways)} pathway(s) with lateral={lateral}: two pathways need a Lateral, "
                "one pathway takes none"
            )
        self.input_spec, self.lateral = input_spec, lateral
        parts = (pathways, lateral, block or BlockOptions())
        self.s1 = _stems(pathways, parts[2])
        self.s1_fuse = _fuse(1, *parts)
        self.s2 = _stage(2, *parts)
        self.s2_fuse = _fuse(2, *parts)
        for p, path in enumerate(pathways):
            self.add_module(f"pathway{p}_pool", _time_pool(path.time_pool))
        self.s3 = _stage(3, *parts)
        self.s3_fuse = _fuse(3, *parts)
        self.s4 = _stage(4, *parts)
        self.s4_fuse = _fuse(4, *parts)
        self.s5 = _stage(5, *parts)
        self.head = head

    def forward(self, pathways: list[Tensor], boxes: Tensor | None = None) -> Tensor:
        self.input_spec.check(pathways, alpha=self.lateral.alpha if self.lateral else None)
        x = self.s1_fuse(self.s1(pathways))
        x = self.s2_fuse(self.s2(x))
        x = [getattr(self, f"pathway{p}_pool")(feature) for p, feature in enumerate(x)]
        x = self.s3_fuse(self.s3(x))
        x = self.s4_fuse(self.s4(x))
        x = self.s5(x)
        return self.head(x, boxes)


def _time_pool(kernel: int) -> nn.Module:
    # A pool of one frame would copy the features, and costs 3 % of a small network's step.
    if kernel == 1:
        return nn.Identity()
    return nn.MaxPool3d((kernel, 1, 1), stride=(kernel, 1, 1))


def _stems(pathways: Sequence[Pathway], block: BlockOptions) -> VideoStem:
    stems = [
        ResNetStem(
            path.in_channels,
            path.width,
            path.kernels[0][0],
            time_strides=path.stem_time_strides,
            pool=path.stem_pool,
            norm=block.norm,
            inplace=block.inplace_relu,
        )
        for path in pathways
    ]
    return VideoStem(stems)


def _fuse(
    stage: int, pathways: Sequence[Pathway], lateral: Lateral | None, block: BlockOptions
) -> nn.Module:
    if lateral is None:
        return nn.Identity()
    dims = [path.dim_out(stage) for path in pathways]
    return lateral.connect(*dims, norm=block.norm, inplace=block.inplace_relu)


def _stage(
    stage: int, pathways: Sequence[Pathway], lateral: Lateral | None, block: BlockOptions
) -> ResStage:
    specs = [path.stage(stage) for path in pathways]
    if lateral is not None:  # the Slow pathway reads the fused features
        slow, fast = specs
        specs[0] = replace(slow, dim_in=slow.dim_in + lateral.dim_added(fast.dim_in))
    return ResStage(
        specs,
        block.branch,
        norm=block.norm,
        nonlocal_kind=block.nonlocal_kind,
        inplace=block.inplace_relu,
        recompute=block.recompute,
    )


def _head(
    pathways: Sequence[Pathway], pools: Sequence[Size | None], head: HeadOptions
) -> nn.Module:
    dims = [path.dim_out(5) for path in pathways]
    options: dict[str, Any] = {"dropout": head.dropout, "act": head.act, "detach": head.detach}
    if head.roi is not None:
        for path in pathways:
            head.roi.compare(path.stride)
        return RoIHead(dims, head.num_classes, head.roi, **options)
    return ResNetHead(dims, head.num_classes, pools, **options)


def classifier(
    pathways: Sequence[Pathway],
    *,
    num_frames: int,
    crop_size: int,
    lateral: Lateral | None = None,
    block: BlockOptions | None = None,
    head: HeadOptions | None = None,
) -> VideoResNet:
    """A VideoResNet with the head that `head` describes and its initial weights.

    Args:
        num_frames: frames of the clip, those of the Fast pathway for SlowFast.
        crop_size: height and width of the clip, pixels; the head averages over as much.
    """
    head = head or HeadOptions()
    alpha = lateral.alpha if lateral else 1
    if num_frames % alpha:
        raise ValueError(
            f"DATA.NUM_FRAMES ({num_frames}) must be a multiple of SLOWFAST.ALPHA ({alpha}): the "
            "Slow pathway takes NUM_FRAMES / ALPHA frames"
        )
    frames = (num_frames // alpha, num_frames) if lateral else (num_frames,)
    pools: list[Size | None] = [
        path.feature_size(t, crop_size) for path, t in zip(pathways, frames, strict=True)
    ]
    downscale = tuple(path.downscale for path in pathways)
    # Windows of pathways that see frames of different sizes do not move alike over larger clips.
    if head.adaptive_pool or len(set(downscale)) > 1:
        pools = [None] * len(pools)
    net = VideoResNet(
        pathways,
        _head(pathways, pools, head),
        input_spec=InputSpec(
            tuple(path.in_channels for path in pathways),
            frames,
            crop_size,
            downscale,
            boxes=head.roi is not None,
        ),
        lateral=lateral,
        block=block,
    )
    init_resnet(
        net,
        fc_std=head.fc_init_std,
        zero_init_final_bn=head.zero_init_final_bn,
        zero_init_final_conv=head.zero_init_final_conv,
    )
    return net
