"""MVIT: multiscale and plain vision transformers, and their reversible form."""

from __future__ import annotations

from slowfast.config.schema import Key, Section, above, at_least, between, numbers, rows

STRIDES = "a list of [block, stride_t, stride_h, stride_w]"
MULTIPLIERS = "a list of [block, multiplier]"
KERNEL = "a list of numbers from 0, one a dimension"

PATCHES = (
    Key("PATCH_2D", False, "Patches of one frame (image input)."),
    Key("PATCH_KERNEL", [3, 7, 7], "Kernel of the patch embedding, time first.",
        numbers(low=1), "a list of numbers from 1, one a dimension"),
    Key("PATCH_STRIDE", [2, 4, 4], "Its stride.",
        numbers(low=1), "a list of numbers from 1, one a dimension"),
    Key("PATCH_PADDING", [2, 4, 4], "Its padding.", numbers(low=0), KERNEL),
    Key("CLS_EMBED_ON", True, "Add a class token."),
    Key("USE_ABS_POS", True, "Add absolute position embeddings."),
    Key("SEP_POS_EMBED", False, "Separate embeddings for time and space."),
    Key("USE_FIXED_SINCOS_POS", False, "Fixed sine and cosine embeddings instead of learned."),
    Key("REL_POS_SPATIAL", False, "Relative position embeddings in space."),
    Key("REL_POS_TEMPORAL", False, "Relative position embeddings in time."),
    Key("REL_POS_ZERO_INIT", False, "Start relative embeddings at zero."),
    Key("ZERO_DECAY_POS_CLS", True, "No weight decay on position embeddings and class token."),
)  # fmt: skip
BLOCKS = (
    Key("DEPTH", 16, "Transformer blocks.", at_least(1), "at least 1"),
    Key("EMBED_DIM", 96, "Channels of the first block.", at_least(1), "at least 1"),
    Key("NUM_HEADS", 1, "Attention heads of the first block.", at_least(1), "at least 1"),
    Key("MLP_RATIO", 4.0, "Hidden channels of an MLP over its input's.", above(0), "above 0"),
    Key("QKV_BIAS", True, "Bias in the query, key and value projections."),
    Key("SEPARATE_QKV", False, "Separate projections for query, key and value."),
    Key("NORM", "layernorm", "Normalisation of the blocks.", choices=("layernorm",)),
    Key("NORM_STEM", False, "Normalise after the patch embedding."),
    Key("DROPOUT_RATE", 0.0, "Dropout in the blocks.", between(0, 1), "from 0 to 1"),
    Key("DROPPATH_RATE", 0.1, "Probability of dropping the last block's branches; grows from 0 "
        "with depth.", between(0, 1), "from 0 to 1"),
    Key("LAYER_SCALE_INIT_VALUE", 0.0, "Initial factor of each branch (2103.17239); 0: none.",
        at_least(0), "at least 0"),
    Key("DIM_MUL", [], "Blocks at which channels grow, and the factor.",
        rows(width=2), MULTIPLIERS),
    Key("HEAD_MUL", [], "Blocks at which heads grow, and the factor.", rows(width=2), MULTIPLIERS),
    Key("DIM_MUL_IN_ATT", False, "Grow channels in the attention, not in the MLP (MViT v2)."),
    Key("HEAD_INIT_SCALE", 1.0, "Factor on the initial weights of the last layer.",
        at_least(0), "at least 0"),
    Key("USE_MEAN_POOLING", False, "Classify the mean of all tokens, not the class token."),
)  # fmt: skip
POOLING = (
    Key("MODE", "conv", "How queries, keys and values are pooled.",
        choices=("conv", "conv_unshared", "avg", "max")),
    Key("POOL_FIRST", False, "Pool before the projection."),
    Key("POOL_KVQ_KERNEL", None, "Pooling kernel in time, height and width; None: stride + 1.",
        numbers(3, low=1), "three numbers from 1 or None", kinds=(list,)),
    Key("POOL_Q_STRIDE", [], "Pooling stride of queries, for the blocks that have one.",
        rows(width=4), STRIDES),
    Key("POOL_KV_STRIDE", [], "Pooling stride of keys and values, for the blocks that have one.",
        rows(width=4), STRIDES),
    Key("POOL_KV_STRIDE_ADAPTIVE", None, "Stride of keys and values in the first block; halves "
        "as queries shrink; None: POOL_KV_STRIDE.",
        numbers(3, low=1), "three numbers from 1 or None", kinds=(list,)),
    Key("RESIDUAL_POOLING", False, "Add the pooled queries to the attention's output (MViT v2)."),
)  # fmt: skip
MVIT = Section(
    "MVIT",
    "Multiscale vision transformers (2104.11227, 2112.01526); without pooling, ViT.",
    (*PATCHES, *BLOCKS, *POOLING),
)
REV = Section(
    "MVIT.REV",
    "Reversible blocks, which need no stored activations (2302.04869).",
    (
        Key("ENABLE", False, "Use reversible blocks."),
        Key("RESPATH_FUSE", "concat", "How the two streams become one at the end.",
            choices=("concat", "add", "max", "avg")),
        Key("BUFFER_LAYERS", [], "Blocks that change resolution and keep their activations.",
            numbers(low=0), "a list of block numbers from 0"),
        Key("RES_PATH", "conv", "Pooling on the skip path of those blocks.",
            choices=("conv", "max", "avg")),
        Key("PRE_Q_FUSION", "avg", "How the streams become one before those blocks.",
            choices=("avg", "max", "add", "concat", "concat_linear", "concat_linear_2")),
    ),
)  # fmt: skip
