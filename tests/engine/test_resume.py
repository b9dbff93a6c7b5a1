"""Mirrors slowfast/engine/resume.py: a run that was killed ends like one that was not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import simplejson
import torch

from slowfast.config import load_cfg
from slowfast.engine.build import build_network, build_trainer
from slowfast.engine.checkpoint.formats import write_weights
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import (
    checkpoint_path,
    list_checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from slowfast.engine.resume import resume
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train
from slowfast.engine.training_state import state_of
from slowfast.log import LOGGER
from slowfast.tasks.classification import Classification

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"

# Trains in a process of its own and kills itself with SIGKILL before its n-th step.
KILLED = """
import os, signal, sys
from slowfast.config import load_cfg
from slowfast.engine.step import Stepper
from slowfast.engine.train import train

left, real = int(sys.argv[1]), Stepper.__call__

def step(self, *args, **kwargs):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return real(self, *args, **kwargs)

Stepper.__call__ = step
if __name__ == "__main__":
    train(load_cfg(sys.argv[2], sys.argv[3:]))
"""


def figures(folder: Path) -> list[tuple]:
    """Everything in metrics.jsonl that does not depend on the clock."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    names = ("_type", "epoch", "iter", "loss", "lr", "grad_norm", "top1_err", "min_top1_err")
    return [tuple(simplejson.loads(line).get(name) for name in names) for line in lines]


def assert_same(a: object, b: object, where: str = "") -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


# By default test_augmented_training.py breaks a run off, in its own process, and continues it.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kill_before_step", "workers", "norm"),
    [(4, 2, "batchnorm"), (9, 0, "batchnorm"), (9, 2, "sub_batchnorm")],
)
def test_killed_and_resumed_is_bit_identical(
    tiny: list[str], tmp_path: Path, kill_before_step: int, workers: int, norm: str
) -> None:
    """Six steps an epoch, two epochs, a checkpoint each second step; killed in either epoch."""
    precise = ["BN.USE_PRECISE_STATS", "True", "BN.NUM_BATCHES_PRECISE", "2"]
    kind = ["BN.NORM_TYPE", norm, "BN.NUM_SPLITS", "2"]
    shared = [*tiny, *precise, *kind, "TRAIN.CHECKPOINT_PERIOD_STEPS", "2"]
    train(load_cfg(CONFIG, [*shared, "OUTPUT_DIR", str(tmp_path / "whole")]))

    broken = ["OUTPUT_DIR", str(tmp_path / "broken"), "DATA_LOADER.NUM_WORKERS", str(workers)]
    command = [sys.executable, "-c", KILLED, str(kill_before_step), str(CONFIG), *shared, *broken]
    assert subprocess.run(command, capture_output=True).returncode == -9
    before = list_checkpoints(tmp_path / "broken")
    assert before, "nothing was saved before the kill"
    assert before[0].name.endswith("_step_00000004.pyth" if kill_before_step == 4 else "2.pyth")
    train(load_cfg(CONFIG, [*shared, *broken]))

    assert figures(tmp_path / "broken") == figures(tmp_path / "whole")
    last = [checkpoint_path(tmp_path / name, 2) for name in ("whole", "broken")]
    whole, resumed = (read_checkpoint(path) for path in last)
    for name in ("epoch", "model_state", "optimizer_state", "scaler_state", "slowfast"):
        assert_same(whole[name], resumed[name], name)
    assert not [key for key in whole["model_state"] if "split_bn" in key]


def test_a_batch_norm_of_parts_scores_alike_when_read_as_plain(
    tiny: list[str], tmp_path: Path
) -> None:
    """Statistics are aggregated before they are saved: the same scores with either kind."""
    epoch = ["SOLVER.MAX_EPOCH", "1"]
    sub = ["BN.NORM_TYPE", "sub_batchnorm", "BN.NUM_SPLITS", "2"]
    train(load_cfg(CONFIG, [*tiny, *epoch, *sub]))
    results = []
    for kind in ([], sub, ["BN.NORM_TYPE", "sub_batchnorm", "BN.NUM_SPLITS", "4"]):
        run_test(load_cfg(CONFIG, [*tiny, *kind]))
        lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
        results.append([simplejson.loads(line)["scores"] for line in lines])
    torch.testing.assert_close(torch.tensor(results[1]), torch.tensor(results[0]))
    torch.testing.assert_close(torch.tensor(results[2]), torch.tensor(results[0]))


