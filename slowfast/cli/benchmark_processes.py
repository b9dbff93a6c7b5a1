"""Real training by several processes: clips a second, and where the time goes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch

from slowfast import dist
from slowfast.config import load_cfg, with_values
from slowfast.data.batch import Batch
from slowfast.data.datasets.motions import make_motions
from slowfast.engine.build import Trainer, build_trainer
from slowfast.engine.meters import Clock, Speed, memory_gb
from slowfast.engine.resume import save
from slowfast.engine.step import Stepper
from slowfast.engine.to_device import ToDevice
from slowfast.log import setup_logging
from slowfast.randomness import seed_from_key

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"
WARM_UP = 2  # steps, of each kind
Row = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """Of one rank.

    Args:
        clips_per_s: of all ranks together, with their exchange of gradients.
        waiting: share of the time spent waiting for data.
        exchanging: share of a step that it takes longer than without exchange of gradients.
        saving: share of an epoch of these videos, saved once.
        save_s: seconds that saving takes.
        memory_gb: most that the process had at a time; on a GPU, of the GPU.
    """

    clips_per_s: float
    waiting: float
    exchanging: float
    saving: float
    save_s: float
    memory_gb: float


def measure_processes(
    cfg_file: str | Path | None,
    opts: Sequence[str],
    *,
    processes: Sequence[int],
    repeats: int,
    steps: int,
) -> list[Row]:
    """A row for each number of processes; medians of ``repeats`` runs that were taken in turns.

    The batch of a step is the same whatever the number. On a CPU each process has one thread.

    Args:
        cfg_file: what to train, on the built-in data set if its own is not here; None: a small
            network on a CPU.
        steps: of a run, with exchange; as many follow without.
    """
    runs: dict[int, list[list[Measured]]] = {number: [] for number in processes}
    with tempfile.TemporaryDirectory(prefix="slowfast-train-") as folder:
        cfg = _cfg(cfg_file, opts, Path(folder))
        for _ in range(repeats):
            for number in processes:
                one = with_values(cfg, {"NUM_GPUS": number if cfg.NUM_GPUS else 0})
                settings = {
                    "processes": number,
                    "backend": cfg.DIST_BACKEND if cfg.NUM_GPUS else "gloo",
                    "output_dir": cfg.OUTPUT_DIR,
                }
                runs[number].append(dist.launch(measure_rank, one, steps, **settings))
    rows = [_row(cfg, number, found) for number, found in runs.items()]
    return [row | {"ratio": rows[0]["ms"] / row["ms"]} for row in rows]


def _cfg(cfg_file: str | Path | None, opts: Sequence[str], folder: Path) -> Any:
    """The config, with the built-in data set where its own list of videos is not there."""
    usual = ["TRAIN.BATCH_SIZE", "16", "DATA_LOADER.NUM_WORKERS", "1", "NUM_GPUS", "0"]
    options = [*(usual if cfg_file is None else []), *opts, "OUTPUT_DIR", str(folder / "run")]
    cfg = load_cfg(cfg_file or CONFIG, overrides=options)
    if (Path(cfg.DATA.PATH_TO_DATA_DIR) / "train.csv").is_file():
        return cfg
    make_motions(folder, sizes=(4 * cfg.TRAIN.BATCH_SIZE, 4, 4), workers=0)
    places = {"DATA.PATH_TO_DATA_DIR": str(folder), "DATA.PATH_PREFIX": str(folder)}
    return with_values(cfg, {"TRAIN.DATASET": "kinetics", "TEST.DATASET": "kinetics"} | places)


def measure_rank(cfg: Any, steps: int) -> list[Measured]:
    """Train a few steps as one of the ranks that there are; what all of them measured."""
    setup_logging(rank=1)  # the console is for the table
    if not cfg.NUM_GPUS:
        torch.set_num_threads(1)
    trainer = build_trainer(cfg)
    trainer.model.train()
    # The same step on the network itself, of whose gradients the other ranks learn nothing.
    alone = replace(trainer.stepper, model=trainer.net)
    batches = _endless(trainer)
    numbers = count()
    with_exchange = _Steps(trainer, cfg, trainer.stepper, numbers)
    without = _Steps(trainer, cfg, alone, numbers)
    for batch in islice(batches, WARM_UP):
        with_exchange(batch)
        without(batch)
    with_exchange.seconds.clear()
    without.seconds.clear()
    clock = Clock()
    begun = clock.snapshot()
    for batch in clock.batches(islice(batches, steps)):
        clock.update(with_exchange(batch) * dist.world_size())
    speed = Speed.between(begun, clock.snapshot())
    for batch in islice(batches, steps):
        without(batch)
    begin = time.perf_counter()
    save(trainer, cfg)
    save_s = time.perf_counter() - begin
    step, bare = statistics.median(with_exchange.seconds), statistics.median(without.seconds)
    epoch_s = len(trainer.loader) * speed.seconds / steps
    memory = memory_gb()
    return dist.gather_objects(
        Measured(
            clips_per_s=speed.clips_per_s,
            waiting=speed.data_wait,
            exchanging=max(1 - bare / step, 0.0),
            saving=save_s / (save_s + epoch_s),
            save_s=save_s,
            memory_gb=memory.get("gpu_mem", memory.get("RAM", 0.0)),
        )
    )


@dataclass
class _Steps:
    """Optimizer steps, each timed until the device has done it."""

    trainer: Trainer
    cfg: Any
    stepper: Stepper
    numbers: Iterator[int]

    def __post_init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, batch: Batch) -> int:
        """Return the clips of the batch."""
        begin, device = time.perf_counter(), self.trainer.device
        batch = self.trainer.augment(batch.to(device, non_blocking=True))
        seed = seed_from_key(self.cfg.RNG_SEED, "step", next(self.numbers), dist.rank())
        self.stepper(batch, 1e-4, seed=seed)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.seconds.append(time.perf_counter() - begin)
        return len(batch)


def _endless(trainer: Trainer) -> Iterator[Batch]:
    for epoch in count():
        trainer.loader.set_position(epoch)
        yield from ToDevice(trainer.loader, trainer.device)


def _row(cfg: Any, number: int, runs: list[list[Measured]]) -> Row:
    """Of each run the slowest rank, or the one that needs most; of the runs the median."""

    def median(of: Callable[[list[float]], float], name: str) -> float:
        return statistics.median(of([asdict(rank)[name] for rank in run]) for run in runs)

    rate = median(min, "clips_per_s")
    return {
        "source": cfg.MODEL.ARCH,
        "what": f"{number} process(es), {cfg.TRAIN.BATCH_SIZE} clips a step",
        "ms": 1000 * cfg.TRAIN.BATCH_SIZE / rate,
        "clips_per_s": rate,
        **{name: median(max, name) for name in ("waiting", "exchanging", "saving", "save_s")},
        "memory_gb": median(max, "memory_gb"),
        "processes": number,
    }


def print_processes(rows: list[Row]) -> None:
    print(
        f"\n{'training':<38} {'clips/s':>8} {'ratio':>6} {'data':>6} {'exchange':>9} {'saving':>7} "
        f"{'save ms':>8} {'GB each':>8}"
    )
    for row in rows:
        print(
            f"{row['what']:<38} {row['clips_per_s']:8.1f} {row['ratio']:6.2f} "
            f"{row['waiting']:6.0%} {row['exchanging']:9.0%} {row['saving']:7.0%} "
            f"{1000 * row['save_s']:8.0f} {row['memory_gb']:8.2f}"
        )
