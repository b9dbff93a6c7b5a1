"""Mirrors slowfast/engine/freeze.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from slowfast.config import load_cfg
from slowfast.engine.build import build_network, build_trainer
from slowfast.engine.checkpoint.sub_bn import to_plain
from slowfast.engine.freeze import freeze
from slowfast.models import create_model
from slowfast.ops.norm import FrozenBatchNorm3d

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
SMALL = {
    "num_classes": 3, "crop_size": 32, "num_frames": 4, "width": 8, "stage_blocks": (1, 1, 1, 1),
}  # fmt: skip


def small(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    return create_model("slow_r50_4x16", **SMALL, **settings)


@pytest.mark.parametrize("norm", ["batchnorm", "sync_batchnorm", "sub_batchnorm"])
def test_names_order_and_scores_stay(norm: str) -> None:
    net, before = small(norm=norm), small(norm=norm)
    freeze(net, ["s1", "s2.pathway0_res0.branch2"])
    assert list(to_plain(net.state_dict())) == list(to_plain(before.state_dict()))
    clip = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(net.eval()([clip]), before.eval()([clip]))
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    assert not [n for n in trained if n.startswith(("s1.", "s2.pathway0_res0.branch2."))]
    assert {"s2.pathway0_res0.branch1.weight", "s3.pathway0_res0.branch2.a.weight"} <= trained
    fixed = [n for n, m in net.named_modules() if isinstance(m, FrozenBatchNorm3d)]
    assert len(fixed) == 4
    assert all(n.startswith(("s1.", "s2.pathway0_res0.branch2.")) for n in fixed)


def test_statistics_of_frozen_parts_stay_and_of_others_move() -> None:
    net = small()
    freeze(net, ["s1"])
    first, second = net.s1.pathway0_stem.bn, net.s2.pathway0_res0.branch1_bn
    net.train()([torch.rand(2, 3, 4, 32, 32)]).sum().backward()
    assert torch.equal(first.running_mean, torch.zeros_like(first.running_mean))
    assert first.weight.grad is None
    assert not torch.equal(second.running_mean, torch.zeros_like(second.running_mean))


def test_all_but_the_head() -> None:
    net = small()
    freeze(net, ["all but head"])
    trained = [name for name, p in net.named_parameters() if p.requires_grad]
    assert trained == ["head.projection.weight", "head.projection.bias"]
    assert all(isinstance(m, FrozenBatchNorm3d) for m in net.modules() if "Norm3d" in repr(m)[:20])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("s2.pathway0_rse0", r"FREEZE names 's2\.pathway0_rse0'.* Did you mean s2\.pathway0_res0"),
        ("all but haed", r"FREEZE names 'all but haed', .* with 'haed'\. Did you mean head\?"),
        ("zzz", r"begins with 'zzz'\. Parts are s1, s2, s3, s4, s5, head\.$"),
        ("s", r"begins with 's'\. "),
    ],
)
def test_names_of_nothing(part: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        freeze(small(), [part])


def test_linear_probing(tiny: list[str]) -> None:
    """The head learns, and nothing else changes, statistics included."""
    cfg = load_cfg(CONFIG, [*tiny, "MODEL.FREEZE", "['all but head']"])
    trainer = build_trainer(cfg)
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer.model.train()
    batch = next(iter(trainer.loader))
    trainer.stepper(batch, lr=0.1, seed=0)
    after = trainer.net.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["head.projection.weight", "head.projection.bias"]
    counted = sum(len(group["params"]) for group in trainer.stepper.optimizer.param_groups)
    assert counted == 2


def test_a_head_that_is_frozen_and_detached_is_refused(tiny: list[str]) -> None:
    cfg = load_cfg(CONFIG, [*tiny, "MODEL.DETACH_FINAL_FC", "True", "MODEL.FREEZE", "['head']"])
    with pytest.raises(
        ValueError, match=r"FREEZE \['head'\] freezes it: nothing would learn; leave"
    ):
        build_trainer(cfg)


def test_a_detached_head_learns_alone_but_statistics_follow(tiny: list[str]) -> None:
    """The public key: all parameters are in the optimizer, and only two get a gradient."""
    cfg = load_cfg(CONFIG, [*tiny, "MODEL.DETACH_FINAL_FC", "True", "SOLVER.WEIGHT_DECAY", "0.1"])
    trainer = build_trainer(cfg)
    fresh = build_network(cfg, trainer.device)
    trainer.model.train()
    trainer.stepper(next(iter(trainer.loader)), lr=0.1, seed=0)
    pairs = zip(trainer.net.named_parameters(), fresh.parameters(), strict=True)
    changed = [name for (name, a), b in pairs if not torch.equal(a, b)]
    assert changed == ["head.projection.weight", "head.projection.bias"]
    groups = trainer.stepper.optimizer.param_groups
    assert sum(len(g["params"]) for g in groups) == len(list(fresh.parameters()))
    assert trainer.net.s1.pathway0_stem.bn.num_batches_tracked.item() == 1
