"""Tries the readers of checkpoints on hostile files, and on good ones with a few bytes changed."""

from __future__ import annotations

import argparse
import ctypes
import io
import os
import pickle
import random
import socket
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slowfast.battery.hostile_pickles import ENVIRONMENT, write_hostile
from slowfast.config import ConfigError, cfg_from_text, dump_cfg
from slowfast.data.isolated import Limits, run_isolated
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.formats import write_weights
from slowfast.engine.checkpoint.integrity import CheckpointError, hash_path
from slowfast.engine.checkpoint.state import read_checkpoint
from slowfast.engine.predict import Predictor

# What reading one file may take, on top of what the process has at rest.
LIMITS = Limits(seconds=20, megabytes=512)
_NETWORK = ("MODEL.ARCH", "slow", "MODEL.MODEL_NAME", "ResNet", "RESNET.WIDTH_PER_GROUP", "4")
_SMALL = ("DATA.TRAIN_CROP_SIZE", "32", "DATA.TEST_CROP_SIZE", "32", "MODEL.NUM_CLASSES", "5")
_FRAMES = ("DATA.NUM_FRAMES", "8", "DATA.INPUT_CHANNEL_NUM", "[3]")


@dataclass(frozen=True)
class Answer:
    """What a reader did with a file: refused it in one line, or took it."""

    outcome: str  # "refused", "read", or what else it did
    traces: tuple[str, ...] = ()  # of code that ran


def run(folder: Path, args: argparse.Namespace) -> int:
    """S1; returns the number of faults."""
    seed, workers = getattr(args, "seed", 0), getattr(args, "workers", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        hostile = write_hostile(folder / "hostile", port=server.getsockname()[1])
        canary = folder / "hostile" / "canary"
        faults = check(f"S1 {len(hostile)} hostile files", hostile, canary, workers, may_read=False)
        mutated = write_mutated(folder / "mutated", count=500, seed=seed)
        title = f"S1 {len(mutated)} files with bytes changed, and no hash"
        faults += check(title, mutated, canary, workers, may_read=True)
        try:
            server.accept()
            print("  somebody connected")
            faults += 1
        except BlockingIOError:
            pass  # nobody came
    return faults


def check(title: str, files: list[Path], canary: Path, workers: int, *, may_read: bool) -> int:
    """Read each file in a process of its own that may not grow, and count what is wrong."""
    counts: Counter[str] = Counter()
    faults = []
    for outcome in run_isolated(
        partial(answer, canary=canary), files, workers=workers, limits=LIMITS
    ):
        got = outcome.value or Answer(f"ended its process ({outcome.lost})")
        counts[got.outcome if got.outcome in ("refused", "read") else "other"] += 1
        allowed = ("refused", "read") if may_read else ("refused",)
        if got.outcome not in allowed or got.traces:
            faults.append(f"{outcome.item.name}: {got.outcome} {' '.join(got.traces)}")
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{title}: {told}; {len(faults)} faults")
    for fault in sorted(faults)[:20]:
        print(f"  {fault}")
    return len(faults)


def answer(path: Path, *, canary: Path) -> Answer:
    """Read a file as training does, and as `slowfast predict` does."""
    before = dict(os.environ)
    outcomes = [_outcome(partial(read_checkpoint, path))]
    if outcomes[0] == "read":
        outcomes.append(_outcome(partial(Predictor.from_checkpoint, path, device="cpu")))
    traces = []
    if canary.exists():
        traces.append("left a file")
        canary.rmdir() if canary.is_dir() else canary.unlink()
    # What os.putenv does is not seen in os.environ.
    if dict(os.environ) != before or ctypes.CDLL(None).getenv(ENVIRONMENT.encode()):
        traces.append("changed the environment")
    wrong = [outcome for outcome in outcomes if outcome not in ("refused", "read")]
    return Answer(wrong[0] if wrong else outcomes[-1], tuple(traces))


def _outcome(read: Any) -> str:
    try:
        read()
        return "read"
    except (CheckpointError, ConfigError) as error:
        return "refused" if "\n" not in str(error) else f"told more than a line: {error}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"[:200]


def write_mutated(folder: Path, *, count: int, seed: int) -> list[Path]:
    """Good files of each kind with one to eight bytes changed."""
    folder.mkdir(parents=True)
    choose, kinds = random.Random(seed), list(_good(folder).items())
    paths = []
    for number in range(count):
        name, good = kinds[number % len(kinds)]
        broken = bytearray(good)
        # Most of a file is numbers; what describes them is at its ends.
        near = choose.choice((0, len(broken) // 2, len(broken) - 1))
        for _ in range(choose.randint(1, 8)):
            place = choose.randrange(len(broken))
            if choose.random() < 0.7:
                place = min(max(near + choose.randint(-1500, 1500), 0), len(broken) - 1)
            broken[place] = choose.randrange(256)
        path = folder / f"{number:03d}_{name}"
        path.write_bytes(broken)
        paths.append(path)
    return paths


def _good(folder: Path) -> dict[str, bytes]:
    cfg = cfg_from_text("NUM_GPUS: 0\n", [*_NETWORK, *_FRAMES, *_SMALL])
    state = build_network(cfg, torch.device("cpu")).state_dict()
    files = {}
    for name in ("zip.pyth", "weights.safetensors"):
        path = folder / name
        write_weights(path, state, config=dump_cfg(cfg), class_names=tuple("abcde"))
        files[name] = path.read_bytes()
        path.unlink()
        hash_path(path).unlink()
    old = io.BytesIO()
    content = {"model_state": state, "cfg": dump_cfg(cfg), "epoch": 1}
    torch.save(content, old, _use_new_zipfile_serialization=False)
    files["old.pyth"] = old.getvalue()
    blobs = {"conv1_w": np.ones((8, 3, 1, 7, 7), "f4"), "res_conv1_bn_rm": np.zeros(8, "f4")}
    for protocol in (0, 2):
        files[f"caffe2_{protocol}.pkl"] = pickle.dumps({"blobs": blobs, "lr": 0.1}, protocol)
    return files
