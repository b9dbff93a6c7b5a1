"""Multi-view testing: all clips and crops of a video from one pass over its file."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slowfast import dist
from slowfast.config import clips_per_process, with_values
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.batch import BadSample, Batch, Sample
from slowfast.data.datasets.build import build_loader, class_names_from_cfg
from slowfast.data.datasets.catalog import num_test_views_from_cfg
from slowfast.data.loader import EvalLoader
from slowfast.dist.gather import gather_rows, gather_to_main
from slowfast.engine.build import (
    amp_dtype_from_cfg,
    build_network,
    build_task,
    device_from_cfg,
)
from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.from_cfg import load_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import newest_whole, read_checkpoint
from slowfast.engine.class_order import refuse_other_order
from slowfast.engine.journal import Journal
from slowfast.engine.judge import Judge, Tested, judge_of
from slowfast.engine.meters import Progress, memory_gb
from slowfast.engine.pr_curves import write_curves
from slowfast.engine.record import open_run, record_data, write_json
from slowfast.engine.results import final_figures
from slowfast.engine.support import refuse_unsupported
from slowfast.engine.to_device import ToDevice
from slowfast.engine.unread import left_out_entry, samples_are
from slowfast.eval.ensemble import ViewEnsemble
from slowfast.log import LOGGER
from slowfast.tasks.base import Task


def test(cfg: Any) -> dict[str, Any]:
    """Test a checkpoint with TEST.NUM_ENSEMBLE_VIEWS x TEST.NUM_SPATIAL_CROPS views a video.

    Returns:
        The figures of the last entry of ``TEST.NUM_TEMPORAL_CLIPS`` (one test when empty).

    Raises:
        CheckpointError: there is no checkpoint to test; random weights are never tested.
    """
    refuse_unsupported(cfg)
    journal = open_run(cfg)
    device = device_from_cfg(cfg)
    task = build_task(cfg)
    net = build_network(cfg, device)
    class_names = load_tested_weights(net, cfg) or class_names_from_cfg(cfg, "test")
    # Ranks test different numbers of videos and share nothing meanwhile: a wrapper would wait.
    model: Any = torch.compile(net) if cfg.MODEL.COMPILE else net
    results: dict[str, Any] = {}
    for clips in cfg.TEST.NUM_TEMPORAL_CLIPS or [cfg.TEST.NUM_ENSEMBLE_VIEWS]:
        view_cfg = with_values(cfg, {"TEST.NUM_ENSEMBLE_VIEWS": clips})
        results = _test_views(model, task, view_cfg, journal, class_names, device)
    journal.close()
    return results


def load_tested_weights(net: nn.Module, cfg: Any) -> list[str]:
    """Load the checkpoint that the config names, or the newest of OUTPUT_DIR, strictly.

    Returns:
        The class names kept in the checkpoint; empty if it has none.

    Raises:
        ValueError: the data gives its classes other numbers.
    """
    source, kind = cfg.TEST.CHECKPOINT_FILE_PATH, cfg.TEST.CHECKPOINT_TYPE
    if not source:
        newest = dist.broadcast_object(
            newest_whole(cfg.OUTPUT_DIR, task=cfg.TASK) if dist.is_main() else None
        )
        source, kind = str(newest or cfg.TRAIN.CHECKPOINT_FILE_PATH), cfg.TRAIN.CHECKPOINT_TYPE
    if not source:
        raise CheckpointError(
            f"there is nothing to test: no checkpoint in {cfg.OUTPUT_DIR}/checkpoints, and "
            "TEST.CHECKPOINT_FILE_PATH is empty; name a checkpoint there, or train first "
            "(TRAIN.ENABLE True)"
        )
    content = read_checkpoint(source, caffe2=kind == "caffe2")
    report = load_from_cfg(net, content, cfg, source=source)
    LOGGER.info("testing %s: %s", source, report)
    names = class_names_of(content)
    if names:
        refuse_other_order(names, class_names_from_cfg(cfg, "test"), source=source)
    return names


@torch.inference_mode()
def score_views(
    model: nn.Module,
    task: Task,
    sample: Sample,
    *,
    device: torch.device,
    chunk: int,
    amp_dtype: torch.dtype | None = None,
) -> Tensor:
    """Scores of every view of a video, float32 (V, num_classes), on the CPU; size by size.

    The frames go to the device once, as uint8; views are cut there, ``chunk`` at a time.
    """
    sample = sample.to(device, non_blocking=True)
    scores = []
    for part in sample.by_size():
        for start in range(0, len(part.views), chunk):
            batch = Batch.of_views(part, start, min(start + chunk, len(part.views)))
            with torch.autocast(device.type, amp_dtype, enabled=amp_dtype is not None):
                scores.append(task.predict(model, batch))
    return torch.cat(scores).float().cpu()


def _test_views(
    model: nn.Module,
    task: Task,
    cfg: Any,
    journal: Journal,
    class_names: list[str],
    device: torch.device,
) -> dict[str, Any]:
    loader = build_loader(cfg, "test", rank=dist.rank(), world=dist.world_size())
    record_data(cfg, {"test": loader.dataset.records})
    bad = BadSampleLog(cfg.OUTPUT_DIR, max_fraction=cfg.DATA.MAX_BAD_FRACTION, rank=dist.rank())
    folder = Path(cfg.OUTPUT_DIR)
    for name in filter(None, (cfg.TEST.PREDICTIONS, cfg.TEST.SAVE_RESULTS_PATH)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)  # before hours of testing
    since = time.perf_counter()
    run = _run_views(model, task, loader, cfg, bad, device)
    if run is None:
        return {}
    records = loader.dataset.records
    rows, scores, labels = run.ensemble.complete()
    views = run.ensemble.num_views
    LOGGER.info("%d %s x %d views: each counted once", len(rows), run.judge.what, views)
    summed = cfg.DATA.ENSEMBLE_METHOD == "sum"
    means = scores / views if summed else scores
    unread = [item.video for item in run.left_out]
    tested = Tested(rows, means, labels, views, class_names, unread)
    results = run.judge.summarise(tested) | {
        "views_per_video": views,
        "num_views": len(rows) * views,
        "left_out": [left_out_entry(item) for item in run.left_out],
        "weights": "averaged (EMA)" if cfg.EMA.ENABLE else "trained",
        "seconds": time.perf_counter() - since,
    }
    if run.left_out:
        LOGGER.warning(
            "%d of %d %s could not be read and are in no figure; they are in %s/%s",
            len(run.left_out),
            len(records),
            samples_are(records),
            cfg.OUTPUT_DIR,
            "bad_samples.jsonl",
        )
    curves = results.pop("curves", None)
    write_json(folder / "test_results.json", results)
    if curves is not None:
        write_curves(folder, curves)
    if cfg.TEST.PREDICTIONS:
        run.judge.write(folder / cfg.TEST.PREDICTIONS, tested)
    if cfg.TEST.SAVE_RESULTS_PATH:
        with (folder / cfg.TEST.SAVE_RESULTS_PATH).open("wb") as file:
            pickle.dump([scores.float(), labels], file)  # the public layout: sums and labels
    counts: dict[str, Any] = {
        name: results[name] for name in ("num_videos", "num_boxes") if name in results
    }
    journal.write({"_type": "test_final", **final_figures(results), **counts, **memory_gb()})
    return results


@dataclass
class _Run:
    judge: Judge
    ensemble: ViewEnsemble
    left_out: list[BadSample]


def _run_views(
    model: nn.Module,
    task: Task,
    loader: EvalLoader,
    cfg: Any,
    bad: BadSampleLog,
    device: torch.device,
) -> _Run | None:
    """Score this rank's videos; what all ranks found, on rank 0 alone."""
    model.eval()
    ensemble = ViewEnsemble(
        num_views=num_test_views_from_cfg(cfg),
        num_classes=cfg.MODEL.NUM_CLASSES,
        method=cfg.DATA.ENSEMBLE_METHOD,
    )
    judge = judge_of(task, loader.dataset.records)
    chunk = clips_per_process(cfg, "TEST")
    amp = amp_dtype_from_cfg(cfg, enabled=cfg.TEST.MIXED_PRECISION)
    left_out: list[BadSample] = []
    with Progress("test", len(loader), shown=dist.is_main()) as progress:
        for item in ToDevice(loader, device):
            if isinstance(item, Sample):
                scores = score_views(model, task, item, device=device, chunk=chunk, amp_dtype=amp)
                for row in judge.rows(item, scores):
                    ensemble.update(*row)
                bad.add([], seen=1)
            else:
                left_out.append(item)
                bad.add([item], seen=1)
            progress.step()
    state, lists = gather_rows(ensemble.state()), gather_to_main(left_out)
    if state is None or lists is None:
        return None
    ensemble.merge([state])
    every = (item for items in lists for item in items)
    gathered = sorted(every, key=attrgetter("video"))
    ensemble.check_complete(judge.expected([item.video for item in gathered]))
    return _Run(judge, ensemble, gathered)
