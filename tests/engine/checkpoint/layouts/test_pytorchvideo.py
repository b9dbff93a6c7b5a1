"""Mirrors slowfast/engine/checkpoint/layouts/pytorchvideo.py, against that library's networks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytorchvideo.models import hub
from torch import Tensor, nn

from slowfast import create_model
from slowfast.config import load_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.layouts.detect import translate
from slowfast.engine.checkpoint.load import load_weights
from slowfast.models.build import build_model

ROOT = Path(__file__).parents[4]
MVIT = ROOT / "tests" / "parity" / "mvit_names.json.gz"
NETWORKS = {  # theirs -> ours, one of each kind of names
    "i3d_r50": "i3d_r50_8x8",
    "slowfast_r50": "slowfast_r50_8x8",
    "r2plus1d_r50": "r2plus1d_r50_16x4",
    "x3d_xs": "x3d_xs",
}
LARGE = {
    "slow_r50": "slow_r50_8x8",
    "c2d_r50": "c2d_r50_8x8",
    "csn_r101": "csn_r101_32x2",
    "x3d_s": "x3d_s",
    "slowfast_r101": "slowfast_r101_101_101_8x8",
    "slowfast_16x8_r101_50_50": "slowfast_r101_16x8",
    "x3d_m": "x3d_m",
    "x3d_l": "x3d_l",
}
SIZE = 64  # pixels; their heads are made for 160 and more


def theirs(name: str) -> nn.Module:
    """The hub's network with random weights; logits of clips of any size."""
    torch.manual_seed(2)
    net = getattr(hub, name)(pretrained=False)
    for module in list(net.modules()):
        for child, value in list(module.named_children()):
            if isinstance(value, nn.AvgPool3d):
                setattr(module, child, nn.AdaptiveAvgPool3d(1))
            elif isinstance(value, nn.Softmax):
                setattr(module, child, nn.Identity())
    return net


def ours(name: str) -> nn.Module:
    return create_model(name, adaptive_pool=True, head_act="none").eval()


def clips(net: nn.Module) -> list[Tensor]:
    """Random clips for all pathways, the Slow one's frames out of the Fast one's."""
    frames = net.input_spec.frames
    clip = torch.randn(1, 3, max(frames), SIZE, SIZE, generator=torch.Generator().manual_seed(4))
    return [clip[:, :, torch.linspace(0, max(frames) - 1, count).long()] for count in frames]


def check_outputs(net: nn.Module, other: nn.Module) -> None:
    inputs = clips(net)
    with torch.inference_mode():
        expected = other(list(inputs) if len(inputs) > 1 else inputs[0])
        scores = net(list(inputs))
    assert expected.std() > 0.01
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "name", [*NETWORKS, *(pytest.param(large, marks=pytest.mark.slow) for large in LARGE)]
)
def test_the_library_s_own_network_gives_the_same(
    name: str, lively: Callable[[nn.Module], nn.Module]
) -> None:
    other, net = lively(theirs(name)), ours((NETWORKS | LARGE)[name])
    report = load_weights(net, other.state_dict(), source=name)
    assert report.complete
    assert report.layout == "pytorchvideo"
    assert len(report.added) == (5 if name.startswith("x3d") else 0)
    check_outputs(net, other)


def test_names_inside_a_wrapper_and_a_detection_head() -> None:
    with torch.device("meta"):
        state = hub.slow_r50(pretrained=False).state_dict()
    plain = translate(state).state
    wrapped = {f"model.{name}": value for name, value in state.items()}
    assert list(translate(wrapped).state) == list(plain)
    headless = {name: value for name, value in wrapped.items() if ".proj." not in name}
    head = {"detection_head.proj.weight": torch.zeros(80, 2048)}
    assert translate(headless | head).state["head.projection.weight"].shape == (80, 2048)


def test_networks_that_are_not_here_do_not_load_in_part() -> None:
    with torch.device("meta"):
        state = hub.slow_r50(pretrained=False).state_dict()
        net = ours("slow_r50_8x8")
    conv = "blocks.1.res_blocks.0.branch2.conv_b"
    state[f"{conv}.depth.weight"] = state.pop(f"{conv}.weight")
    with pytest.raises(CheckpointError, match=r"branch2\.conv_b\.depth"):
        load_weights(net, state, source="other.pyth")


def test_split_convolutions_do_not_load_as_whole_ones() -> None:
    with torch.device("meta"):
        state = hub.r2plus1d_r50(pretrained=False).state_dict()
        net = ours("i3d_r50_8x8")
    with pytest.raises(CheckpointError, match=r"branch2\.b\.conv_t"):
        load_weights(net, state, source="r2plus1d.pyth")


def test_mvit_has_the_public_names_and_shapes() -> None:
    expected = json.loads(gzip.decompress(MVIT.read_bytes()))["Kinetics/MVIT_B_16x4_CONV"]
    translated = translate(hub.mvit_base_16x4(pretrained=False).state_dict())
    assert translated.layout == "pytorchvideo"
    assert {name: list(value.shape) for name, value in translated.state.items()} == expected


def test_queries_keys_and_values_are_joined_in_this_order() -> None:
    state = {f"blocks.0.attn.{part}.bias": torch.full((2,), i) for i, part in enumerate("qkv")}
    state["patch_embed.patch_model.weight"] = torch.zeros(1)
    joined = translate(state).state["blocks.0.attn.qkv.bias"]
    assert joined.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    "broken",
    [{"blocks.0.attn.k.bias": torch.ones(3, 3)}, {"blocks.0.attn.k.bias": torch.tensor(1.0)}],
)
def test_tensors_that_do_not_go_together_are_an_error(broken: dict[str, Tensor]) -> None:
    state = {f"blocks.0.attn.{part}.bias": torch.ones(2) for part in "qkv"}
    state["patch_embed.patch_model.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"a\.pyth: has the names of a known layout, but"):
        load_weights(nn.Linear(1, 1), state | broken, source="a.pyth")


@pytest.mark.slow
def test_mvit_gives_the_same_scores_with_the_recipe_of_the_library() -> None:
    torch.manual_seed(0)
    other = hub.mvit_base_16x4(pretrained=False).eval()
    for parameter in other.parameters():  # positions start at zero, and would not matter
        nn.init.normal_(parameter, std=0.1)
    recipe = ROOT / "configs" / "Kinetics" / "pytorchvideo" / "MVIT_B_16x4_CONV.yaml"
    net = build_model(load_cfg(recipe, ["NUM_GPUS", 0, "MODEL.HEAD_ACT", "none"])).eval()
    assert load_weights(net, other.state_dict(), source="m.pth").complete
    clip = torch.rand(1, 3, 16, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(net([clip]), other(clip), rtol=0, atol=2e-6)