def test_beginning_at_the_end_of_another_run_is_refused(tiny: list[str], tmp_path: Path) -> None:
    train(load_cfg(CONFIG, [*tiny, "SOLVER.MAX_EPOCH", "1"]))
    source = ["TRAIN.CHECKPOINT_FILE_PATH", str(checkpoint_path(tmp_path / "run", 1))]
    other = [*tiny, "SOLVER.MAX_EPOCH", "1", "OUTPUT_DIR", str(tmp_path / "other"), *source]
    with pytest.raises(CheckpointError, match=r"after epoch 1, .*nothing is left to train.*RESET"):
        train(load_cfg(CONFIG, other))


def test_a_finished_run_trains_no_more(tiny: list[str], tmp_path: Path) -> None:
    cfg = load_cfg(CONFIG, [*tiny, "SOLVER.MAX_EPOCH", "1"])
    train(cfg)
    first = figures(tmp_path / "run")
    train(cfg)
    assert figures(tmp_path / "run") == first


def test_public_checkpoints_go_on_after_their_epoch(tiny: list[str], tmp_path: Path) -> None:
    """The public layout has no entry of ours: training goes on at the next whole epoch."""
    train(load_cfg(CONFIG, [*tiny, "SOLVER.MAX_EPOCH", "1"]))
    content = read_checkpoint(checkpoint_path(tmp_path / "run", 1))
    del content["slowfast"], content["scaler_state"]
    torch.save(content, tmp_path / "public.pyth")
    other = [*tiny, "OUTPUT_DIR", str(tmp_path / "next")]
    train(load_cfg(CONFIG, [*other, "TRAIN.CHECKPOINT_FILE_PATH", str(tmp_path / "public.pyth")]))
    epochs = {record[1] for record in figures(tmp_path / "next")}
    assert epochs == {2}


def test_other_classes_need_leave_and_start_at_the_first_epoch(
    tiny: list[str], tmp_path: Path
) -> None:
    train(load_cfg(CONFIG, [*tiny, "SOLVER.MAX_EPOCH", "1"]))
    source = str(checkpoint_path(tmp_path / "run", 1))
    names = tmp_path / "names.txt"
    names.write_text("".join(f"class {i}\n" for i in range(20)))
    other = [*tiny, "OUTPUT_DIR", str(tmp_path / "other"), "MODEL.NUM_CLASSES", "20"]
    other += ["DATA.CLASS_NAMES_FILE", str(names)]
    other += ["TRAIN.CHECKPOINT_FILE_PATH", source, "SOLVER.MAX_EPOCH", "1"]
    with pytest.raises(CheckpointError, match="--allow-partial"):
        train(load_cfg(CONFIG, other))
    train(load_cfg(CONFIG, [*other, "TRAIN.ALLOW_PARTIAL", "True"]))
    assert {record[1] for record in figures(tmp_path / "other")} == {1}


