"""Mirrors slowfast/engine/ema.py."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import simplejson
import torch
from torch import nn

from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.engine.build import build_network, build_trainer
from slowfast.engine.checkpoint.from_cfg import load_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import checkpoint_path, read_checkpoint
from slowfast.engine.ema import Ema, average_from_cfg
from slowfast.engine.resume import resume
from slowfast.engine.stop import Interrupted
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train
from slowfast.ops.sub_batchnorm import SubBatchNorm3d
from slowfast.tasks.classification import Classification

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
AVERAGED = ["EMA.ENABLE", "True", "EMA.DECAY", "0.5"]


def test_means_by_hand() -> None:
    net = nn.BatchNorm3d(1)
    ema = Ema(net, copy.deepcopy(net), decay=0.75)
    assert ema.net is net
    for step, value in enumerate((4.0, 8.0, 0.0), start=1):
        with torch.no_grad():
            net.weight.fill_(value)
            net.running_mean.fill_(10 * value)
            net.num_batches_tracked.fill_(step)
        ema.update()
    assert ema.net.weight.item() == (4 * 0.75 + 8 * 0.25) * 0.75
    assert ema.net.running_mean.item() == 37.5
    assert ema.net.num_batches_tracked.item() == 3
    assert net.weight.item() == 0


def test_statistics_of_parts_are_gathered_anew_for_each_evaluation() -> None:
    net = SubBatchNorm3d(1, splits=2)
    ema = Ema(net, copy.deepcopy(net), decay=0.5)
    for value, mean in ((1.0, 1.0), (3.0, 2.0)):
        net.split_bn.running_mean.fill_(value)
        ema.update()
        assert ema.net.eval().bn.running_mean.item() == mean


def test_off_it_is_the_network_itself() -> None:
    net = nn.Linear(2, 2)
    average = average_from_cfg(net, get_cfg())
    average.update()
    assert average.net is net
    assert average.state() == {}


def test_the_mean_of_another_network_is_told(tiny: list[str], tmp_path: Path) -> None:
    file = str(tmp_path / "a.pyth")
    cfg = load_cfg(CONFIG, [*tiny, *AVERAGED, "TRAIN.CHECKPOINT_FILE_PATH", file])
    trainer = build_trainer(cfg)
    weights = trainer.net.state_dict()
    mean = {**weights, "head.projection.bias": torch.zeros(99)}
    ours = {"ema_state": {"updates": 1, "model_state": mean}}
    torch.save({"model_state": weights, "epoch": 0, "slowfast": ours}, file)
    with pytest.raises(CheckpointError, match=r"a\.pyth: the averaged weights \(EMA\) are not of"):
        resume(trainer, cfg)


@pytest.mark.slow
def test_it_is_kept_exactly_evaluated_and_tested(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off after four of six steps; the test uses the mean, and says so."""
    options = [*tiny, *AVERAGED, "SOLVER.MAX_EPOCH", "1", "TRAIN.CHECKPOINT_PERIOD_STEPS", "2"]
    train(load_cfg(CONFIG, [*options, "OUTPUT_DIR", str(tmp_path / "whole")]))
    real, calls = Classification.loss, []

    def loss(self: Classification, model: object, batch: object) -> dict:
        calls.append(batch)
        if len(calls) == 5:
            raise RuntimeError("the power failed")
        return real(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Classification, "loss", loss)
        with pytest.raises((RuntimeError, Interrupted), match="the power failed"):
            train(load_cfg(CONFIG, options))
    train(load_cfg(CONFIG, options))
    whole, resumed = (
        read_checkpoint(checkpoint_path(tmp_path / name, 1))["slowfast"]["ema_state"]
        for name in ("whole", "run")
    )
    assert whole["updates"] == resumed["updates"] == 6
    for name, value in whole["model_state"].items():
        assert torch.equal(value, resumed["model_state"][name]), name

    cfg = load_cfg(CONFIG, options)
    content = read_checkpoint(checkpoint_path(tmp_path / "run", 1))
    net = build_network(cfg, torch.device("cpu"))
    load_from_cfg(net, content, cfg, source="a.pyth")
    weight = net.state_dict()["head.projection.weight"]
    assert torch.equal(weight, whole["model_state"]["head.projection.weight"])
    assert not torch.equal(weight, content["model_state"]["head.projection.weight"])

    trainer = build_trainer(cfg)
    resume(trainer, cfg)
    evaluated = trainer.average.net.state_dict()["head.projection.weight"]
    assert torch.equal(evaluated, weight)
    results = []
    for enable in ("True", "False"):
        run_test(load_cfg(CONFIG, [*options, "EMA.ENABLE", enable]))
        results.append(simplejson.loads((tmp_path / "run" / "test_results.json").read_text()))
    assert [result["weights"] for result in results] == ["averaged (EMA)", "trained"]
    log = (tmp_path / "run" / "stdout.log").read_text()
    assert "the averaged weights (EMA) are used" in log
    assert "the weights of its last step are used, not their average" in log


def test_a_checkpoint_without_it_is_named() -> None:
    cfg = with_values(get_cfg(), {"EMA.ENABLE": True})
    with pytest.raises(CheckpointError, match=r"^a\.pyth: EMA\.ENABLE is True, but .* has no aver"):
        load_from_cfg(nn.Linear(2, 2), {"model_state": {}}, cfg, source="a.pyth")
