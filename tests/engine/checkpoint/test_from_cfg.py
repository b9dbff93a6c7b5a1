"""Mirrors slowfast/engine/checkpoint/from_cfg.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slowfast.config import dump_cfg, load_cfg
from slowfast.engine.checkpoint.from_cfg import load_from_cfg, start_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.models import build_model

CONFIGS = Path(__file__).parents[3] / "configs"
VIT = CONFIGS / "masked_ssl" / "k400_VIT_B_16x4_FT.yaml"
SMALL = {
    "MVIT.SEP_POS_EMBED": False,
    "MVIT.USE_FIXED_SINCOS_POS": False,
    "MVIT.DEPTH": 1,
    "MVIT.EMBED_DIM": 16,
    "MVIT.NUM_HEADS": 1,
    "NUM_GPUS": 0,
}


def vit(**sizes: int) -> tuple[nn.Module, Any]:
    """A ViT with joint positions, of patches of 2 x 16 x 16, and its config."""
    changes = SMALL | {f"DATA.{name}": value for name, value in sizes.items()}
    cfg = load_cfg(VIT, [each for pair in changes.items() for each in pair])
    return build_model(cfg), cfg


def frame_numbers(net: nn.Module) -> Tensor:
    """(T, H * W): what the positions of a network hold, whose values were frame numbers."""
    frames, height, width = net.grid
    return net.pos_embed.detach()[0, -frames * height * width :, 0].unflatten(0, (frames, -1))


@pytest.fixture
def saved() -> dict[str, Any]:
    """A checkpoint of 16 frames of 224 pixels, 8 x 14 x 14 patches."""
    net, cfg = vit()
    assert net.grid == (8, 14, 14)
    with torch.no_grad():
        net.pos_embed.zero_()
        numbers = torch.arange(8.0).repeat_interleave(14 * 14)
        net.pos_embed[0, -8 * 14 * 14 :] = numbers[:, None]
    return {"model_state": net.state_dict(), "cfg": dump_cfg(cfg)}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"NUM_FRAMES": 4}, [1.5, 5.5]),
        ({"NUM_FRAMES": 8}, [0.5, 2.5, 4.5, 6.5]),
        ({"NUM_FRAMES": 64}, [0, 0, 0.125, 0.375]),
        ({"NUM_FRAMES": 4, "TRAIN_CROP_SIZE": 448}, [1.5, 5.5]),  # as many patches
        ({"TRAIN_CROP_SIZE": 112}, [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("load", [load_from_cfg, start_from_cfg])
def test_positions_are_read_on_the_grid_of_the_saved_config(
    load: Any, sizes: dict[str, int], expected: list[float], saved: dict[str, Any]
) -> None:
    net, cfg = vit(**sizes)
    report = load(net, saved, cfg, source="a.pyth")
    assert report.interpolated == ["pos_embed"]
    assert report.guessed == []
    found = frame_numbers(net)
    torch.testing.assert_close(found, found[:, :1].expand_as(found), rtol=0, atol=1e-5)
    assert found[:, 0][: len(expected)].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("text", ["", "[[[", "DATA: {NUM_FRAMES: x}", "MVIT: {PATCH_STRIDE: 3}", 4])
def test_a_config_that_tells_nothing_is_as_none(text: Any, saved: dict[str, Any]) -> None:
    net, cfg = vit(NUM_FRAMES=4)
    broken = {**saved, "cfg": text}
    report = load_from_cfg(net, broken, cfg, source="a.pyth")
    if text == "":  # the defaults are of another grid, with another number of patches
        assert report.guessed
    assert frame_numbers(net)[:, 0].tolist() == [1.5, 5.5]


def test_what_training_may_start_from_is_not_enough_to_be_used(saved: dict[str, Any]) -> None:
    net, cfg = vit()
    del saved["model_state"]["norm.weight"]
    partial = load_cfg(VIT, [*sum(SMALL.items(), ()), "TRAIN.ALLOW_PARTIAL", True])
    assert start_from_cfg(net, saved, partial, source="a.pyth").missing == ["norm.weight"]
    with pytest.raises(
        CheckpointError, match=r"norm\.weight\. It takes the network that was saved"
    ):
        load_from_cfg(net, saved, partial, source="a.pyth")
    with pytest.raises(CheckpointError, match=r"norm\.weight\. If this is meant.*ALLOW_PARTIAL"):
        start_from_cfg(net, saved, cfg, source="a.pyth")
