"""Networks of the recipes against the numbers of the public code: keys, costs, outputs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from slowfast.config import load_cfg
from slowfast.models import build_model, count_cost, example_input

FILES = sorted((Path(__file__).parents[1] / "parity").glob("models*.json"))
MODELS = {name: entry for f in FILES for name, entry in json.loads(f.read_text())["models"].items()}
NAMES = list(MODELS)
COSTED = [name for name, entry in MODELS.items() if "gflops_train_crop" in entry]
# One of each kind by default; all of them take minutes.
QUICK_COSTS = (
    "Kinetics/I3D_NLN_8x8_R50",
    "Kinetics/SLOWFAST_NLN_4x16_R50",
    "Kinetics/X3D_S",
    "ImageNet/MVITv2_T",
    "ImageNet/REV_MVIT_B_16_CONV",
    "AVA/SLOW_8x8_R50_SHORT",
)
QUICK = (
    "Kinetics/SLOWFAST_8x8_R50",
    "Kinetics/SLOW_NLN_8x8_R50",
    "Kinetics/X3D_XS",
    "Kinetics/MVIT_B_16x4_CONV",
    "ImageNet/MVITv2_T",
    "ImageNet/REV_MVIT_B_16_CONV",
    "AVA/c2/SLOWFAST_32x2_R50",
)
SLOW = (
    "Kinetics/I3D_8x8_R50",
    "ImageNet/REV_VIT_S",
    "masked_ssl/k400_VIT_B_16x4_FT",
    "AVA/c2/SLOW_8x8_R50",
    "Kinetics/X3D_S",
    "Kinetics/SLOW_4x16_R50",
    "ImageNet/RES_R50",
    "Kinetics/SLOWFAST_4x16_R50",
    "Kinetics/C2D_8x8_R50",
    "Kinetics/c2/SLOWFAST_8x8_R101_101_101",
    "Charades/SLOWFAST_16x8_R50_multigrid",
    "Kinetics/SLOWFAST_NLN_4x16_R50",
    "SSv2/SLOWFAST_16x8_R50",
    "contrastive_ssl/finetune_SSv2_Slow_R50_syn0",
    "contrastive_ssl/finetune_ucf_Slow_R50_syn0",
    "Kinetics/I3D_NLN_8x8_R101",
    "Kinetics/I3D_NLN_8x8_R50",
    "Kinetics/c2/SLOWFAST_8x8_R101_50_50",
    "Kinetics/c2/SLOWFAST_NLN_16x8_R101_50_50",
    "Kinetics/MVITv2_S_16x4",
    "Kinetics/MVITv2_L_40x3_test",
    "SSv2/MVITv2_B_32x3",
    "SSv2/MVITv2_L_40x3",
    "ImageNet/MVIT_B_16_CONV",
    "ImageNet/MVITv2_S",
    "masked_ssl/in1k_VIT_B_MaskFeat_FT",
    "masked_ssl/in1k_VIT_L_MaskFeat_FT",
    "masked_ssl/k400_MVITv2_L_16x4_FT",
    "masked_ssl/k400_VIT_L_16x4_FT",
    "AVA/SLOW_8x8_R50_SHORT",
    "AVA/c2/SLOWFAST_32x2_R101_50_50",
    "contrastive_ssl/finetune_ava_Slow_R50_syn0",
)


def cases(quick: Sequence[str], all_names: Sequence[str]) -> list[Any]:
    late = [name for name in all_names if name not in quick]
    return [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in late)]


def config(configs: Path, name: str, *overrides: Any) -> CfgNode:
    # One process, whatever number of GPUs the recipe was made for.
    return load_cfg(configs / f"{name}.yaml", ["NUM_GPUS", 1, *overrides])


def at_size(size: int) -> tuple[Any, ...]:
    return "DATA.TRAIN_CROP_SIZE", size, "DATA.TEST_CROP_SIZE", size


def pack(clip: Tensor, cfg: CfgNode) -> list[Tensor]:
    if cfg.MODEL.ARCH != "slowfast":
        return [clip]
    frames = clip.shape[2]
    index = torch.linspace(0, frames - 1, frames // cfg.SLOWFAST.ALPHA).long()
    return [clip[:, :, index], clip]


@pytest.mark.parametrize("name", cases([n for n in NAMES if not re.search("R101|_L_", n)], NAMES))
def test_state_dict(name: str, configs: Path, expected_models: dict[str, Any]) -> None:
    """Ordered keys, shapes, types and what is a parameter: checkpoints depend on all of them."""
    expected = expected_models["models"][name]
    with torch.device("meta"):
        net = build_model(config(configs, name))
    parameters = {key for key, _ in net.named_parameters()}
    rows = [
        [
            key,
            list(value.shape),
            str(value.dtype).removeprefix("torch."),
            "p" if key in parameters else "b",
        ]
        for key, value in net.state_dict().items()
    ]
    assert len(rows) == expected["state_dict_len"]
    assert sum(p.numel() for p in net.parameters()) == expected["params"]
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest() == expected["keys_sha256"]


@pytest.mark.parametrize("name", cases(QUICK_COSTS, COSTED))
def test_costs(name: str, configs: Path, expected_models: dict[str, Any]) -> None:
    expected = expected_models["models"][name]
    cfg = config(configs, name)
    with torch.device("meta"):
        net = build_model(cfg).eval()
    for crop in ("train", "test"):
        size = cfg.DATA[f"{crop.upper()}_CROP_SIZE"]
        cost = count_cost(net, example_input(net, size=size))
        assert cost.gflops == pytest.approx(expected[f"gflops_{crop}_crop"], rel=1e-5)
        activations = expected.get(f"activations_{crop}_crop")
        assert activations is None or cost.activations == pytest.approx(activations, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Kinetics/SLOWFAST_4x16_R50", 224),
        pytest.param("Kinetics/SLOWFAST_8x8_R50", 256, marks=pytest.mark.slow),
        pytest.param("Kinetics/c2/SLOWFAST_8x8_R101_50_50", 256, marks=pytest.mark.slow),
        pytest.param("Kinetics/c2/SLOWFAST_8x8_R101_50_101", 256, marks=pytest.mark.slow),
    ],
)
def test_costs_of_pathways(
    name: str, size: int, configs: Path, expected_models: dict[str, Any]
) -> None:
    expected = expected_models["gflops_by_pathway"][f"{name}@{size}"]
    with torch.device("meta"):
        net = build_model(config(configs, name)).eval()
    cost = count_cost(net, example_input(net, size=size))
    parts = cost.by_pathway
    assert parts["pathway0"] == pytest.approx(expected["slow"], abs=1e-4)
    assert parts["pathway1"] == pytest.approx(expected["fast"], abs=1e-4)
    assert parts["lateral"] == pytest.approx(expected["fuse"], abs=1e-4)
    assert cost.gflops == pytest.approx(expected["total"], abs=1e-3)


def forward(net: nn.Module, pathways: list[Tensor], boxes: Tensor | None) -> tuple[Tensor, Tensor]:
    """The logits at every position after the pool, or of every box, and the scores."""
    seen: list[Tensor] = []
    hook = net.head.projection.register_forward_hook(lambda *args: seen.append(args[2]))
    with torch.inference_mode():
        scores = net.eval()(pathways, boxes)
    hook.remove()
    return seen[0].flatten(), scores.flatten()


def check_outputs(
    net: nn.Module, cfg: CfgNode, expected: dict[str, Any], fill: Callable[[nn.Module], None]
) -> None:
    fill(net)
    size = expected["size"]
    generator = torch.Generator().manual_seed(0)
    clip = torch.rand(1, 3, expected["frames"], size, size, generator=generator)
    boxes = torch.tensor(expected["boxes"]) if "boxes" in expected else None
    logits, scores = forward(net, pack(clip, cfg), boxes)
    wanted = torch.tensor(expected["logits"])
    assert logits.numel() == expected["count"]
    torch.testing.assert_close(logits[: len(wanted)], wanted, rtol=1e-4, atol=2e-5)
    wanted = torch.tensor(expected["scores"])
    torch.testing.assert_close(scores[: len(wanted)], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", cases(QUICK, SLOW))
def test_outputs(
    name: str, configs: Path, expected_outputs: dict[str, Any], fill: Callable[[nn.Module], None]
) -> None:
    expected = expected_outputs["eval"][name]
    cfg = config(configs, name, *at_size(expected["size"]))
    check_outputs(build_model(cfg), cfg, expected, fill)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["Kinetics/SLOW_4x16_R50", "Kinetics/SLOWFAST_4x16_R50", "Kinetics/X3D_S"]
)
def test_outputs_at_a_larger_test_size(
    name: str, configs: Path, expected_outputs: dict[str, Any], fill: Callable[[nn.Module], None]
) -> None:
    """Built for 224 (X3D-S: 160) pixels, run on 256 (182): four positions, averaged."""
    expected = expected_outputs["eval_test_size"][name]
    cfg = config(configs, name)
    assert expected["count"] == 4 * cfg.MODEL.NUM_CLASSES
    check_outputs(build_model(cfg), cfg, expected, fill)


# Rounding alone (one thread or two, another convolution library, float64) moves these gradients
# by up to 0.5 % and those of X3D-S by 1 %: the batch norms of s5 see few positions.
STEPS = [("Kinetics/SLOW_8x8_R50", False, 1e-2), ("Kinetics/MVITv2_S_16x4", True, 1e-4)]
SLOW_STEPS = [
    ("Kinetics/SLOW_8x8_R50", True, 1e-2),
    ("Kinetics/X3D_S", False, 2e-2),
    ("Kinetics/MVITv2_S_16x4", False, 1e-4),
]


@pytest.mark.parametrize(
    ("name", "recompute", "noise"),
    [*STEPS, *(pytest.param(*step, marks=pytest.mark.slow) for step in SLOW_STEPS)],
)
def test_training_step(
    name: str,
    recompute: bool,
    noise: float,
    configs: Path,
    expected_outputs: dict[str, Any],
    fill: Callable[[nn.Module], None],
) -> None:
    expected = expected_outputs["train"][name]
    batch = expected["clip_shape"][0]
    changes = ("MODEL.DROPOUT_RATE", 0.0, "MVIT.DROPPATH_RATE", 0.0)
    changes += ("MODEL.ACT_CHECKPOINT", recompute)
    cfg = config(configs, name, *at_size(expected["clip_shape"][-1]), *changes)
    net = build_model(cfg).train()
    fill(net)
    clip = torch.rand(expected["clip_shape"], generator=torch.Generator().manual_seed(0))
    logits = net([clip])
    loss = F.cross_entropy(logits, torch.full((batch,), expected["label"]))
    loss.backward()

    wanted = torch.tensor(expected["logits"]).reshape(batch, -1)
    torch.testing.assert_close(logits.detach(), wanted, rtol=1e-4, atol=2e-5)
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-5)
    norms = {key: p.grad.norm() for key, p in net.named_parameters() if p.grad is not None}
    assert len(norms) == expected["n_params_with_grad"]
    total = torch.stack(list(norms.values())).norm().item()
    assert total == pytest.approx(expected["total_grad_norm"], rel=noise)
    for key, norm in expected["grad_norms"].items():
        rel = 1e-4 if key.startswith("head.projection") else noise
        assert norms[key].item() == pytest.approx(norm, rel=rel), key
    state = net.state_dict()
    for key, norm in expected["bn_after_forward"].items():
        assert state[key].norm().item() == pytest.approx(norm, rel=1e-4)
