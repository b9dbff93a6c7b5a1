"""Battery: evaluation, sampling and merging by many ranks (L1, L2 and L3)."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import simplejson
import torch

from slowfast import dist
from slowfast.config import load_cfg
from slowfast.data.bad_samples import BadSampleLog
from slowfast.data.datasets.build import build_loader
from slowfast.data.datasets.motions import make_motions
from slowfast.data.samplers import EvalBatches, TrainBatches
from slowfast.dist.gather import gather_rows
from slowfast.engine.build import build_network, build_task, device_from_cfg
from slowfast.engine.checkpoint.state import checkpoint_path, write_checkpoint
from slowfast.engine.evaluate import evaluate
from slowfast.engine.results import summarise, write_predictions
from slowfast.engine.test import test
from slowfast.eval.ensemble import ViewEnsemble
from slowfast.process_cost import measured

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
RANKS = 1024
SAMPLES = 10_000_000
LIMIT = 2.0  # seconds of processor time that merging may take a rank
PATTERNS = 64  # different scores of a video; making 600,000 would take longer than merging them


def run(folder: Path, args: argparse.Namespace) -> int:
    """All checks, a line each; the number of those that failed."""
    faults = 0
    for videos, views in ((7, 5), (2, 3)):
        faults += check_evaluation(folder / f"{videos} videos", videos=videos, views=views)
    faults += check_partitions()
    return faults + check_merging(folder)


def check_evaluation(folder: Path, *, videos: int, views: int, ranks: int = 4) -> int:
    """L1: val and test of ``videos``, one of them broken, by 1 to ``ranks`` processes."""
    options = write_run(folder, videos=videos, views=views)
    alone: dict[str, Any] = {}
    faults = []
    for world in range(1, ranks + 1):
        output = folder / f"{world} processes"
        cfg = load_cfg(CONFIG, [*options, "OUTPUT_DIR", str(output)])
        weights = build_network(cfg, torch.device("cpu")).state_dict()
        write_checkpoint(checkpoint_path(output, 1), {"model_state": weights})
        dist.launch(evaluate_and_test, cfg, processes=world)
        found = read_figures(output)
        alone = alone or found
        faults += [f"{world} processes: {fault}" for fault in differences(found, alone)]
    counts = (alone["num_videos"], alone["views_per_video"], alone["bad"])
    if counts != (videos - 1, views, [1, 1]):
        faults.append(f"1 process: counted {counts}")
    print(
        f"L1 {videos} videos, one broken, of {views} views by 1 to {ranks} processes: val and test "
        f"{'; '.join(faults) or 'equal'}"
    )
    return len(faults)


def write_run(folder: Path, *, videos: int, views: int) -> list[str]:
    """Data and overrides of a run on a CPU whose val and test list has one broken video."""
    make_motions(folder, sizes=(4, videos, videos), workers=0)
    (folder / "broken.mp4").write_text("404 not found")
    for split in ("val", "test"):
        lines = (folder / f"{split}.csv").read_text().splitlines()
        lines[1] = "broken.mp4 0"
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    settings = {
        "DATA.MAX_BAD_FRACTION": 1.0,
        "DATA.ON_BAD_SAMPLE": "skip",
        "DATA.PATH_PREFIX": folder,
        "DATA.PATH_TO_DATA_DIR": folder,
        "DATA.TEST_CROP_SIZE": 32,
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA_LOADER.NUM_WORKERS": 0,
        "NUM_GPUS": 0,
        "RESNET.WIDTH_PER_GROUP": 8,
        "TEST.BATCH_SIZE": 12,  # as that of training
        "TEST.MIXED_PRECISION": False,
        "TEST.NUM_ENSEMBLE_VIEWS": views,
        "TEST.NUM_SPATIAL_CROPS": 1,
        "TRAIN.BATCH_SIZE": 12,  # divides among 1, 2, 3 and 4
    }
    return [str(part) for pair in settings.items() for part in pair]


def evaluate_and_test(cfg: Any) -> None:
    """Run on every rank; leaves ``val.json`` beside what a test leaves."""
    torch.set_num_threads(1)
    test(cfg)
    device = device_from_cfg(cfg)
    metrics = evaluate(
        build_network(cfg, device),
        build_task(cfg),
        build_loader(cfg, "val", rank=dist.rank(), world=dist.world_size()),
        device=device,
        bad=BadSampleLog(Path(cfg.OUTPUT_DIR) / "val", max_fraction=1.0, rank=dist.rank()),
    )
    (Path(cfg.OUTPUT_DIR) / f"val{dist.rank()}.json").write_text(simplejson.dumps(metrics))


def read_figures(output: Path) -> dict[str, Any]:
    """What `evaluate_and_test` found, with the scores of each video by its name."""
    results = simplejson.loads((output / "test_results.json").read_text())
    lines = map(simplejson.loads, (output / "predictions.jsonl").read_text().splitlines())
    bad = [folder / "bad_samples.jsonl" for folder in (output, output / "val")]
    return {
        **{key: results[key] for key in ("top1", "top5", "num_videos", "views_per_video")},
        "confusion": results["confusion"],
        "left_out": results["left_out"],
        "bad": [len(file.read_text().splitlines()) for file in bad],
        "scores": {Path(line["video"]).name: line["scores"] for line in lines},
        "val": {file.read_text() for file in output.glob("val*.json")},
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of the figures that differ, scores by more than 1e-6."""
    faults = [key for key, value in expected.items() if key != "scores" and found[key] != value]
    scores, wanted = found["scores"], expected["scores"]
    if scores.keys() != wanted.keys():
        return [*faults, "videos"]
    apart = (abs(a - b) for name in wanted for a, b in zip(scores[name], wanted[name], strict=True))
    return [*faults, *(["scores"] if max(apart) > 1e-6 else [])]