def test_resuming_in_mid_epoch_with_other_data_or_another_batch_is_refused(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, batches = Classification.loss, []

    def loss(self: Classification, model: object, batch: object) -> dict:
        batches.append(batch)
        if len(batches) == 4:
            raise RuntimeError("the power failed")
        return real(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Classification, "loss", loss)
        with pytest.raises(RuntimeError, match="the power failed"):
            train(load_cfg(CONFIG, [*tiny, "TRAIN.CHECKPOINT_PERIOD_STEPS", "2"]))
    with pytest.raises(CheckpointError, match=r"in the middle of an epoch of 6 batches.*has 3 now"):
        train(load_cfg(CONFIG, [*tiny, "DATA.LOADER_CHUNK_SIZE", "12"]))
    other = [*tiny, "TRAIN.BATCH_SIZE", "8", "SOLVER.MAX_EPOCH", "1"]
    with pytest.raises(CheckpointError, match=r"with 4 clips a step.* takes 8.*BATCH_SIZE so .*4;"):
        train(load_cfg(CONFIG, other))
    train(load_cfg(CONFIG, [*other, "TRAIN.ALLOW_BATCH_CHANGE", "True"]))
    log = (tmp_path / "run" / "stdout.log").read_text()
    assert "with 4 clips a step; going on with 8, after 1 of 3 iterations of epoch 1" in log
    steps = [record[2] for record in figures(tmp_path / "run") if record[0] == "train_iter"]
    assert steps == [1, 2, 3]  # the first is of the run before


def test_changed_settings_are_named(tiny: list[str], tmp_path: Path) -> None:
    train(load_cfg(CONFIG, [*tiny, "SOLVER.MAX_EPOCH", "1"]))
    train(load_cfg(CONFIG, [*tiny, "SOLVER.MAX_EPOCH", "1", "SOLVER.WEIGHT_DECAY", "0.5"]))
    log = (tmp_path / "run" / "stdout.log").read_text()
    assert "was saved with SOLVER.WEIGHT_DECAY 0.02; going on with 0.5" in log
    groups = read_checkpoint(list_checkpoints(tmp_path / "run")[0])["optimizer_state"]
    assert [group["weight_decay"] for group in groups["param_groups"]] == [0.0, 0.02]
    cfg = load_cfg(CONFIG, [*tiny, "SOLVER.WEIGHT_DECAY", "0.5", "SOLVER.BETAS", "[0.5, 0.6]"])
    trainer = build_trainer(cfg)
    assert resume(trainer, cfg)
    groups = trainer.stepper.optimizer.param_groups  # it really goes on with them
    assert [(g["weight_decay"], g["betas"]) for g in groups] == [
        (0.0, (0.5, 0.6)),
        (0.5, (0.5, 0.6)),
    ]
    # Another part that has as many parameters: states would pass from one to the other.
    cfg = load_cfg(CONFIG, [*tiny, "MODEL.FREEZE", "['s2']"])
    trainer = build_trainer(cfg)
    with pytest.raises(CheckpointError, match=r"differ in s2\.\S+ and \d+ more: .*OUTPUT_DIR$"):
        resume(trainer, cfg)


def test_an_evaluation_that_a_crash_cut_off_is_made_up_for(tiny: list[str], tmp_path: Path) -> None:
    train(load_cfg(CONFIG, tiny))
    whole = figures(tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    lines = metrics.read_text().splitlines()
    metrics.write_text("\n".join(lines[:-1]) + "\n")  # the last evaluation is gone
    train(load_cfg(CONFIG, tiny))
    assert figures(tmp_path / "run")[:-1] == whole[:-1]
    assert figures(tmp_path / "run")[-1][:3] == whole[-1][:3]


def test_a_run_that_begins_anew_is_not_mistaken_for_the_one_before(
    tiny: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a test nor the next start may take the older run's furthest checkpoint."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    cfg = load_cfg(CONFIG, [*tiny, "TRAIN.AUTO_RESUME", "False"])
    trainer = build_trainer(cfg)
    for epoch in (1, 5):
        write_checkpoint(checkpoint_path(cfg.OUTPUT_DIR, epoch), state_of(trainer, cfg))
    assert not resume(trainer, cfg)
    assert list_checkpoints(cfg.OUTPUT_DIR) == []
    assert (tmp_path / "run" / "checkpoints" / "set_aside" / "checkpoint_epoch_00005.pyth").exists()
    assert "2 checkpoint(s) in OUTPUT_DIR are further than where this run" in caplog.text


def test_a_run_never_goes_on_from_another_network(tiny: list[str], tmp_path: Path) -> None:
    """TRAIN.ALLOW_PARTIAL is for what a run starts from: each start would begin at epoch 1."""
    cfg = load_cfg(CONFIG, tiny)
    trainer = build_trainer(cfg)
    trainer.position.epoch = 2
    write_checkpoint(checkpoint_path(cfg.OUTPUT_DIR, 2), state_of(trainer, cfg))
    cfg = load_cfg(CONFIG, [*tiny, "RESNET.WIDTH_PER_GROUP", "4", "TRAIN.ALLOW_PARTIAL", "True"])
    with pytest.raises(CheckpointError, match=r"00002\.pyth: is of another network.*another one"):
        resume(build_trainer(cfg), cfg)
    assert checkpoint_path(cfg.OUTPUT_DIR, 2).exists()


def test_decay_and_momentum_are_those_of_the_config(tiny: list[str], tmp_path: Path) -> None:
    """The log says so (above), and the optimizer state of the file must not undo it."""
    cfg = load_cfg(CONFIG, tiny)
    trainer = build_trainer(cfg)
    content = {"model_state": trainer.net.state_dict(), "epoch": 0}
    content["optimizer_state"] = trainer.stepper.optimizer.state_dict()
    torch.save(content, tmp_path / "a.pyth")
    source = ["TRAIN.CHECKPOINT_FILE_PATH", str(tmp_path / "a.pyth")]
    cfg = load_cfg(
        CONFIG, [*tiny, *source, "SOLVER.WEIGHT_DECAY", "0.5", "SOLVER.BETAS", "0.8,0.9"]
    )
    trainer = build_trainer(cfg)
    resume(trainer, cfg)
    groups = trainer.stepper.optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.0, 0.5]
    assert {group["betas"] for group in groups} == {(0.8, 0.9)}


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        # The fused kernel would read and write behind the end of these.
        ({"exp_avg": torch.ones(1)}, r"exp_avg 0 is \(1,\), its parameter \(\d+,"),
        ({"step": torch.ones(2)}, r"step 0 is \(2,\), its parameter"),
        ({"exp_avg": "text"}, "exp_avg 0 is str, and no tensor"),
        ({"momentum_buffer": torch.ones(1)}, "it keeps exp_avg, .*momentum_buffer.* belong"),
    ],
)
def test_optimizer_state_of_other_tensors_is_refused(
    kept: dict[str, Any], reason: str, tiny: list[str], tmp_path: Path
) -> None:
    cfg = load_cfg(CONFIG, [*tiny, "TRAIN.CHECKPOINT_FILE_PATH", str(tmp_path / "a.pyth")])
    trainer = build_trainer(cfg)
    state = trainer.stepper.optimizer.state_dict()
    first = trainer.stepper.optimizer.param_groups[0]["params"][0]
    fitting = {name: torch.zeros_like(first) for name in ("exp_avg", "exp_avg_sq")}
    state["state"] = {0: {"step": torch.tensor(1.0), **fitting, **kept}}
    content = {"model_state": trainer.net.state_dict(), "epoch": 0, "optimizer_state": state}
    torch.save(content, tmp_path / "a.pyth")
    with pytest.raises(CheckpointError, match=rf"a\.pyth: the optimizer state .*{reason}"):
        resume(trainer, cfg)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pkl"])
