"""Mirrors slowfast/models/rev_mvit.py; the recipes' numbers are in test_contract.py."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from slowfast.config import load_cfg
from slowfast.models import build_model, create_model, example_input
from slowfast.models.mvit import MViT
from slowfast.models.mvit_options import ReversibleOptions
from slowfast.models.rev_mvit import Fusion, stages

SMALL = {"num_classes": 5, "crop_size": 64, "dropout": 0.0, "drop_path": 0.0}
STAGES = {
    "depth": 5,
    "dim": 16,
    "dim_mul": [(2, 2.0)],
    "head_mul": [(2, 2.0)],
    "pool_q_stride": [(2, 1, 2, 2)],
}


def rev_vit(depth: int = 3, **changes: Any) -> MViT:
    torch.manual_seed(0)
    return create_model("rev_vit_s", **{**SMALL, "depth": depth, "dim": 12, "heads": 2, **changes})


def rev_mvit(fusion: str = "avg", shortcut: str = "conv", end: str = "concat", **changes: Any):
    torch.manual_seed(0)
    how = ReversibleOptions((2,), fusion, shortcut, end)
    settings = {**SMALL, **STAGES, "num_frames": 4, "crop_size": 32, "reversible": how}
    return create_model("rev_mvit_b_16x4", **{**settings, **changes})


def step(net: MViT, clips: list[Tensor]) -> dict[str, Tensor]:
    torch.manual_seed(3)
    net(clips).square().sum().backward()
    return {name: p.grad for name, p in net.named_parameters()}


def plainly(net: MViT, monkeypatch: pytest.MonkeyPatch, clips: list[Tensor]) -> dict[str, Tensor]:
    """The same step by PyTorch's own backpropagation."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        return step(net, clips)


@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize("make", [rev_vit, rev_mvit])
def test_gradients_equal_plain_backpropagation(
    make: Any, drop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = make(drop_path=drop).double()
    clips = [clip.double() for clip in example_input(net, batch=4)]
    other = copy.deepcopy(net)
    expected, found = plainly(other, monkeypatch, clips), step(net, clips)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-10, msg=name)


def saved_bytes(net: MViT) -> int:
    total = 0

    def pack(x: Tensor) -> Tensor:
        nonlocal total
        total += x.numel() * x.element_size() if not isinstance(x, torch.nn.Parameter) else 0
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        net(example_input(net))
    return total


def test_activations_do_not_grow_with_depth() -> None:
    base = saved_bytes(rev_vit(2))
    assert saved_bytes(rev_vit(12)) == base
    plain = [create_model("vit_b_in1k", **SMALL, depth=d, dim=12, heads=2) for d in (2, 12)]
    shallow, deep = map(saved_bytes, plain)
    assert deep - base > 5 * (shallow - base) > 0


