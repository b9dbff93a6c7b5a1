"""Try the readers on odd, damaged and hostile files that are made here."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from slowfast.battery.damaged_videos import (
    CANARY,
    write_bombs,
    write_damaged,
    write_non_videos,
    write_playlists,
)
from slowfast.battery.valid_videos import KINDS, write_kind, write_valid
from slowfast.battery.video_checks import (
    REQUESTS,
    Endurance,
    Verdict,
    check_bad,
    check_playlist,
    check_valid,
    decode_often,
)
from slowfast.data.content import sha256_of
from slowfast.data.isolated import Limits, run_isolated
from slowfast.data.record import Record

ORIGINALS = (  # what damaged files are made of
    *("plain.mp4", "index_first.mp4", "fragments.mp4", "plain.mkv", "vp9.webm"),
    *("plain.ts", "mpeg4.avi", "hevc.mp4", "av1.mkv"),
)
_LIMITS = Limits(seconds=30, megabytes=1024)  # past these a process is ended
_SLOPE = 1.0  # MB in 10,000 decodes


def run(folder: Path, args: argparse.Namespace) -> int:
    """Files of all kinds, and many decodes; returns the number of faults."""
    valid = list(write_valid(folder / "valid", seed=args.seed))
    by_name = {each.path.name: each for each in valid}
    check = partial(check_valid, seed=args.seed)
    faults = _group(f"valid, {REQUESTS} requests each", check, valid, args.workers)

    non_videos = write_non_videos(folder / "non_videos", seed=args.seed)
    bad = partial(check_bad, frames=0, sha256="")
    faults += _group("no videos", bad, non_videos, args.workers)

    for name in (name for name in ORIGINALS if name in by_name):
        original = by_name[name]
        other = by_name["ntsc.mp4" if original.path.suffix == ".mkv" else "late.mkv"].path
        damaged = write_damaged(folder / "damaged", original.path, other=other, seed=args.seed)
        sha256 = sha256_of(Record(str(original.path)))
        judge = partial(check_bad, frames=original.frames, sha256=sha256)
        faults += _group(f"damaged {name}", judge, damaged, args.workers)

    faults += _group("bombs", bad, write_bombs(folder / "bombs"), 1)
    if sys.platform == "linux":
        playlists = list(write_playlists(folder / "playlists"))
        write_kind(folder / "playlists" / CANARY, KINDS["plain.ts"], seed=args.seed)
        faults += _group("playlists and sessions", check_playlist, playlists, 1)
    if args.decodes:
        broken = sorted((folder / "damaged").iterdir())[::20]
        paths = tuple(each.path for each in valid if each.frames <= 40) + tuple(broken)
        faults += _endure(paths, args.decodes)
    return faults


def _group(
    title: str, function: Callable[[Any], Verdict], files: Iterable[Any], workers: int
) -> int:
    """Check files, tell how they fared in a line, and name those that should not have."""
    listed = list(files)
    verdicts = []
    outcomes = run_isolated(function, listed, workers=workers, limits=_LIMITS)
    for each in tqdm(outcomes, total=len(listed), desc=title, leave=False, disable=None):
        path = each.item.path
        verdicts.append(each.value or Verdict(path.name, "lost", each.lost))
    counts = Counter(verdict.outcome for verdict in verdicts)
    how = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    seconds = max(verdict.cost.seconds for verdict in verdicts)
    megabytes = max(verdict.cost.megabytes for verdict in verdicts)
    faults = [verdict for verdict in verdicts if verdict.fault]
    print(
        f"{title}: {len(listed)} files, {how}; at most {seconds:.2f} s and {megabytes:.0f} MB; "
        f"{len(faults)} faults"
    )
    for verdict in sorted(faults, key=lambda verdict: verdict.name):
        print(f"  {verdict.name}: {verdict.fault}")
    return len(faults)


def _endure(paths: tuple[Path, ...], decodes: int) -> int:
    limits = Limits(seconds=60 + decodes, megabytes=2048)
    (outcome,) = run_isolated(decode_often, [(paths, decodes)], limits=limits)
    if not isinstance(outcome.value, Endurance):
        print(f"{decodes} decodes: {outcome.lost}")
        return 1
    found = outcome.value
    leaks = found.files_after != found.files_before
    # What a short run gains and loses by chance is more than the limit.
    grows = found.slope > _SLOPE and decodes >= 10_000
    print(
        f"{found.decodes} decodes of {len(paths)} files in {found.seconds:.0f} s: memory "
        f"{found.slope:+.2f} MB in 10,000, open files {found.files_before} and then "
        f"{found.files_after}; {int(leaks) + int(grows)} faults"
    )
    return int(leaks) + int(grows)
