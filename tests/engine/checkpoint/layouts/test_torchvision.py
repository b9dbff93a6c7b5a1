"""Mirrors slowfast/engine/checkpoint/layouts/torchvision.py, against that library's networks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from slowfast import create_model
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.layouts.detect import translate
from slowfast.engine.checkpoint.load import load_weights

MVIT = Path(__file__).parents[3] / "parity" / "mvit_names.json.gz"


def test_a_still_clip_gives_what_the_image_gives(
    lively: Callable[[nn.Module], nn.Module],
) -> None:
    torch.manual_seed(1)
    images = lively(torchvision.models.resnet50(num_classes=7))
    net = create_model("c2d_r50_8x8", num_classes=7, adaptive_pool=True, head_act="none").eval()
    report = load_weights(net, images.state_dict(), source="r.pth", inflation="divide")
    assert report.complete
    assert report.layout == "torchvision (images)"
    assert len(report.inflated) == 53  # every convolution
    image = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = images(image)
        scores = net([image[:, :, None].expand(-1, -1, 8, -1, -1)])
    assert expected.std() > 0.01
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def images() -> dict[str, torch.Tensor]:
    """Weights of an image network, which no test changes."""
    return torchvision.models.resnet50().state_dict()


def test_flat_kernels_load_only_where_the_config_says_so(images: dict[str, torch.Tensor]) -> None:
    net = create_model("i3d_r50_8x8", num_classes=1000)
    with pytest.raises(CheckpointError, match=r"53 kernels of the file are 2D: TRAIN\.CHECKPOINT_"):
        load_weights(net, images, source="r.pth", adjustable=True)
    repeated = load_weights(net, images, source="r.pth", inflation="repeat")
    assert repeated.complete
    kernel = net.s1.pathway0_stem.conv.weight  # 5 frames
    assert torch.equal(kernel[:, :, 3], images["conv1.weight"])
    load_weights(net, images, source="r.pth", inflation="divide")
    torch.testing.assert_close(kernel.sum(2), images["conv1.weight"])


def test_image_weights_in_a_network_with_more_than_they_have(
    images: dict[str, torch.Tensor],
) -> None:
    """The recipes that start from ImageNet: other classes, and non-local blocks."""
    net = create_model("i3d_nln_r50_8x8")
    with pytest.raises(CheckpointError, match=r"nonlocal1.*--allow-partial"):
        load_weights(net, images, source="r.pth", inflation="divide", adjustable=True)
    report = load_weights(net, images, source="r.pth", inflation="divide", allow_partial=True)
    assert all("nonlocal" in name for name in report.missing)
    assert [name.split()[0] for name in report.misfit] == [
        "head.projection.weight",
        "head.projection.bias",
    ]
    assert not report.unused
    assert "53 inflated from 2D: s1.pathway0_stem.conv.weight" in str(report)


@pytest.mark.parametrize(
    ("network", "recipe"),
    [("mvit_v1_b", "Kinetics/MVIT_B_16x4_CONV"), ("mvit_v2_s", "Kinetics/MVITv2_S_16x4")],
)
def test_mvit_has_the_public_names_and_shapes(network: str, recipe: str) -> None:
    expected = json.loads(gzip.decompress(MVIT.read_bytes()))[recipe]
    with torch.device("meta"):
        state = getattr(torchvision.models.video, network)().state_dict()
    translated = translate(state)
    assert translated.layout == "torchvision"
    assert {name: list(value.shape) for name, value in translated.state.items()} == expected
    value = state["blocks.3.attn.pool_k.norm_act.0.weight"]
    assert translated.state["blocks.3.attn.norm_k.weight"] is value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theirs", "ours"), [("mvit_v1_b", "mvit_v1_b_16x4"), ("mvit_v2_s", "mvit_v2_s_16x4")]
)
def test_mvit_gives_the_same_scores(theirs: str, ours: str) -> None:
    torch.manual_seed(0)
    other = getattr(torchvision.models.video, theirs)(num_classes=7).eval()
    for parameter in other.parameters():  # positions start at zero, and would not matter
        nn.init.normal_(parameter, std=0.1)
    net = create_model(ours, num_classes=7, head_act="none").eval()
    report = load_weights(net, other.state_dict(), source="m.pth")
    assert report.complete
    assert not report.unused
    clip = torch.rand(1, 3, 16, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(net([clip]), other(clip), rtol=1e-4, atol=1e-5)
