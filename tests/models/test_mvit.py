"""Mirrors slowfast/models/mvit.py; the recipes' numbers are in test_contract.py."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from fvcore.common.config import CfgNode
from torch import nn

from slowfast.config import load_cfg
from slowfast.models import build_model, count_cost, example_input
from slowfast.models.memory_layout import channels_last
from slowfast.models.mvit import MViT, mvit
from slowfast.models.roi_head import RoIOptions
from slowfast.ops.drop_path import DropPath
from slowfast.ops.pos_embed import sincos_volume

STAGES = {
    "depth": 3,
    "dim": 16,
    "dim_mul": [(1, 2.0)],
    "head_mul": [(1, 2.0)],
    "pool_kernel": (3, 3, 3),
    "pool_kv_stride_adaptive": (1, 2, 2),
}
V1 = {**STAGES, "pool_q_stride": [(1, 1, 2, 2)], "separate_positions": True}
V2 = {
    **STAGES,
    "pool_q_stride": [(0, 1, 1, 1), (1, 1, 2, 2)],
    "dim_mul_in_attention": True,
    "absolute_positions": False,
    "relative_positions": "space_time",
    "residual_pooling": True,
}
IMAGE = {
    **V2,
    "num_frames": 1,
    "patch_kernel": (7, 7),
    "patch_stride": (4, 4),
    "patch_padding": (3, 3),
    "relative_positions": "space",
    "class_token": False,
}
VIT = {
    "depth": 2,
    "dim": 16,
    "heads": 2,
    "patch_kernel": (2, 8, 8),
    "patch_stride": (2, 8, 8),
    "patch_padding": (0, 0, 0),
    "mean_pooling": True,
}
KINDS = {"v1": V1, "v2": V2, "image": IMAGE, "vit": VIT}


def small(kind: str = "v2", **changes: Any) -> MViT:
    torch.manual_seed(0)
    shared = {"num_classes": 5, "num_frames": 4, "crop_size": 32, "dropout": 0.0, "drop_path": 0.0}
    return mvit(**{**shared, **KINDS[kind], **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_training_and_eval(kind: str) -> None:
    net = small(kind, drop_path=0.5, dropout=0.5)
    logits = net(example_input(net, batch=2))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []
    scores = net.eval()(example_input(net, batch=2))
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "training"),
    [
        ("v2", True),
        *(pytest.param(kind, True, marks=SLOW) for kind in KINDS if kind != "v2"),
        *(pytest.param(kind, False, marks=SLOW) for kind in KINDS),
    ],
)
def test_compiles_without_graph_breaks(kind: str, training: bool) -> None:
    torch.compiler.reset()  # other tests have compiled other networks
    net = small(kind, depth=2).train(training)
    clips = example_input(net, batch=2)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(clips), net(clips))


@pytest.mark.slow  # by default tests/export traces one of them, with any number of clips
@pytest.mark.parametrize("kind", KINDS)
def test_exports(kind: str) -> None:
    net = small(kind, depth=2).eval()
    clips = example_input(net, batch=2)
    exported = torch.export.export(net, (clips,), strict=False)
    torch.testing.assert_close(exported.module()(clips), net(clips))


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_and_autocast(kind: str) -> None:
    net = small(kind)
    clips = example_input(net, batch=2)
    expected = net(clips)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(clips)
    torch.testing.assert_close(mixed.float(), expected, rtol=0.1, atol=0.02)
    mixed.float().sum().backward()
    pure = copy.deepcopy(net).bfloat16()([clip.bfloat16() for clip in clips])
    assert pure.dtype == torch.bfloat16
    torch.testing.assert_close(pure.float(), expected, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_channels_last(kind: str) -> None:
    net = small(kind).eval()
    clips = example_input(net, batch=2)
    expected = net(clips)
    clips = [clip.to(memory_format=torch.channels_last_3d) for clip in clips]
    torch.testing.assert_close(channels_last(net)(clips), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_other_sizes(kind: str) -> None:
    """Larger, smaller and longer; positions are interpolated."""
    net = small(kind).eval()
    for size in (24, 48, 72):
        assert net(example_input(net, size=size)).shape == (1, 5)
    if kind != "image":
        assert net([torch.rand(1, 3, 8, 40, 32)]).shape == (1, 5)
    with pytest.raises(ValueError, match=r"smaller than a patch|expected \(N, 3, T, H, W\)"):
        net([torch.rand(1, 3, 1, 0, 0)])


def test_positions_move_with_the_clip() -> None:
    """A network for 32 pixels on 64 agrees with one built for 64 that got its weights resized."""
    net, large = small("vit").eval(), small("vit", crop_size=64).eval()
    state = net.state_dict()
    embed = state["pos_embed"]
    volume = embed[:, 1:].transpose(1, 2).unflatten(2, (2, 4, 4))
    resized = nn.functional.interpolate(volume, (2, 8, 8), mode="trilinear")
    state["pos_embed"] = torch.cat([embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)
    large.load_state_dict(state)
    clips = example_input(large)
    torch.testing.assert_close(net(clips), large(clips))


def test_images_with_and_without_time() -> None:
    net = small("image").eval()
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(net([image]), net([image.unsqueeze(2)]))
    with pytest.raises(ValueError, match="got one tensor"):
        net(image)
    with pytest.raises(ValueError, match=r"clips of one frame; got 4 frames"):
        net([torch.rand(1, 3, 4, 32, 32)])
    with pytest.raises(ValueError, match=r"DATA\.NUM_FRAMES is 4, but MVIT\.PATCH_2D True"):
        small("image", num_frames=4)


def test_initial_weights() -> None:
    net = small("v2", absolute_positions=True, head_init_scale=0.5)
    fc1 = net.blocks[0].mlp.fc1
    assert fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert (fc1.bias == 0.02).all()
    assert (net.norm.bias == 0.02).all()
    assert (net.norm.weight == 1).all()
    assert (net.head.projection.bias == 0.01).all()
    assert net.head.projection.weight.std().item() == pytest.approx(0.01, rel=0.2)
    for tensor in (net.cls_token, net.pos_embed, net.blocks[1].attn.rel_pos_h):
        assert 0.01 < tensor.std().item() < 0.03


def test_drop_path_rates_and_dropout() -> None:
    net = small("v1", drop_path=0.2, dropout=0.3)
    rates = [m.rate for m in net.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.1, 0.2]), "none in the first block"
    assert net.head.dropout.p == 0.3


@pytest.mark.parametrize("kind", ["v2", "image"])
def test_features_are_a_volume(kind: str) -> None:
    net = small(kind).eval()
    clips = example_input(net, batch=2)
    volume = net.features(clips)
    assert volume.shape == ((2, 32, 2, 4, 4) if kind == "v2" else (2, 32, 1, 4, 4))
    tokens, grid = net.tokens(clips)
    assert grid == volume.shape[2:]
    last = net.norm(tokens)[:, -1]
    torch.testing.assert_close(volume[..., -1, -1, -1], last)


@pytest.mark.parametrize("training", [False, True])
def test_boxes_are_classified(training: bool) -> None:
    """Patches of 4 pixels and one stride of 2: features are 8 pixels apart."""
    net = small("v2", detection=RoIOptions(stride=8), head_act="sigmoid").train(training)
    clips = example_input(net, batch=2)
    boxes = torch.tensor([[1.0, 0, 0, 32, 32], [0, 4, 4, 20, 28], [1, 0, 0, 32, 32]])
    scores = net(clips, boxes)
    assert scores.shape == (3, 5)
    torch.testing.assert_close(scores[0], scores[2])
    torch.testing.assert_close(scores, net.head([net.features(clips)], boxes))
    with pytest.raises(ValueError, match=r"call net\(pathways, boxes\)"):
        net(clips)


def test_features_that_are_not_where_boxes_expect_them(caplog: pytest.LogCaptureFixture) -> None:
    small("v2", detection=RoIOptions(stride=16))
    assert "are 8 pixels apart" in caplog.text


def test_what_the_head_sees() -> None:
    clips = [torch.rand(1, 3, 4, 32, 32)]
    for changes in ({}, {"class_token": False}, {"mean_pooling": True}):
        net = small("v1", head_act="none", **changes).eval()
        x, _ = net.tokens(clips)
        if not changes:
            seen = net.norm(x)[:, 0]
        elif "mean_pooling" in changes:
            seen = net.norm(x[:, 1:].mean(dim=1))
        else:
            seen = net.norm(x).mean(dim=1)
        torch.testing.assert_close(net(clips), net.head.projection(seen))


def test_fixed_positions_are_not_learned() -> None:
    net = small("vit", fixed_positions=True)
    assert not net.pos_embed.requires_grad
    torch.testing.assert_close(net.pos_embed[0, 1:], sincos_volume(net.grid, 16))
    separate = small("v1", fixed_positions=True)
    assert not separate.pos_embed_spatial.requires_grad
    assert separate.pos_embed_temporal.abs().sum() > 0


def test_layers_and_positions_for_the_optimizer() -> None:
    net = small("v2")
    assert net.num_layers == 4
    assert [net.layer_of(n) for n in ("cls_token", "patch_embed.proj.bias")] == [0, 0]
    assert net.layer_of("blocks.2.attn.qkv.weight") == 3
    assert net.layer_of("norm.weight") == net.layer_of("head.projection.bias") == 4
    assert net.position_names == ("cls_token", "rel_pos_h", "rel_pos_t", "rel_pos_w")


def test_recomputing_activations_changes_no_gradient() -> None:
    first, second = small("v2"), small("v2", recompute=True)
    clips = example_input(first, batch=2)
    for net in (first, second):
        net(clips).square().sum().backward()
    for (name, p), q in zip(first.named_parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_detached_classifier() -> None:
    net = small("vit")
    net.head.detach = True
    net(example_input(net, batch=2)).sum().backward()
    with_gradient = [name for name, p in net.named_parameters() if p.grad is not None]
    assert with_gradient == ["head.projection.weight", "head.projection.bias"]


def test_costs_are_counted() -> None:
    net = small("v2").eval()
    cost = count_cost(net, example_input(net))
    assert set(cost.by_operator) == {"conv", "linear", "matmul"}
    assert cost.by_module["head"] == pytest.approx(5 * 32 / 1e9)


def recipe(configs: Path, *changes: Any, name: str = "Kinetics/MVITv2_S_16x4") -> CfgNode:
    cfg = load_cfg(configs / f"{name}.yaml", ["NUM_GPUS", 1]).clone()
    cfg.defrost()
    cfg.merge_from_list(list(changes))
    return cfg


def built(cfg: CfgNode) -> MViT:
    with torch.device("meta"):
        net = build_model(cfg)
    assert isinstance(net, MViT)
    return net


def test_every_key_reaches_the_network(configs: Path) -> None:
    changes = {
        "MVIT.DROPOUT_RATE": 0.2,
        "MVIT.NORM_STEM": True,
        "MVIT.LAYER_SCALE_INIT_VALUE": 0.1,
        "MVIT.SEPARATE_QKV": True,
        "MVIT.QKV_BIAS": False,
        "MVIT.MLP_RATIO": 2.0,
        "MVIT.MODE": "avg",
        "MVIT.USE_ABS_POS": True,
        "MVIT.SEP_POS_EMBED": True,
        "MODEL.DETACH_FINAL_FC": True,
        "MODEL.HEAD_ACT": "sigmoid",
    }
    net = built(recipe(configs, *(part for pair in changes.items() for part in pair)))
    keys = set(net.state_dict())
    assert {"norm_stem.weight", "blocks.0.gamma_1", "blocks.0.attn.q.weight"} < keys
    assert {"pos_embed_spatial", "pos_embed_temporal", "pos_embed_class"} < keys
    assert not keys & {"blocks.0.attn.q.bias", "blocks.0.attn.norm_q.weight", "pos_embed"}
    assert net.blocks[0].mlp.fc1.out_features == 192
    assert net.blocks[0].attn.proj_drop.p == net.blocks[0].mlp.drop.p == net.pos_drop.p == 0.2
    assert net.head.detach
    assert isinstance(net.head.act, nn.Sigmoid)


def test_relative_positions_may_start_at_zero(configs: Path) -> None:
    cfg = recipe(
        configs, "MVIT.REL_POS_ZERO_INIT", True, "MVIT.DEPTH", 1, "MVIT.DIM_MUL", [],
        "MVIT.HEAD_MUL", [], "MVIT.POOL_Q_STRIDE", [], "DATA.TRAIN_CROP_SIZE", 32,
    )  # fmt: skip
    attention = build_model(cfg).blocks[0].attn
    assert (attention.rel_pos_h == 0).all()
    assert (attention.rel_pos_t == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("MODEL.ARCH", "slowfast"), r"'MViT' has one pathway, but MODEL\.ARCH is 'slowfast'"),
        (("MVIT.DEPTH", 8), r"MVIT\.DIM_MUL has a row \[14, 2\.0\] for block 14, .* 0 to 7"),
        (("MVIT.NUM_HEADS", 7), "has 96 channels for 7 heads, which must divide them"),
        (("MVIT.PATCH_2D", True), r"PATCH_KERNEL is \[3, 7, 7\], but .* it has 2 numbers"),
        (("MODEL.HEAD_ACT", "tanh"), r"MODEL\.HEAD_ACT is 'tanh'"),
        (("MVIT.USE_ABS_POS", True, "MVIT.USE_FIXED_SINCOS_POS", True, "MVIT.EMBED_DIM", 99),
         r"MVIT\.EMBED_DIM \(99\) must be a multiple of 16"),
    ],
)  # fmt: skip
def test_configs_that_contradict_themselves(
    changes: tuple[Any, ...], message: str, configs: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        built(recipe(configs, *changes))


def test_relative_positions_have_a_name() -> None:
    with pytest.raises(ValueError, match="relative_positions is 'time'; use none, space, space_t"):
        small("v2", relative_positions="time")
