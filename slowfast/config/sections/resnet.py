"""RESNET, NONLOCAL, SLOWFAST and X3D: the convolutional networks."""

from __future__ import annotations

from slowfast.config.schema import (
    Key,
    Section,
    above,
    at_least,
    empty_or,
    is_whole,
    numbers,
    per_stage,
)

STAGES = "four lists (s2 to s5) of one entry a pathway"
WHOLE = STAGES + ", each a whole number from 1"
RESNET = Section(
    "RESNET",
    "Residual networks in two and three dimensions (1512.03385).",
    (
        Key(
            "DEPTH",
            50,
            "Depth that sets the blocks of each stage: 18, 50 or 101.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "STAGE_DEPTHS",
            [],
            "Blocks of stages s2 to s5, for networks of another depth; empty: from DEPTH.",
            check=empty_or(lambda value: len(value) == 4 and all(map(is_whole, value))),
            rule="empty or four whole numbers from 1",
        ),
        Key(
            "TRANS_FUNC",
            "bottleneck_transform",
            "Residual branch of a block.",
            choices=("bottleneck_transform", "basic_transform", "x3d_transform"),
        ),
        Key("WIDTH_PER_GROUP", 64, "Channels of the first stage's bottleneck for each group.",
            at_least(1), "at least 1"),
        Key("STEM_TIME_STRIDES", [1, 1], "Strides in time of the first convolution and of its "
            "pool.", numbers(2, low=1), "two whole numbers from 1"),
        Key("NUM_GROUPS", 1, "Groups of the 3x3 convolutions.", at_least(1), "at least 1"),
        Key("STRIDE_1X1", False, "Stride in the first 1x1 convolution, not in the 3x3."),
        Key("INPLACE_RELU", True, "Let ReLU overwrite its input."),
        Key("ZERO_INIT_FINAL_BN", False, "Start each block's last norm at zero weight."),
        Key("ZERO_INIT_FINAL_CONV", False, "Start each block's last convolution at zero weight."),
        Key(
            "NUM_BLOCK_TEMP_KERNEL",
            [[3], [4], [6], [3]],
            "Blocks of each stage that keep the temporal kernel of ARCH; those after have 1. "
            "All of them keep it in csn and r2plus1d.",
            check=per_stage(is_whole),
            rule=WHOLE,
        ),
        Key(
            "SPATIAL_STRIDES",
            [[1], [2], [2], [2]],
            "Spatial stride of each stage; r2plus1d doubles that of s2, as its stem has no pool.",
            check=per_stage(is_whole),
            rule=WHOLE,
        ),
        Key(
            "SPATIAL_DILATIONS",
            [[1], [1], [1], [1]],
            "Spatial dilation of each stage.",
            check=per_stage(is_whole),
            rule=WHOLE,
        ),
    ),
)  # fmt: skip
NONLOCAL = Section(
    "NONLOCAL",
    "Non-local blocks (1711.07971).",
    (
        Key(
            "LOCATION",
            [[[]], [[]], [[]], [[]]],
            "Blocks, from 0, of each stage and pathway that a non-local block follows.",
            check=per_stage(numbers(low=0)),
            rule=STAGES + ", each a list of block numbers",
        ),
        Key(
            "GROUP",
            [[1], [1], [1], [1]],
            "Pieces that a clip is cut into over time before the block.",
            check=per_stage(is_whole),
            rule=WHOLE,
        ),
        Key(
            "INSTANTIATION",
            "dot_product",
            "How affinities are normalised.",
            choices=("dot_product", "softmax"),
        ),
        Key(
            "POOL",
            [[[1, 2, 2], [1, 2, 2]]] * 4,
            "Pooling of keys and values in time, height and width.",
            check=per_stage(numbers(3, low=1)),
            rule=STAGES + ", each three whole numbers",
        ),
    ),
)
SLOWFAST = Section(
    "SLOWFAST",
    "The two pathways and how they are fused (1812.03982, Sec. 3).",
    (
        Key("ALPHA", 8, "Fast frames per Slow frame (alpha).", at_least(1), "at least 1"),
        Key("BETA_INV", 8, "Slow channels per Fast channel (1 / beta).", at_least(1), "at least 1"),
        Key(
            "FUSION",
            "t-conv",
            "Connection from Fast to Slow (Sec. 3.4): a convolution strided in time; one frame "
            "of alpha; the channels of alpha frames as those of one (summed or not); or none.",
            choices=("t-conv", "t-sample", "ttoc-concat", "ttoc-sum", "none"),
        ),
        Key(
            "FAST_INPUT",
            "rgb",
            "What the Fast pathway sees (Table 5c): colours, colours at half the height and width, "
            "or, from gray-scale frames, brightness, its change since the last frame, or optical "
            "flow; DATA.INPUT_CHANNEL_NUM is [3, 3], or [3, 1], [3, 1] and [3, 2].",
            choices=("rgb", "half", "gray", "difference", "flow"),
        ),
        Key(
            "FUSION_CONV_CHANNEL_RATIO",
            2,
            "Fused channels per Fast channel.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "FUSION_KERNEL_SZ",
            5,
            "Temporal kernel of the lateral convolution, in Fast frames.",
            check=lambda value: value >= 1 and value % 2 == 1,
            rule="odd, so that the fused frames stay aligned",
        ),
    ),
)
X3D = Section(
    "X3D",
    "Expanded networks (2004.04730).",
    (
        Key("WIDTH_FACTOR", 1.0, "Multiplies the channels of all stages.", above(0), "above 0"),
        Key("DEPTH_FACTOR", 1.0, "Multiplies the blocks of all stages.", above(0), "above 0"),
        Key(
            "BOTTLENECK_FACTOR",
            1.0,
            "Inner channels of a block over its outer ones.",
            check=above(0),
            rule="above 0",
        ),
        Key("DIM_C1", 12, "Channels of the stem before widening.", at_least(1), "at least 1"),
        Key("DIM_C5", 2048, "Channels of the head's last layer.", at_least(1), "at least 1"),
        Key("SCALE_RES2", False, "Widen stage s2 too."),
        Key("BN_LIN5", False, "Batch norm before the head's last layer."),
        Key("CHANNELWISE_3x3x3", True, "One group a channel in the 3x3x3 convolutions."),
    ),
)
