"""Mirrors slowfast/models/video_resnet.py."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
import torch
from torch import nn

from slowfast.models import example_input
from slowfast.models.pathway import BlockOptions, Pathway
from slowfast.models.temporal_kernels import FAST, SLOW
from slowfast.models.video_resnet import HeadOptions, VideoResNet, classifier
from slowfast.ops.init import init_resnet

Make = Callable[..., VideoResNet]


def test_top_level_parts_in_order(tiny_slowfast: Make) -> None:
    """Published checkpoints depend on these names and on this order."""
    net = tiny_slowfast()
    order = list(dict.fromkeys(name.split(".")[0] for name in net.state_dict()))
    assert order == [
        *("s1", "s1_fuse", "s2", "s2_fuse", "s3", "s3_fuse", "s4", "s4_fuse", "s5", "head")
    ]
    assert list(net.state_dict())[-2:] == ["head.projection.weight", "head.projection.bias"]


def test_fast_reaches_slow_and_never_the_other_way(tiny_slowfast: Make) -> None:
    net = tiny_slowfast().eval()
    slow, fast = example_input(net)
    kept: dict[str, list[torch.Tensor]] = {"fast": [], "slow": []}

    def keep(module: nn.Module, args: object, out: list[torch.Tensor]) -> None:
        kept["slow"].append(out[0])
        kept["fast"].append(out[1])

    net.s5.register_forward_hook(keep)
    for clips in ([slow, fast], [slow + 1, fast], [slow, fast + 1]):
        net(clips)
    base, other_slow, other_fast = kept["fast"]
    assert torch.equal(base, other_slow)
    assert not torch.equal(base, other_fast)
    assert not torch.equal(kept["slow"][0], kept["slow"][2])


def test_input_errors(tiny_slowfast: Make, tiny_resnet: Make) -> None:
    net = tiny_slowfast(alpha=4)
    slow, fast = example_input(net)
    for pathways, message in (
        (slow, "takes a list of tensors"),
        ([slow], "has 2 pathway(s), got 1 tensor(s)"),
        ([slow, fast[0]], "pathway 1: expected (N, 3, T, H, W), got (3, 8, 32, 32)"),
        ([slow[:, :2], fast], "pathway 0: expected (N, 3, T, H, W), got (1, 2, 2, 32, 32)"),
        ([fast, slow], "4 frames per Slow frame (SLOWFAST.ALPHA), got 8 Slow and 2 Fast"),
        ([slow[..., :16, :16], fast[..., :16, :16]], "left only"),
    ):
        if message == "left only":  # as large as one feature is the smallest there is
            net = tiny_slowfast(crop_size=64)
        with pytest.raises(ValueError, match=re.escape(message)):
            net(pathways)
    with pytest.raises(ValueError, match=re.escape("has 1 pathway(s), got 2")):
        tiny_resnet()([slow, fast])


def test_frames_must_be_a_multiple_of_alpha(tiny_slowfast: Make) -> None:
    with pytest.raises(ValueError, match=r"NUM_FRAMES \(10\) must be a multiple .* \(4\)"):
        tiny_slowfast(num_frames=10)


def test_two_pathways_need_a_lateral_connection() -> None:
    paths = [Pathway(SLOW), Pathway(FAST, width=8)]
    with pytest.raises(ValueError, match="two pathways need a Lateral"), torch.device("meta"):
        VideoResNet(paths, nn.Identity(), input_spec=None)


def test_weights_follow_the_seed_in_registration_order(tiny_slowfast: Make) -> None:
    """Whoever draws He weights in the order of the parameters gets the same network."""
    net = tiny_slowfast(nonlocal_after=((0,), (), (), ()))
    other = copy.deepcopy(net)
    state = torch.random.get_rng_state()
    init_resnet(net, zero_init_final_bn=True)
    torch.random.set_rng_state(state)
    with torch.no_grad():
        for name, p in other.named_parameters():
            if p.ndim == 5:
                fan_out = p.shape[0] * p[0, 0].numel()
                p.normal_(0, (2 / fan_out) ** 0.5)
            elif p.ndim == 2:
                p.normal_(0, 0.01)
            else:
                last = name.endswith(("c_bn.weight", "nonlocal0.bn.weight"))
                p.fill_(1.0 if name.endswith("bn.weight") and not last else 0.0)
    for (name, p), q in zip(net.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q), name


@pytest.mark.parametrize("block", ["bottleneck_transform", "basic_transform"])
@pytest.mark.parametrize("crop", [32, 48])
def test_training_logits_have_one_row_a_clip(block: str, crop: int, tiny_slowfast: Make) -> None:
    net = tiny_slowfast(block=block, crop_size=crop, stage_blocks=(1, 2, 1, 1))
    assert net.training
    logits = net(example_input(net, batch=3))
    assert logits.shape == (3, 5)
    logits.square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    assert without == []


def test_adaptive_pool_takes_other_sizes(tiny_slowfast: Make) -> None:
    net = tiny_slowfast(adaptive_pool=True)
    for size in (32, 48, 64):
        assert net(example_input(net, batch=2, size=size)).shape == (2, 5)


def test_inplace_relu_does_not_change_the_result() -> None:
    clip = torch.rand(2, 3, 2, 32, 32)
    logits = []
    for inplace in (True, False):
        torch.manual_seed(0)
        net = classifier(
            [Pathway(SLOW, (1, 1, 1, 1), width=8)],
            num_frames=2,
            crop_size=32,
            block=BlockOptions(inplace_relu=inplace),
            head=HeadOptions(num_classes=4, dropout=0.0),
        )
        assert {m.inplace for m in net.modules() if isinstance(m, nn.ReLU)} == {inplace}
        logits.append(net([clip]))
    assert torch.equal(*logits)


def test_it_exports(tiny_slowfast: Make) -> None:
    net = tiny_slowfast(nonlocal_after=((), (0,), (), ())).eval()
    clips = example_input(net, batch=2)
    exported = torch.export.export(net, (clips,), strict=False)
    torch.testing.assert_close(exported.module()(clips), net(clips))


def check_compiled(net: VideoResNet) -> None:
    clips = example_input(net, batch=2)
    expected = copy.deepcopy(net)(clips)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(clips), expected)


def test_it_compiles_without_graph_breaks(tiny_resnet: Make) -> None:
    check_compiled(tiny_resnet())


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_slowfast_compiles_without_graph_breaks(training: bool, tiny_slowfast: Make) -> None:
    check_compiled(tiny_slowfast(nonlocal_after=((), (0,), (), ())).train(training))


@pytest.mark.parametrize("training", [False, True])
def test_channels_last_and_bfloat16(training: bool, tiny_slowfast: Make) -> None:
    net = tiny_slowfast().train(training)
    clips = example_input(net, batch=2)
    expected = copy.deepcopy(net)(clips)
    last = copy.deepcopy(net).to(memory_format=torch.channels_last_3d)
    clips_last = [clip.to(memory_format=torch.channels_last_3d) for clip in clips]
    torch.testing.assert_close(last(clips_last), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(clips)
    torch.testing.assert_close(mixed.float(), expected, rtol=0.05, atol=0.05)
    pure = copy.deepcopy(last).bfloat16()([clip.bfloat16() for clip in clips_last])
    assert pure.dtype == torch.bfloat16
    assert pure.isfinite().all()
