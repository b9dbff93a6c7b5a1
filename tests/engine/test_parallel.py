"""Mirrors slowfast/engine/parallel.py; the whole of training in parts is in its slow tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import simplejson
import torch
from torch import distributed, nn

from slowfast import dist
from slowfast.battery.forked import run_forked
from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.load import load_weights
from slowfast.engine.checkpoint.sharded import checkpoint_group, read_sharded, write_sharded
from slowfast.engine.checkpoint.state import checkpoint_path, list_checkpoints, read_checkpoint
from slowfast.engine.checkpoint.tree import split
from slowfast.engine.convert import convert_checkpoint
from slowfast.engine.ema import NoAverage, average_from_cfg
from slowfast.engine.lars import add_lars
from slowfast.engine.optim import optimizer_from_cfg
from slowfast.engine.parallel import (
    as_like,
    buffers_of_first,
    is_sharded,
    shard,
    whole,
    wrap_model,
)
from slowfast.engine.predict import Predictor
from slowfast.engine.saves import Saves
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train
from slowfast.engine.training_state import load_optimizer, parts_of, weights_of
from slowfast.models.mvit import mvit
from slowfast.models.mvit_options import ReversibleOptions
from slowfast.ops.drop_path import drop_path

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
CPU = torch.device("cpu")


class Net(nn.Module):
    """Batch norm, drop path, and sizes that two processes cannot share evenly."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 5, 3, padding=1), nn.BatchNorm3d(5))
        self.block = nn.Linear(5, 5)
        self.drop_path = drop_path(0.5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu().mean((2, 3, 4))
        return self.head(x + self.drop_path(self.block(x)))


def learn(parallel: str) -> tuple[nn.Module, torch.optim.Optimizer, list[float]]:
    """Three steps; the losses and norms of gradients."""
    torch.manual_seed(0)
    net = Net()
    model = wrap_model(net, device=CPU, parallel=parallel)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    figures = []
    for step in range(3):
        torch.manual_seed(10 * step + dist.rank())
        loss = model(torch.randn(4, 3, 2, 4, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        norm = whole(nn.utils.clip_grad_norm_(net.parameters(), 0.5))
        optimizer.step()
        figures += [loss.item(), norm.item()]
    return net, optimizer, figures


def adapted(parallel: str, compression: torch.dtype | None = None) -> dict[str, torch.Tensor]:
    """Weights and their mean after three steps of SGD with LARS, and the mean of a saved state."""
    torch.manual_seed(0)
    net = Net()
    cfg = with_values(get_cfg(), {"EMA.ENABLE": True, "EMA.DECAY": 0.5, "TRAIN.PARALLEL": parallel})
    average = average_from_cfg(net, cfg)
    model = wrap_model(net, device=CPU, parallel=parallel, compression=compression)
    optimizer = torch.optim.SGD(net.parameters(), lr=100, momentum=0.9, weight_decay=0.1)
    optimizer.param_groups[0]["apply_LARS"] = True
    add_lars(optimizer)
    for step in range(3):
        torch.manual_seed(10 * step + dist.rank())
        optimizer.zero_grad()
        model(torch.randn(4, 3, 2, 4, 4)).square().mean().backward()
        optimizer.step()
        average.update()
    assert is_sharded(average.net) == (parallel == "fsdp")
    named = {"net": dict(net.named_parameters()), "mean": average.state()["model_state"]}
    seen = {
        f"{of} {k}": whole(v).detach().clone()
        for of, each in named.items()
        for k, v in each.items()
    }
    more = {k: whole(v) + 1 for k, v in named["mean"].items()}
    average.load({"updates": 3, "model_state": more})
    loaded = average.state()["model_state"]
    assert all(torch.equal(whole(loaded[k]), v) for k, v in more.items())
    return seen


def compare_adapted() -> list[dict[str, torch.Tensor]]:
    half = torch.bfloat16
    return [adapted("ddp"), adapted("fsdp"), adapted("ddp", half), adapted("fsdp", half)]


def test_lars_means_and_short_gradients_are_the_same_in_parts(
    compared: tuple[Path, list[dict[str, Any]]],
) -> None:
    ddp, fsdp, ddp_half, fsdp_half = compared[1][0]["adapted"]
    for name, value in ddp.items():
        torch.testing.assert_close(fsdp[name], value, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fsdp_half[name], ddp_half[name], rtol=1e-4, atol=1e-5)
    weight, mean = "net block.weight", "mean block.weight"
    assert not torch.allclose(fsdp[weight], fsdp_half[weight], rtol=1e-5)
    assert not torch.allclose(fsdp[weight], fsdp[mean], rtol=1e-3)


def step_of_sgd(parallel: str) -> torch.Tensor:
    """A weight after two steps with Nesterov momentum, as most recipes have it."""
    torch.manual_seed(0)
    net = Net()
    net.drop_path = nn.Identity()
    model = wrap_model(net, device=CPU, parallel=parallel)
    optimizer = optimizer_from_cfg(net, get_cfg())
    for _ in range(2):
        model(torch.ones(4, 3, 2, 4, 4)).square().mean().backward()
        optimizer.step()
    return whole(net.head.weight).detach()


def content_of(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {"model_state": weights_of(net), "optimizer_state": optimizer.state_dict()}


def compare(folder: Path) -> dict[str, Any]:
    """What a rank sees of DDP and FSDP, and of checkpoints in between."""
    net, optimizer, figures = learn("fsdp")
    plain, _, expected = learn("ddp")
    content = content_of(net, optimizer)
    group = checkpoint_group()
    write_sharded(folder / "parts.dcp", *split(content), group)
    Saves().write(folder / "whole.pyth", content, then=lambda: None)
    seen = {"figures": figures, "expected": expected, "sharded": is_sharded(net)}
    seen["weights"] = {k: whole(v).detach() for k, v in content["model_state"].items()}
    seen["plain"] = {k: v.detach() for k, v in weights_of(plain).items()}
    seen["part"] = net.block.weight.to_local().shape
    seen["sgd"] = [step_of_sgd(parallel) for parallel in ("ddp", "fsdp")]
    seen["adapted"] = compare_adapted()
    seen["loaded"] = []
    for name in ("parts.dcp", "whole.pyth"):
        other = Net()
        wrap_model(other, device=CPU, parallel="fsdp")
        other_optimizer = torch.optim.AdamW(other.parameters(), lr=0.5)
        if name == "parts.dcp":
            parts = parts_of(other, other_optimizer, NoAverage(other))
            read = read_sharded(folder / name, source=name, like=parts)
            exp_avg = read["optimizer_state"]["state"][0]["exp_avg"]
            seen["read in parts"] = is_sharded(other) and hasattr(exp_avg, "full_tensor")
        else:
            read = read_checkpoint(folder / name)
        load_weights(other, read["model_state"], source=name)
        load_optimizer(other_optimizer, read["optimizer_state"])
        _, tensors = split(content_of(other, other_optimizer))
        _, wanted = split(content)
        seen["loaded"].append(
            all(torch.equal(whole(v), whole(wanted[k])) for k, v in tensors.items())
            and tensors.keys() == wanted.keys()
        )
    return seen


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of the checkpoints, and what each rank saw."""
    folder = tmp_path_factory.mktemp("compared")
    return folder, run_forked(compare, folder, processes=2, seconds=60)


def test_fsdp_learns_what_ddp_learns_and_its_checkpoints_hold_all_of_it(
    compared: tuple[Path, list[dict[str, Any]]],
) -> None:
    folder, (first, second) = compared
    for seen in (first, second):
        assert seen["figures"] == pytest.approx(seen["expected"], rel=1e-5)
        for name, value in seen["plain"].items():
            torch.testing.assert_close(seen["weights"][name], value, rtol=1e-4, atol=1e-5)
        assert seen["sharded"]
        torch.testing.assert_close(*seen["sgd"])
        assert seen["loaded"] == [True, True]
        assert seen["read in parts"]
    assert first["figures"][0] != second["figures"][0], "ranks have clips of their own"
    assert [tuple(seen["part"]) for seen in (first, second)] == [(3, 5), (2, 5)]
    for name in ("parts.dcp", "whole.pyth"):  # without any processes
        state = read_checkpoint(folder / name)["model_state"]
        assert all(torch.equal(value, first["weights"][key]) for key, value in state.items())


def test_one_process_has_all_of_the_network() -> None:
    net = Net()
    assert wrap_model(net, device=CPU, parallel="fsdp") is net
    assert not is_sharded(net)
    tensor = torch.ones(2)
    assert whole(tensor) is tensor
    assert as_like(tensor, tensor) is tensor
    buffers = buffers_of_first(net)
    assert list(buffers) == [name for name, _ in net.named_buffers()]
    assert buffers["stem.1.running_mean"] is not net.stem[1].running_mean


def test_parts_hand_on_nothing_that_fsdp_warns_of(recwarn: pytest.WarningsRecorder) -> None:
    """A lateral returns the Fast pathway as it came, which as a unit is a view of its input."""
    net = build_network(load_cfg(CONFIG), CPU)
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        shard(net, device=CPU)
        net([torch.rand(2, 3, 4, 48, 48), torch.rand(2, 3, 16, 48, 48)]).sum().backward()
    finally:
        distributed.destroy_process_group()
    assert is_sharded(net)
    assert "view" not in " ".join(str(each.message) for each in recwarn)


def test_reversible_blocks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mvit(num_classes=3, num_frames=4, crop_size=32, depth=2, dim=8, class_token=False,
               reversible=ReversibleOptions())  # fmt: skip
    monkeypatch.setattr(dist, "world_size", lambda: 2)
    with pytest.raises(ValueError, match=r"'fsdp' and MVIT\.REV\.ENABLE is True: .*'ddp'"):
        wrap_model(net, device=CPU, parallel="fsdp")


MVIT = {
    "MODEL.MODEL_NAME": "MViT",
    "MODEL.ARCH": "mvit",
    "MODEL.ACT_CHECKPOINT": True,
    "DATA.INPUT_CHANNEL_NUM": [3],
    "MVIT.DEPTH": 2,
    "MVIT.EMBED_DIM": 16,
    "MVIT.NUM_HEADS": 1,
    "MVIT.PATCH_KERNEL": [3, 7, 7],
    "MVIT.PATCH_STRIDE": [2, 8, 8],
    "MVIT.PATCH_PADDING": [1, 3, 3],
    "MVIT.DROPPATH_RATE": 0.3,
    "MVIT.DIM_MUL": [[1, 2.0]],
    "MVIT.HEAD_MUL": [[1, 2.0]],
    "MVIT.POOL_Q_STRIDE": [[1, 1, 2, 2]],
    "MVIT.POOL_KVQ_KERNEL": [3, 3, 3],
    "MVIT.POOL_KV_STRIDE_ADAPTIVE": [1, 2, 2],
    "SOLVER.OPTIMIZING_METHOD": "adamw",
    "SOLVER.LAYER_DECAY": 0.8,
    "SOLVER.CLIP_GRAD_L2NORM": 1.0,
    "EMA.ENABLE": True,
    "EMA.DECAY": 0.5,
    "TRAIN.GRAD_ACCUM_STEPS": 2,
    "TRAIN.CHECKPOINT_PERIOD_STEPS": 1,
}


def run_with(overrides: list[str]) -> None:
    train(load_cfg(CONFIG, overrides))


def figures(folder: Path) -> list[float]:
    lines = map(simplejson.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [v for line in lines for k, v in line.items() if k in ("loss", "grad_norm", "top1_err")]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_transformer_trains_in_parts_and_goes_on(
    tiny_in: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """An epoch with either, and after everything else that reads checkpoints, one more."""
    shared = [str(part) for pair in MVIT.items() for part in pair]
    sharded = ["TRAIN.PARALLEL", "fsdp", "TRAIN.CHECKPOINT_FORMAT", "sharded"]
    sharded += ["TRAIN.CHECKPOINT_ASYNC", "True"]
    runs = {"ddp": [], "fsdp": sharded}
    for name, keys in runs.items():
        overrides = [*tiny_in(tmp_path / name), *shared, *keys, "SOLVER.MAX_EPOCH", "1"]
        run_forked(run_with, overrides, processes=2)
    assert figures(tmp_path / "fsdp") == pytest.approx(figures(tmp_path / "ddp"), rel=1e-4)
    last = checkpoint_path(tmp_path / "fsdp", 1, kind="sharded")
    names = [path.name for path in list_checkpoints(tmp_path / "fsdp")]
    assert names == [last.name, *(f"checkpoint_epoch_00000_step_0000000{i}.dcp" for i in (2, 1))]
    whole_run = read_checkpoint(checkpoint_path(tmp_path / "ddp", 1))
    read = read_checkpoint(last)
    for name, value in whole_run["model_state"].items():
        torch.testing.assert_close(read["model_state"][name], value, rtol=1e-3, atol=1e-4)
    means = [each["slowfast"]["ema_state"]["model_state"] for each in (read, whole_run)]
    for name, value in means[1].items():
        torch.testing.assert_close(means[0][name], value, rtol=1e-3, atol=1e-4)
    assert read["slowfast"]["position"] == {"epoch": 1, "batch": 0}

    # Everything else that reads checkpoints.
    line = convert_checkpoint(last, tmp_path / "out.pyth")
    assert "averaged (EMA): " in line
    converted = read_checkpoint(tmp_path / "out.pyth")["model_state"]
    assert all(torch.equal(means[0][name], value) for name, value in converted.items())
    assert not is_sharded(Predictor.from_checkpoint(last, device="cpu").net)
    run_test(load_cfg(CONFIG, [*tiny_in(tmp_path / "fsdp"), *shared]))
    assert (tmp_path / "fsdp" / "test_results.json").is_file()

    keys = [*tiny_in(tmp_path / "fsdp"), *shared, "SOLVER.MAX_EPOCH", "2"]
    run_forked(run_with, [*keys, *sharded], processes=2)
    two = figures(tmp_path / "fsdp")
    again = [*tiny_in(tmp_path / "ddp"), *shared, "SOLVER.MAX_EPOCH", "2"]
    run_forked(run_with, again, processes=2)
    assert two == pytest.approx(figures(tmp_path / "ddp"), rel=1e-3)
