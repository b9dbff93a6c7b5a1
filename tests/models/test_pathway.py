"""Mirrors slowfast/models/pathway.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from slowfast.models.pathway import BlockOptions, Pathway
from slowfast.models.temporal_kernels import C2D, SLOW
from slowfast.models.video_resnet import VideoResNet, classifier


@pytest.mark.parametrize("crop", [32, 48, 65, 100])
@pytest.mark.parametrize("strides", [(1, 2, 2, 2), (1, 2, 2, 1)])
def test_feature_size_is_what_s5_puts_out(crop: int, strides: tuple[int, ...]) -> None:
    path = Pathway(C2D, (1, 1, 1, 1), width=8, strides=strides, time_pool=2)
    net = classifier([path], num_frames=5, crop_size=crop)
    seen = []
    net.s5.register_forward_hook(lambda module, args, out: seen.append(out[0].shape[2:]))
    assert net([torch.rand(2, 3, 5, crop, crop)]).shape == (2, 400)
    assert tuple(seen[0]) == path.feature_size(5, crop)


@pytest.mark.parametrize("frames", [1, 5, 8])
@pytest.mark.parametrize("stem_pool", [False, True])
def test_feature_size_with_strides_in_time(frames: int, stem_pool: bool) -> None:
    path = Pathway(SLOW, (1, 1, 1, 1), width=8, time_strides=(1, 2, 2, 2), stem_pool=stem_pool)
    net = classifier([path], num_frames=frames, crop_size=48)
    seen = []
    net.s5.register_forward_hook(lambda module, args, out: seen.append(out[0].shape[2:]))
    assert net.eval()([torch.rand(1, 3, frames, 48, 48)]).shape == (1, 400)
    assert tuple(seen[0]) == path.feature_size(frames, 48)
    assert path.stride == (32 if stem_pool else 16)


def test_a_stem_without_a_pool_has_no_stride_of_it() -> None:
    Pathway(SLOW, stem_time_strides=(2, 1), stem_pool=False)
    with pytest.raises(ValueError, match=r"STEM_TIME_STRIDES is \[1, 2\].*second number must be 1"):
        Pathway(SLOW, stem_time_strides=(1, 2), stem_pool=False)


def test_widths_double_from_stage_to_stage() -> None:
    path = Pathway(SLOW, width=64, groups=2)
    assert [path.dim_out(s) for s in range(1, 6)] == [64, 256, 512, 1024, 2048]
    assert [path.stage(s).dim_inner for s in range(2, 6)] == [128, 256, 512, 1024]


def test_dilation_keeps_the_size() -> None:
    path = Pathway(SLOW, (1, 1, 1, 2), width=8, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    net = classifier([path], num_frames=2, crop_size=64)
    assert net.s5.pathway0_res1.branch2.b.dilation == (1, 2, 2)
    assert path.feature_size(2, 64) == (2, 4, 4)
    assert net([torch.rand(1, 3, 2, 64, 64)]).shape == (1, 400)


def test_nonlocal_block_beyond_the_stage() -> None:
    path = Pathway(SLOW, (1, 2, 1, 1), nonlocal_after=((), (1, 3), (), ()))
    with pytest.raises(ValueError, match="follow block 3 of s3, which has only 2 blocks"):
        path.stage(3)


def test_too_few_frames_to_pool(tiny_resnet: Callable[..., VideoResNet]) -> None:
    with pytest.raises(ValueError, match="pools 2 frames into one"):
        tiny_resnet("c2d", num_frames=1)


def test_unknown_block() -> None:
    with pytest.raises(ValueError, match=r"TRANS_FUNC is 'x'; use one of bottleneck_transform"):
        BlockOptions(kind="x")


def test_only_bottlenecks_have_their_time_in_b() -> None:
    with pytest.raises(ValueError, match=r"TRANS_FUNC is 'basic_transform'.*'bottleneck_"):
        BlockOptions(kind="basic_transform", time_conv="split_b")


def test_s5_at_the_resolution_of_s4() -> None:
    """As detection has it: half the stride, and dilation instead."""
    pathway = Pathway(SLOW)
    assert pathway.stride == 32
    kept = pathway.keeping_s4()
    assert kept.stride == 16
    assert (kept.strides, kept.dilations) == ((1, 2, 2, 1), (1, 1, 1, 2))
    assert kept.feature_size(4, 224) == (4, 14, 14)
