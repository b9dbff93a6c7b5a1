"""The settings of a vision transformer, and how a config holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fvcore.common.config import CfgNode

from slowfast.log import LOGGER
from slowfast.models.mvit_plan import Growth, Pools
from slowfast.models.patch_embed import PatchSpec
from slowfast.ops.pooling_attention import EPS, AttentionOptions


@dataclass(frozen=True)
class Positions:
    """Absolute position embeddings.

    Args:
        absolute: there are some. separate: one for the place and one for the time, added.
        sincos: fixed sines and cosines, not learned.
    """

    absolute: bool = True
    separate: bool = False
    sincos: bool = False


@dataclass(frozen=True)
class ReversibleOptions:
    """How reversible stages are joined.

    Args:
        transitions: blocks that change the resolution or the channels: those keep their
            activations.
        before_transition: how the two streams become one before such a block, one of
            `rev_mvit.FUSIONS`.
        shortcut: what pools the shortcut of such a block: "conv" (the pool of the queries),
            "max" or "avg".
        at_end: how the streams become one after the last block: "concat", "add", "max" or "avg".
    """

    transitions: Sequence[int] = ()
    before_transition: str = "avg"
    shortcut: str = "conv"
    at_end: str = "concat"


@dataclass(frozen=True)
class TransformerOptions:
    """All that a vision transformer can be; the defaults are those of the config."""

    patch: PatchSpec = field(default_factory=PatchSpec)
    growth: Growth = field(default_factory=Growth)
    pools: Pools = field(default_factory=Pools)
    attention: AttentionOptions = field(default_factory=AttentionOptions)
    positions: Positions = field(default_factory=Positions)
    mlp_ratio: float = 4.0
    layer_scale: float = 0.0
    norm_stem: bool = False
    mean_pooling: bool = False  # the head sees the mean of the tokens; otherwise the class token
    zero_rel_pos: bool = False
    head_init_scale: float = 1.0
    recompute: bool = False  # activation checkpointing
    reversible: ReversibleOptions | None = None


def has_class_token_from_cfg(cfg: CfgNode) -> bool:
    if cfg.MVIT.REV.ENABLE and cfg.MVIT.CLS_EMBED_ON:
        # A published recipe says so, and its published weights have none.
        LOGGER.warning("MVIT.CLS_EMBED_ON is ignored: a reversible network has no class token")
        return False
    return bool(cfg.MVIT.CLS_EMBED_ON)


def transformer_options_from_cfg(cfg: CfgNode) -> TransformerOptions:
    keys = cfg.MVIT
    return TransformerOptions(
        patch=PatchSpec(keys.PATCH_KERNEL, keys.PATCH_STRIDE, keys.PATCH_PADDING, keys.PATCH_2D),
        growth=Growth(
            keys.DEPTH,
            keys.EMBED_DIM,
            keys.NUM_HEADS,
            keys.DIM_MUL,
            keys.HEAD_MUL,
            keys.DIM_MUL_IN_ATT,
            keys.DROPPATH_RATE,
        ),
        pools=Pools(
            keys.POOL_KVQ_KERNEL,
            keys.POOL_Q_STRIDE,
            keys.POOL_KV_STRIDE,
            keys.POOL_KV_STRIDE_ADAPTIVE,
        ),
        attention=AttentionOptions(
            mode=keys.MODE,
            pool_first=keys.POOL_FIRST,
            qkv_bias=keys.QKV_BIAS,
            separate_qkv=keys.SEPARATE_QKV,
            residual_pooling=keys.RESIDUAL_POOLING,
            rel_pos_spatial=keys.REL_POS_SPATIAL,
            rel_pos_temporal=keys.REL_POS_TEMPORAL,
            class_token=has_class_token_from_cfg(cfg),
            dropout=keys.DROPOUT_RATE,
            # That library leaves these norms at PyTorch's own epsilon.
            pool_eps=1e-5 if cfg.MODEL.MODEL_NAME == "PTVMViT" else EPS,
        ),
        positions=Positions(keys.USE_ABS_POS, keys.SEP_POS_EMBED, keys.USE_FIXED_SINCOS_POS),
        mlp_ratio=keys.MLP_RATIO,
        layer_scale=keys.LAYER_SCALE_INIT_VALUE,
        norm_stem=keys.NORM_STEM,
        mean_pooling=keys.USE_MEAN_POOLING,
        zero_rel_pos=keys.REL_POS_ZERO_INIT,
        head_init_scale=keys.HEAD_INIT_SCALE,
        recompute=cfg.MODEL.ACT_CHECKPOINT,
        reversible=reversible_options_from_cfg(cfg),
    )


def reversible_options_from_cfg(cfg: CfgNode) -> ReversibleOptions | None:
    keys = cfg.MVIT.REV
    if not keys.ENABLE:
        return None
    return ReversibleOptions(
        tuple(keys.BUFFER_LAYERS), keys.PRE_Q_FUSION, keys.RES_PATH, keys.RESPATH_FUSE
    )
