"""Each task on several ranks: one of them killed, one without boxes, one with nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import simplejson
import torch

from slowfast import dist
from slowfast.battery.fault_traces import differences, outcome_of
from slowfast.battery.faults import Fault, Plan, train_with_faults
from slowfast.battery.forked import run_forked
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.boxes import GivenBoxes
from slowfast.data.datasets.build import build_loader
from slowfast.data.record import Record
from slowfast.data.samplers import TrainBatches
from slowfast.engine.build import Trainer, build_network, build_task, build_trainer
from slowfast.engine.checkpoint.state import (
    checkpoint_path,
    list_checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from slowfast.engine.evaluate import evaluate
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train
from slowfast.viz.report import write_report

FIGURES = ("_type", "epoch", "iter", "loss", "grad_norm", "map", "top1_err", "max_map")
# What ranks do not share is left out: statistics of batches, and noise of each one's own.
EQUAL_ON_RANKS = {
    "MODEL.DROPOUT_RATE": 0.0,
    "MODEL.FROZEN_BN": True,
    "SOLVER.OPTIMIZING_METHOD": "sgd",
    "TRAIN.CHECKPOINT_PERIOD_STEPS": 1,
    "TRAIN.GRAD_ACCUM_STEPS": 2,
    "EMA.ENABLE": True,
    "EMA.DECAY": 0.5,
}

Configure = Callable[..., Any]


def records(cfg: Any) -> list[dict[str, Any]]:
    lines = (Path(cfg.OUTPUT_DIR) / "metrics.jsonl").read_text().splitlines()
    return [simplejson.loads(line) for line in lines]


def figures(cfg: Any) -> list[tuple[Any, ...]]:
    return [tuple(record.get(key) for key in FIGURES) for record in records(cfg)]


def trained_and_tested(*runs: tuple[Any, Plan]) -> None:
    """Run on every rank."""
    for cfg, plan in runs:
        train_with_faults(cfg, plan)
        run_test(cfg)


def figures_of_test(cfg: Any) -> dict[str, Any]:
    results: dict[str, Any] = simplejson.loads(
        (Path(cfg.OUTPUT_DIR) / "test_results.json").read_text()
    )
    return {key: value for key, value in results.items() if key != "seconds"}


def assert_same_weights(cfg: Any, alone: Any) -> None:
    mine, theirs = (
        read_checkpoint(list_checkpoints(each.OUTPUT_DIR)[0])["model_state"]
        for each in (cfg, alone)
    )
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-6, atol=1e-6)


def assert_as_alone(cfg: Any, alone: Any) -> None:
    """Weights, losses, norms of gradients and figures, as far as rounding goes."""
    assert_same_weights(cfg, alone)
    for kind in ("train_epoch", "val_epoch"):
        mine, theirs = (
            {
                name: record[name]
                for record in records(each)
                for name in FIGURES[3:]
                if record["_type"] == kind and name in record
            }
            for each in (cfg, alone)
        )
        assert len(mine) >= 1
        assert mine == pytest.approx(theirs, rel=1e-5)
    found, expected = figures_of_test(cfg), figures_of_test(alone)
    assert found["weights"] == "averaged (EMA)"
    for name in ("top1", "map"):
        assert found.get(name) == pytest.approx(expected.get(name), abs=1e-6)
    counts = [name for name in expected if name.startswith("num_")]
    assert len(counts) >= 2
    for name in (*counts, "views_per_video", "left_out"):
        assert found[name] == expected[name]


def evaluated_and_tested(cfgs: list[Any]) -> list[dict[str, float] | None]:
    """Run on every rank; the figures of validation."""
    found = []
    for cfg in cfgs:
        run_test(cfg)
        bad = BadSampleLog(cfg.OUTPUT_DIR, max_fraction=0.0, rank=dist.rank())
        loader = build_loader(cfg, "val", rank=dist.rank(), world=dist.world_size())
        net, device = build_network(cfg, torch.device("cpu")), torch.device("cpu")
        found.append(evaluate(net, build_task(cfg), loader, device=device, bad=bad))
    return found


def with_lists_of(count: int, source: Path, folder: Path) -> Path:
    """The lists of a data set, with the first ``count`` videos of validation and test."""
    folder.mkdir(parents=True)
    beyond = [f"{split}{i:05d}" for split in ("val_", "val/", "test/") for i in range(count, 12)]
    for file in filter(Path.is_file, source.iterdir()):
        lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not any(name in line for name in beyond)]
        (folder / file.name).write_text("".join(kept))
    return folder


@pytest.fixture
def shortened(motions: Path, objects: Path, tmp_path: Path) -> Callable[[str, int], dict[str, Any]]:
    """(task, number of videos) -> overrides with so many in validation and test."""

    def of(task: str, count: int) -> dict[str, Any]:
        sources = {"labels": objects / "labels", "boxes": objects / "boxes"}
        key = "AVA__ANNOTATION_DIR" if task == "boxes" else "DATA__PATH_TO_DATA_DIR"
        return {key: with_lists_of(count, sources.get(task, motions), tmp_path / f"{task}{count}")}

    return of


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", ["classification", "labels", "boxes"])
def test_two_ranks_of_which_one_is_killed_end_as_one_that_was_not(
    configure: Configure, shortened: Callable[..., Any], task: str, tmp_path: Path
) -> None:
    """SIGKILL in mid-epoch, the same command again, and a test; then one process alone."""
    keys = {key.replace(".", "__"): value for key, value in EQUAL_ON_RANKS.items()}
    keys |= shortened(task, 5)  # an odd number
    alone = configure(task, "alone", **keys)
    trained_and_tested((alone, Plan(tmp_path / "alone" / "traces")))

    keys["TRAIN__BATCH_SIZE"] = alone.TRAIN.BATCH_SIZE // 2  # of each rank, which is a machine here
    kill = Fault("signal", 2, rank=1)
    runs = {
        name: (configure(task, name, **keys), Plan(tmp_path / name / "traces", faults))
        for name, faults in (("whole", ()), ("killed", (kill,)))
    }
    with pytest.raises(RuntimeError, match="onnection"):
        run_forked(trained_and_tested, *runs.values(), processes=2)
    cfg, plan = runs["killed"]
    assert list_checkpoints(cfg.OUTPUT_DIR)[0].name.endswith("step_00000002.pyth")
    run_forked(trained_and_tested, (cfg, plan), processes=2)

    whole, killed = (outcome_of(each.OUTPUT_DIR, p.folder) for each, p in runs.values())
    assert differences(whole, killed) == []
    assert len(killed.steps) == 12, "two parts of three steps on two ranks"
    assert figures(cfg) == figures(runs["whole"][0])
    found = figures_of_test(cfg)
    assert found == figures_of_test(runs["whole"][0])
    assert_as_alone(cfg, alone)
    html = Path(write_report(cfg.OUTPUT_DIR)).read_text()
    assert f"{found['top1' if task == 'classification' else 'map']:.1f}" in html


@pytest.mark.slow
def test_more_ranks_than_videos_find_what_one_finds(
    configure: Configure, shortened: Callable[..., Any]
) -> None:
    """Validation and test of two samples by three ranks, of which one has nothing to do."""
    lists = {task: shortened(task, 2) for task in ("boxes", "labels")}
    found = []
    for world in (1, 3):
        cfgs = []
        for task in lists:
            cfg = configure(task, f"{task}{world}", **lists[task], TEST__BATCH_SIZE=2)
            weights = build_network(cfg, torch.device("cpu")).state_dict()
            write_checkpoint(checkpoint_path(cfg.OUTPUT_DIR, 1), {"model_state": weights})
            cfgs.append(cfg)
        many = partial(run_forked, evaluated_and_tested, processes=world)
        every = many(cfgs) if world > 1 else [evaluated_and_tested(cfgs)]
        found.append((every[0], [figures_of_test(cfg) for cfg in cfgs]))
        assert all(metrics == every[0] for metrics in every)
    assert found[0] == found[1]
    assert [results["num_views"] for results in found[1][1]] == [5, 12], "boxes and views"


@dataclass(frozen=True)
class Deserted:
    """Keyframes, some of which nobody is in."""

    records: Any
    rows: frozenset[int]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, row: int) -> Record:
        record: Record = self.records[row]
        if row not in self.rows or record.boxes is None:
            return record
        boxes = record.boxes
        nobody = GivenBoxes(boxes.corners[:0], boxes.labels[:0], boxes.scores[:0])
        return replace(record, boxes=nobody)

    def fingerprint(self) -> dict[str, str | int]:
        return dict(self.records.fingerprint())


def with_nobody(cfg: Any) -> Trainer:
    """In the second step of four clips nobody is in the last two: all that a second rank has."""
    trainer = build_trainer(cfg)
    batches, data = trainer.loader.batches, trainer.loader.dataset
    assert isinstance(batches, TrainBatches)
    data.records = Deserted(data.records, frozenset(batches.order(0)[6:8].tolist()))
    return trainer


def train_with_nobody(cfg: Any) -> None:
    train(cfg, build=with_nobody)


@pytest.mark.slow
def test_a_rank_without_boxes_learns_what_one_process_does(configure: Configure) -> None:
    keys = {key.replace(".", "__"): value for key, value in EQUAL_ON_RANKS.items()}
    alone = configure("boxes", "alone", **keys)
    train_with_nobody(alone)
    cfg = configure("boxes", "ranks", **keys, TRAIN__BATCH_SIZE=alone.TRAIN.BATCH_SIZE // 2)
    run_forked(train_with_nobody, cfg, processes=2)
    assert_same_weights(cfg, alone)
    mine, theirs = (
        [r["grad_norm"] for r in records(each) if r["_type"] == "train_iter"]
        for each in (cfg, alone)
    )
    assert mine == pytest.approx(theirs, rel=1e-5)
    assert len(mine) == 3