def check_partitions() -> int:
    """L2: what 1,024 ranks take of an epoch, and how long finding a place in 10 M takes."""
    faults = 0
    for size, batch in ((5000, 1024), (100_003, 8192), (240_436, 65_536)):
        whole = TrainBatches(size, batch, rank=0, world=1, seed=1).rows()
        ranks = [TrainBatches(size, batch, rank=r, world=RANKS, seed=1) for r in range(RANKS)]
        shared = torch.stack([each.rows() for each in ranks], dim=1).flatten(1)
        taken = [torch.tensor(EvalBatches(size, 8, rank=r, world=RANKS).rows) for r in range(RANKS)]
        complete = torch.equal(torch.cat(taken).sort().values, torch.arange(size))
        faults += not (torch.equal(shared, whole) and complete)
        faults += len(shared.unique()) != size // batch * batch
    place = TrainBatches(SAMPLES, 4096, rank=RANKS - 1, world=RANKS, seed=1)
    place.set_position(3, len(place) - 2)
    seconds = []
    for _ in range(3):  # other programs may take the processor or its caches for a while
        used = time.process_time()
        with measured() as cost:
            next(iter(place))
        seconds.append(time.process_time() - used)
    late = min(seconds) > 1
    print(
        f"L2 {RANKS} ranks: {faults} of 6 partitions overlap or leave out; a place in "
        f"{SAMPLES:,} samples is found in {min(seconds):.2f} s with {cost.megabytes:.0f} MB"
        f"{', too late' if late else ''}"
    )
    return faults + int(late)


def check_merging(
    folder: Path, *, videos: int = 20_000, views: int = 30, classes: int = 400
) -> int:
    """L3: scores of ``videos`` x ``views`` clips, merged by 1, 2 and 4 processes."""
    faults = 0
    for world in (1, 2, 4):
        seconds, wall, error = dist.launch(merge_scores, videos, views, classes, processes=world)
        fault = max(seconds) > LIMIT or error > 1e-9
        faults += fault
        print(
            f"L3 {videos * views:,} scores x {classes} classes, {world} process(es): "
            f"{max(seconds):.2f} s of processor time a rank ({wall:.2f} s in all), error "
            f"{error:.0e}{', a fault' if fault else ''}"
        )
    scores = torch.rand(videos, classes, dtype=torch.float64)
    labels, names = torch.arange(videos) % classes, [f"{video}.mp4" for video in range(videos)]
    with measured() as cost:
        summarise(scores, labels, [], classes)
        write_predictions(folder / "predictions.jsonl", names, scores, labels, [], views=views)
    print(f"L3 figures and predictions.jsonl: {cost.seconds:.1f} s, {cost.megabytes:.0f} MB")
    return faults


def merge_scores(videos: int, views: int, classes: int) -> tuple[list[float], float, float]:
    """Seconds of processor time by rank, seconds in all, and the largest error of a sum."""
    torch.set_num_threads(1)
    patterns = torch.rand(PATTERNS, views, classes, generator=torch.Generator().manual_seed(0))
    ids = torch.arange(views)
    ensemble = ViewEnsemble(num_views=views, num_classes=classes)
    dist.barrier()
    begin, used = time.perf_counter(), time.process_time()
    for video in range(dist.rank(), videos, dist.world_size()):
        ensemble.update(video, ids, patterns[video % PATTERNS], video % classes)
    rows = gather_rows(ensemble.state())
    error = 0.0
    if rows is not None:
        ensemble.merge([rows])
        ensemble.check_complete(videos)
        _, sums, _ = ensemble.complete()
    used, wall = time.process_time() - used, time.perf_counter() - begin
    if rows is not None:
        expected = patterns.double().sum(1)[torch.arange(videos) % PATTERNS]
        error = float((sums - expected).abs().max())
    return dist.gather_objects(used), wall, error
