"""The transformers of the zoo: keyword arguments of `slowfast.models.mvit.mvit` by name."""

from __future__ import annotations

from typing import Any

from slowfast.models.mvit_options import ReversibleOptions

Settings = dict[str, Any]

VIDEO_PATCHES: Settings = {"pool_kernel": (3, 3, 3), "pool_kv_stride_adaptive": (1, 8, 8)}
IMAGES: Settings = {"num_classes": 1000, "num_frames": 1, "dropout": 0.0}
IMAGE_PATCHES: Settings = {
    **IMAGES,
    "patch_kernel": (7, 7),
    "patch_stride": (4, 4),
    "patch_padding": (3, 3),
    "pool_kernel": (1, 3, 3),
    "pool_kv_stride_adaptive": (1, 4, 4),
}
VIT_IMAGE_PATCHES: Settings = {
    **IMAGES,
    "patch_kernel": (16, 16),
    "patch_stride": (16, 16),
    "patch_padding": (0, 0),
}
VIT_VIDEO_PATCHES: Settings = {
    "patch_kernel": (2, 16, 16),
    "patch_stride": (2, 16, 16),
    "patch_padding": (0, 0, 0),
}


def transformers() -> dict[str, Settings]:
    return {**_mvit_v1(), **_mvit_v2(), **_reversible(), **_vit()}


def _stages(depth: int, *starts: int, everywhere: bool = False) -> Settings:
    """Blocks that halve the resolution and double the channels.

    Args:
        everywhere: all the other blocks pool their queries too, at stride 1 (MViT v2).
    """
    pooled = range(depth) if everywhere else starts
    return {
        "depth": depth,
        "dim_mul": [(block, 2.0) for block in starts],
        "head_mul": [(block, 2.0) for block in starts],
        "pool_q_stride": [(b, 1, 2, 2) if b in starts else (b, 1, 1, 1) for b in pooled],
    }


def _mvit_v1() -> dict[str, Settings]:
    """2104.11227; the public 32x3 has 24 blocks and kernels that follow the strides."""
    video = {**VIDEO_PATCHES, "separate_positions": True}
    return {
        "mvit_v1_b_16x4": {**video, **_stages(16, 1, 3, 14), "drop_path": 0.2},
        "mvit_v1_b_32x3": {
            **video,
            **_stages(24, 2, 5, 21),
            "num_frames": 32,
            "pool_kernel": None,
            "drop_path": 0.3,
        },
        "mvit_v1_b_in1k": {**IMAGE_PATCHES, **_stages(16, 1, 3, 14)},
    }


def _mvit_v2() -> dict[str, Settings]:
    """2112.01526, Table 1."""
    tiny = _stages(10, 1, 3, 8, everywhere=True)
    small = _stages(16, 1, 3, 14, everywhere=True)
    base = _stages(24, 2, 5, 21, everywhere=True)
    large = {**_stages(48, 2, 8, 44, everywhere=True), "dim": 144, "heads": 2}
    shared = {
        "dim_mul_in_attention": True,
        "absolute_positions": False,
        "residual_pooling": True,
    }
    video = {**shared, **VIDEO_PATCHES, "relative_positions": "space_time"}
    image = {**shared, **IMAGE_PATCHES, "relative_positions": "space", "class_token": False}
    return {
        "mvit_v2_s_16x4": {**video, **small, "drop_path": 0.2},
        "mvit_v2_b_32x3": {**video, **base, "num_frames": 32, "drop_path": 0.3},
        "mvit_v2_l_40x3": {
            **video,
            **large,
            "num_frames": 40,
            "crop_size": 312,
            "drop_path": 0.75,
            "recompute": True,
        },
        "mvit_v2_t_in1k": {**image, **tiny},
        "mvit_v2_s_in1k": {**image, **small},
        "mvit_v2_b_in1k": {**image, **base, "drop_path": 0.3},
    }


def _reversible() -> dict[str, Settings]:
    """2302.04869, Tables 1 and 2."""
    vit = {
        **VIT_IMAGE_PATCHES,
        "depth": 12,
        "separate_qkv": True,
        "class_token": False,
        "reversible": ReversibleOptions(),
    }
    mvit = {**_stages(16, 1, 3, 14), "class_token": False}
    return {
        "rev_vit_s": {**vit, "dim": 384, "heads": 6},
        "rev_vit_b": {**vit, "dim": 768, "heads": 12, "drop_path": 0.2},
        "rev_mvit_b_in1k": {
            **IMAGE_PATCHES,
            **mvit,
            "separate_qkv": True,
            "reversible": ReversibleOptions((1, 3, 14), before_transition="concat_linear_2"),
        },
        "rev_mvit_b_16x4": {
            **VIDEO_PATCHES,
            **mvit,
            "separate_positions": True,
            "qkv_bias": False,
            "drop_path": 0.05,
            "reversible": ReversibleOptions((1, 3, 14)),
        },
    }


def _vit() -> dict[str, Settings]:
    """2010.11929, Table 1, as the recipes that fine-tune them build them."""
    shared = {"mean_pooling": True, "head_init_scale": 0.001}
    video = {**shared, **VIT_VIDEO_PATCHES, "separate_positions": True}
    image = {**shared, **VIT_IMAGE_PATCHES}
    base = {"depth": 12, "dim": 768, "heads": 12}
    large = {"depth": 24, "dim": 1024, "heads": 16}
    huge = {"depth": 32, "dim": 1280, "heads": 16}
    return {
        "vit_b_16x4": {**video, **base, "dropout": 0.3},
        "vit_l_16x4": {**video, **large, "dropout": 0.3, "drop_path": 0.2},
        "vit_h_16x4": {**video, **huge, "drop_path": 0.2},
        "vit_b_in1k": {**image, **base},
        "vit_l_in1k": {**image, **large},
    }
