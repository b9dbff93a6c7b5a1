"""Reads one file of the stress test, in a process of its own, and judges what came of it."""

from __future__ import annotations

import gc
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from slowfast.battery.damaged_videos import CANARY, PORT, Bad
from slowfast.battery.valid_videos import Valid, number_of
from slowfast.battery.watch import Watch
from slowfast.data.content import ContentManifest
from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.process_cost import Cost, measured, status

REQUESTS = 20  # of frames, at random, from each valid file
_FRAMES_HELD = 400  # of a bad file; more are not looked at


@dataclass(frozen=True)
class Verdict:
    """``fault`` is empty if a file was treated as it should be; ``outcome`` says how."""

    name: str
    outcome: str
    fault: str = ""
    cost: Cost = field(default_factory=Cost)


def check_valid(valid: Valid, *, seed: int) -> Verdict:
    """All frames in order, then requests at random: the right ones, and the same bytes."""
    name, chance = valid.path.name, random.Random(f"{seed} {valid.path.name}")
    with measured() as cost:
        try:
            with open_video(valid.path) as source:
                frames = list(source.frames(range(source.num_frames)))
                fault = _compare(frames, valid)
                for _ in range(REQUESTS):
                    count = chance.randint(1, min(6, len(frames)))
                    wanted = sorted(chance.sample(range(len(frames)), count))
                    for number, frame in zip(wanted, source.frames(wanted), strict=True):
                        if not torch.equal(frame, frames[number]):
                            fault = fault or f"frame {number} of request {wanted} is another one"
        except VideoError as error:
            fault = f"refused: {error.fault}"
    return Verdict(name, "right", fault, cost)


def _compare(frames: list[torch.Tensor], valid: Valid) -> str:
    shape = (valid.size[1], valid.size[0], 3)
    if len(frames) != valid.frames or tuple(frames[0].shape) != shape:
        return (
            f"expected {valid.frames} frames of {shape}, found {len(frames)} of "
            f"{tuple(frames[0].shape)}"
        )
    shown = [frame.flip(0, 1) if valid.turned else frame for frame in frames]
    numbers = [number_of(frame) for frame in shown]
    if numbers != list(range(valid.frames)):
        return f"expected frames 0 to {valid.frames - 1} in order, found {numbers}"
    return ""


def check_bad(bad: Bad, *, frames: int, sha256: str) -> Verdict:
    """Refused, or read right; within its limits. What is read wrong must differ by its hash.

    Args:
        frames: of the valid file that it was made of; 0: none.
        sha256: of that file; empty: none.
    """
    numbers: list[int | None] = []
    with measured() as cost:
        refused = _read(bad.path, numbers)
    fault = ""
    if bad.refused and not refused:
        fault = f"expected it to be refused, found {len(numbers)} frames"
    elif cost.seconds > bad.seconds:
        fault = f"took {cost.seconds:.2f} s, more than {bad.seconds:g}"
    elif cost.megabytes > bad.megabytes:
        fault = f"took {cost.megabytes:.0f} MB, more than {bad.megabytes:g}"
    if refused:
        return Verdict(bad.path.name, "refused", fault, cost)
    right = list(range(frames))
    outcome = "right" if numbers == right else "short" if numbers == right[: len(numbers)] else ""
    if not fault and sha256 and not _differs(bad.path, sha256):
        fault = "its hash is that of the valid file"
    return Verdict(bad.path.name, outcome or "wrong", fault, cost)


def check_playlist(bad: Bad) -> Verdict:
    """Refused without a look at what it names."""
    with Watch(bad.path.parent / CANARY, PORT) as watch:
        verdict = check_bad(bad, frames=0, sha256="")
        time.sleep(0.01)
    fault = verdict.fault or ", ".join(watch.seen)
    return Verdict(verdict.name, verdict.outcome, fault, verdict.cost)


def _read(path: Path, numbers: list[int | None]) -> bool:
    """Decode a file; whether it was refused, then or before."""
    try:
        with open_video(path) as source:
            wanted = range(min(source.num_frames, _FRAMES_HELD))
            numbers.extend(number_of(frame) for frame in source.frames(wanted))
    except VideoError:
        return True
    return False


def _differs(path: Path, sha256: str) -> bool:
    """Whether a run that compares hashes (DATA.VERIFY_CONTENT) would notice the damage."""
    row = {"path": str(path), "size": path.stat().st_size, "sha256": sha256}
    try:
        ContentManifest.of_rows([row], source="the valid file").check_hash(Record(str(path)))
    except VideoError:
        return True
    return False


@dataclass(frozen=True)
class Endurance:
    """Memory and open files over many decodes in one process."""

    decodes: int
    slope: float  # MB in 10,000 decodes, of the second half
    files_before: int
    files_after: int
    seconds: float


def decode_often(job: tuple[tuple[Path, ...], int]) -> Endurance:
    """Decode files in turn, whole or a few frames, good and bad ones, and watch the process."""
    paths, decodes = job
    chance, begin = random.Random(0), time.monotonic()
    samples: list[tuple[int, float]] = []
    files = 0
    for number in range(decodes):
        path = paths[number % len(paths)]
        try:
            with open_video(path) as source:
                first = chance.randrange(source.num_frames)
                for _ in source.frames(range(first, min(first + 8, source.num_frames))):
                    pass
        except VideoError:
            pass  # some of them are broken, and leak if they are not closed
        if number == decodes // 2:
            files = _open_files()
        if number >= decodes // 2 and number % max(decodes // 100, 25) == 0:
            gc.collect()
            samples.append((number, status("VmRSS") / 1024))
    slope = _slope(samples) * 10_000
    return Endurance(decodes, slope, files, _open_files(), time.monotonic() - begin)


def _slope(samples: list[tuple[int, float]]) -> float:
    """Of the straight line through the points, by least squares."""
    x = torch.tensor([number for number, _ in samples], dtype=torch.float64)
    y = torch.tensor([value for _, value in samples], dtype=torch.float64)
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum().clamp(min=1))


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0
