"""Mirrors slowfast/engine/train.py: what a run writes, and how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import simplejson
import torch

from slowfast.cli.run import main
from slowfast.config import load_cfg
from slowfast.engine.build import build_trainer
from slowfast.engine.checkpoint.state import list_checkpoints, read_checkpoint
from slowfast.engine.stop import StopSignal
from slowfast.engine.train import _precise_bn, _verdict, train
from slowfast.tasks.classification import Classification

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


@pytest.fixture(scope="module")
def run(tiny_in: Callable[[Path], list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two epochs that writes all it can, and which no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    everything = ["LOG_MODEL_INFO", "True", "TENSORBOARD.ENABLE", "True"]
    train(load_cfg(CONFIG, [*tiny_in(folder), *everything]))
    return folder


def test_a_run_leaves_the_public_files(run: Path) -> None:
    names = {p.name for p in (run / "checkpoints").iterdir() if p.suffix == ".pyth"}
    assert names >= {"checkpoint_epoch_00001.pyth", "checkpoint_epoch_00002.pyth"}
    assert "checkpoint_best.pyth" in names
    for name in ("config.yaml", "stdout.log", "metrics.jsonl", "model.json"):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "runs-kinetics").glob("events*"))
    content = read_checkpoint(run / "checkpoints" / "checkpoint_epoch_00002.pyth")
    assert content["epoch"] == 1
    assert {"model_state", "optimizer_state", "cfg", "scaler_state"} <= set(content)
    assert content["slowfast"]["class_names"][0] == "left"
    assert load_cfg(run / "config.yaml").SOLVER.MAX_EPOCH == 2


def test_records_hold_what_the_log_of_the_field_holds(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    records = [simplejson.loads(line) for line in lines]
    kinds = [r["_type"] for r in records]
    assert kinds == ([*["train_iter"] * 6, "train_epoch", "val_epoch"]) * 2
    wanted = {"dt", "dt_data", "dt_net", "eta", "loss", "lr", "grad_norm", "top1_err", "top5_err"}
    assert wanted <= set(records[0])
    assert {"top1_err", "top5_err", "min_top1_err", "min_top5_err"} <= set(records[7])
    mean = sum(r["loss"] for r in records[:6]) / 6
    assert records[6]["loss"] == pytest.approx(mean, rel=1e-9)
    log = (run / "stdout.log").read_text()
    assert '"_type": "train_epoch"' in log
    assert "waiting for data" in log


@pytest.mark.slow
def test_synchronised_batch_norm_in_one_process(tiny: list[str], tmp_path: Path) -> None:
    sync = ["BN.NORM_TYPE", "sync_batchnorm", "BN.NUM_SYNC_DEVICES", "8", "SOLVER.MAX_EPOCH", "1"]
    for name, extra in (("plain", []), ("sync", sync)):
        folder = ["SOLVER.MAX_EPOCH", "1", "OUTPUT_DIR", str(tmp_path / name)]
        train(load_cfg(CONFIG, [*tiny, *extra, *folder]))
    path = Path("checkpoints") / "checkpoint_epoch_00001.pyth"
    plain, synced = (read_checkpoint(tmp_path / n / path)["model_state"] for n in ("plain", "sync"))
    assert list(plain) == list(synced)
    assert all(torch.equal(plain[key], synced[key]) for key in plain)


def test_a_loss_that_is_not_a_number_names_its_videos(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Classification.loss, []

    def loss(self: Classification, model: object, batch: object) -> dict:
        calls.append(batch)
        out = real(self, model, batch)
        return out | {"loss": out["loss"] * (float("nan") if len(calls) == 3 else 1.0)}

    monkeypatch.setattr(Classification, "loss", loss)
    with pytest.raises(ValueError, match=r"the loss is nan at epoch 1, iteration 3") as caught:
        train(load_cfg(CONFIG, tiny))
    saved = torch.load(tmp_path / "run" / "nonfinite_batch_rank0.pt", weights_only=True)
    assert saved["paths"] == calls[2].paths
    assert torch.equal(saved["clips"], calls[2].clips)
    assert all(path in str(caught.value) for path in saved["paths"])
    assert "SOLVER.BASE_LR" in str(caught.value)


def test_sigterm_saves_this_very_step(
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = Classification.loss

    def loss(self: Classification, model: object, batch: object) -> dict:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, model, batch)

    monkeypatch.setattr(Classification, "loss", loss)
    assert main(["--cfg", str(CONFIG), *tiny]) == 75
    out = capsys.readouterr().out
    assert "the same command goes on from there" in out
    (newest,) = list_checkpoints(tmp_path / "run")
    assert newest.name.endswith("_step_00000001.pyth")
    assert newest.name in out


@pytest.mark.slow
def test_sigterm_from_outside_ends_the_command(tiny: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-u", str(ROOT / "tools" / "run_net.py"), "--cfg", str(CONFIG)]
    options = [*tiny, "SOLVER.MAX_EPOCH", "200"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "json_stats" in line:
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stdout.read()
    assert process.wait() == 75
    assert "the same command goes on from there" in rest
    (newest, *_) = list_checkpoints(tmp_path / "run")
    assert newest.name in rest


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("MULTIGRID.LONG_CYCLE", "True", r"MULTIGRID\.LONG_CYCLE is for learning rates in steps"),
        ("DATA.MULTI_LABEL", "True", r"MODEL\.LOSS_FUNC is 'cross_entropy', but with DATA\.MULTI"),
        ("NUM_GPUS", "64", r"NUM_GPUS is 64, but PyTorch finds \d+ CUDA device"),
        ("MODEL.LOSS_FUNC", "contrastive_loss", r"MODEL\.LOSS_FUNC is 'contrastive_loss'"),
        ("TRAIN.AMP_DTYPE", "int8", "TRAIN.AMP_DTYPE"),
        ("DETECTION.ENABLE", "True", r"DETECTION\.ENABLE is True, .*set them to 'bce' and 'sigm"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    tiny: list[str], key: str, value: str, message: str
) -> None:
    batch = ["TRAIN.BATCH_SIZE", "64", "TEST.BATCH_SIZE", "64"] if key == "NUM_GPUS" else []
    options = [*tiny, *batch, "TRAIN.MIXED_PRECISION", "True", key, value]
    with pytest.raises(ValueError, match=message):
        train(load_cfg(CONFIG, options))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], r"HEAD_ACT is 'softmax', but with DATA.MULTI_LABEL .*; set it to 'sigmoid'"),
        (
            ["MODEL.HEAD_ACT", "sigmoid", "MODEL.LABEL_SMOOTHING", "0.1"],
            r"MODEL.LABEL_SMOOTHING is 0",
        ),
    ],
)
def test_classes_of_several_labels_do_not_depend_on_each_other(
    tiny: list[str], keys: list[str], message: str
) -> None:
    several = ["DATA.MULTI_LABEL", "True", "MODEL.LOSS_FUNC", "bce_logit", *keys]
    with pytest.raises(ValueError, match=message):
        train(load_cfg(CONFIG, [*tiny, *several]))


@pytest.mark.parametrize("reversible", [pytest.param(False, marks=pytest.mark.slow), True])
def test_transformers_train(reversible: bool, tiny: list[str], tmp_path: Path) -> None:
    """From a config to a checkpoint, with what their recipes use that others do not."""
    changes = {
        "MODEL.MODEL_NAME": "MViT",
        "MODEL.ARCH": "mvit",
        "MODEL.ACT_CHECKPOINT": "True",
        "MVIT.DEPTH": "2",
        "MVIT.EMBED_DIM": "16",
        "MVIT.NUM_HEADS": "2",
        "MVIT.PATCH_PADDING": "[1, 3, 3]",
        "MVIT.POOL_KV_STRIDE_ADAPTIVE": "[1, 2, 2]",
        "MVIT.CLS_EMBED_ON": str(not reversible),
        "MVIT.REV.ENABLE": str(reversible),
        "SOLVER.OPTIMIZING_METHOD": "adamw",
        "SOLVER.LAYER_DECAY": "0.75",
        "SOLVER.ZERO_WD_1D_PARAM": "True",
        "SOLVER.MAX_EPOCH": "1",
        "TRAIN.MIXED_PRECISION": "True",
        "TRAIN.AMP_DTYPE": "bfloat16",
    }
    train(load_cfg(CONFIG, [*tiny, *(part for pair in changes.items() for part in pair)]))
    content = read_checkpoint(tmp_path / "run" / "checkpoints" / "checkpoint_epoch_00001.pyth")
    prefix = "rev_backbone.layers.1.F.attn" if reversible else "blocks.1.attn"
    assert f"{prefix}.pool_k.weight" in content["model_state"]
    rates = {group["layer_decay"] for group in content["optimizer_state"]["param_groups"]}
    assert rates == {1.0, 0.75, 0.75**2, 0.75**3}


def test_the_verdict_counts_the_loaders_of_all_processes_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of those that are on CPUs, where NUM_GPUS is 0."""
    for name, value in {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    asked = []
    speed = SimpleNamespace(verdict=lambda workers, cores: asked.append(workers))
    cfg = load_cfg(CONFIG, ["NUM_GPUS", "0"])
    _verdict(speed, SimpleNamespace(num_workers=3), cfg)
    assert asked == [12]


def test_the_averaged_network_that_is_evaluated_gets_statistics_of_its_own(
    tiny: list[str],
) -> None:
    keys = ["EMA.ENABLE", "True", "BN.USE_PRECISE_STATS", "True", "BN.NUM_BATCHES_PRECISE", "1"]
    cfg = load_cfg(CONFIG, [*tiny, *keys])
    trainer = build_trainer(cfg)
    assert trainer.average.net is trainer.net, "before the first step"
    trainer.average.update()
    name = next(name for name, _ in trainer.net.named_buffers() if name.endswith("running_var"))
    with StopSignal() as stop:
        _precise_bn(trainer, cfg, stop, epoch=0)
    trained, averaged = (net.get_buffer(name) for net in (trainer.net, trainer.average.net))
    assert not torch.equal(averaged, torch.ones_like(averaged))
    assert torch.equal(averaged, trained)  # the same weights so far