def test_weights_of_every_kind_start_a_run(name: str, tiny: list[str], tmp_path: Path) -> None:
    state = build_network(load_cfg(CONFIG, tiny), torch.device("cpu")).state_dict()
    state["head.projection.weight"].add_(1)
    source = tmp_path / name
    if source.suffix == ".pkl":
        head = {"pred_w": "head.projection.weight", "conv1_w": "s1.pathway0_stem.conv.weight"}
        head |= {"res2_0_branch2a_w": "s2.pathway0_res0.branch2.a.weight"}
        blobs = {blob: state[key].numpy() for blob, key in head.items()}
        source.write_bytes(pickle.dumps({"blobs": blobs}, 2))
    else:
        write_weights(source, state)
    start = [*tiny, "TRAIN.CHECKPOINT_FILE_PATH", str(source), "TRAIN.CHECKPOINT_TYPE", "caffe2"]
    cfg = load_cfg(CONFIG, [*start, "TRAIN.ALLOW_PARTIAL", str(source.suffix == ".pkl")])
    trainer = build_trainer(cfg)
    assert not torch.equal(trainer.net.head.projection.weight, state["head.projection.weight"])
    assert not resume(trainer, cfg)
    assert torch.equal(trainer.net.head.projection.weight, state["head.projection.weight"])
    assert trainer.position.epoch == 0


def test_flat_kernels_are_inflated_as_the_key_says(tiny: list[str], tmp_path: Path) -> None:
    cfg = load_cfg(CONFIG, tiny)
    state = build_network(cfg, torch.device("cpu")).state_dict()
    name = "s1.pathway1_stem.conv.weight"  # 5 frames
    flat = state[name][:, :, 0]
    torch.save({"model_state": state | {name: flat}}, tmp_path / "flat.pyth")
    flat_start = [*tiny, "TRAIN.CHECKPOINT_FILE_PATH", str(tmp_path / "flat.pyth")]
    keys = {"TRAIN.CHECKPOINT_INFLATE": 5, "TRAIN.CHECKPOINT_IN_INIT": 1}
    for key, factor in keys.items():
        cfg = load_cfg(CONFIG, [*flat_start, key, "True"])
        trainer = build_trainer(cfg)
        assert not resume(trainer, cfg)
        kernel = trainer.net.state_dict()[name]
        torch.testing.assert_close(kernel[:, :, 4] * factor, flat)
    both = load_cfg(CONFIG, [*flat_start, *(word for key in keys for word in (key, "True"))])
    with pytest.raises(ValueError, match="are both True"):
        resume(build_trainer(both), both)


@pytest.mark.parametrize("state", [None, "text", {"state": 3}, {"param_groups": [None]}])
def test_a_state_that_is_none_is_named(state: Any, tiny: list[str], tmp_path: Path) -> None:
    cfg = load_cfg(CONFIG, [*tiny, "TRAIN.CHECKPOINT_FILE_PATH", str(tmp_path / "a.pyth")])
    trainer = build_trainer(cfg)
    content = {"model_state": trainer.net.state_dict(), "epoch": 0, "optimizer_state": state}
    torch.save({**content, "slowfast": {"position": "here"}}, tmp_path / "a.pyth")
    with pytest.raises(CheckpointError, match=r"a\.pyth: the optimizer state does not fit"):
        resume(trainer, cfg)