def test_autocast_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams stay in float32, so that subtracting bfloat16 branches finds the inputs again."""
    net = rev_mvit(drop_path=0.2)
    clips = example_input(net, batch=2)
    other = copy.deepcopy(net)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = plainly(other, monkeypatch, clips), step(net, clips)
    for name, gradient in expected.items():
        error = (found[name] - gradient).norm() / gradient.norm().clamp_min(1e-3)
        assert error < 0.05, name


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("make", "training"),
    [
        (rev_mvit, True),
        pytest.param(rev_mvit, False, marks=SLOW),
        pytest.param(rev_vit, True, marks=SLOW),
        pytest.param(rev_vit, False, marks=SLOW),
    ],
)
def test_compiles_without_graph_breaks(make: Any, training: bool) -> None:
    torch.compiler.reset()  # other tests have compiled other networks
    net = make().train(training)
    clips = example_input(net, batch=2)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(clips), net(clips))


@pytest.mark.parametrize("make", [rev_mvit, pytest.param(rev_vit, marks=SLOW)])
def test_exports_and_runs_in_half_precision(make: Any) -> None:
    net = make().eval()
    clips = example_input(net, batch=2)
    expected = net(clips)
    exported = torch.export.export(net, (clips,), strict=False)
    torch.testing.assert_close(exported.module()(clips), expected)
    half = net.bfloat16()([clip.bfloat16() for clip in clips])
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.05)


def test_keys_where_the_attention_grows() -> None:
    """With streams that are not concatenated a transition doubles the channels itself."""
    net = rev_mvit()
    layer = net.rev_backbone.layers[2]
    assert layer.F.norm.weight.shape == (16,)
    assert layer.F.attn.qkv.weight.shape == (96, 16)
    assert layer.res_proj.weight.shape == (32, 16)
    keys = [key for key, _ in layer.named_parameters()]
    assert keys[-2:] == ["res_proj.weight", "res_proj.bias"]
    assert net.norm.weight.shape == (64,), "two streams"


@pytest.mark.parametrize("fusion", ["avg", "max", "add", "concat", "concat_linear"])
@pytest.mark.parametrize("shortcut", ["conv", "max", "avg"])
def test_all_transitions(fusion: str, shortcut: str) -> None:
    net = rev_mvit(fusion, shortcut)
    net(example_input(net, batch=2)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("end", "width"), [("concat", 64), ("avg", 32), ("max", 32), ("add", 32)])
def test_all_ends(end: str, width: int) -> None:
    net = rev_mvit(end=end, recompute=True)
    assert net.head.projection.in_features == width
    assert net(example_input(net)).shape == (1, 5)


def test_fusions_by_hand() -> None:
    one, two = torch.tensor([[[1.0, 6.0]]]), torch.tensor([[[3.0, 2.0]]])
    results = {kind: Fusion(kind, 2)(one, two).flatten().tolist() for kind in ("avg", "max", "add")}
    assert results == {"avg": [2, 4], "max": [3, 6], "add": [4, 8]}
    assert Fusion("concat", 4)(one, two).flatten().tolist() == [1, 6, 3, 2]
    linear = Fusion("concat_linear_2", 4)
    both = torch.cat([one, two], dim=-1)
    torch.testing.assert_close(linear(one, two), both + linear.fuse_fn(both))
    assert linear.fuse_fn.fc1.weight.shape == (8, 4)
    assert Fusion("concat_linear", 4).fuse_fn.fc1.weight.shape == (4, 4)


def test_stages() -> None:
    assert stages(6, (1, 3, 4)) == [[0], [1], [2], [3], [4], [5]]
    assert stages(5, (3,)) == [[0, 1, 2], [3], [4]]
    assert stages(3, ()) == [[0, 1, 2]]
    assert stages(2, (0,)) == [[0], [1]]


def test_layers_for_the_optimizer() -> None:
    net = rev_mvit()
    assert net.num_layers == 6
    assert net.layer_of("rev_backbone.layers.4.G.mlp.fc1.bias") == 5
    assert net.layer_of("norm.bias") == 6


def test_a_class_token_is_left_out_with_a_warning(
    configs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The published recipe sets one."""
    cfg = load_cfg(configs / "Kinetics" / "REV_MVIT_B_16x4_CONV.yaml", ["NUM_GPUS", 1])
    with torch.device("meta"):
        net = build_model(cfg)
    assert "cls_token" not in net.state_dict()
    assert [r.message for r in caplog.records] == [
        "MVIT.CLS_EMBED_ON is ignored: a reversible network has no class token"
    ]
    assert sum(p.numel() for p in net.parameters()) == 34_963_120, "34.9 M (2302.04869, Table 2)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reversible": ReversibleOptions((9,))}, "BUFFER_LAYERS names block 9, but .* 0 to 4"),
        ({"reversible": ReversibleOptions()}, "block 2 changes the channels .*BUFFER_LAYERS"),
        ({"class_token": True}, r"set MVIT\.CLS_EMBED_ON False with MVIT\.REV\.ENABLE True"),
        ({"layer_scale": 0.1}, r"MVIT\.LAYER_SCALE_INIT_VALUE is 0\.1, which a reversible"),
        ({"fusion": "mean"}, r"can't be joined by 'mean' \(MVIT\.REV\.PRE_Q_FUSION"),
        ({"shortcut": "mean"}, r"MVIT\.REV\.RES_PATH is 'mean'; use one of conv, max, avg"),
    ],
)
def test_what_does_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rev_mvit(**change)
