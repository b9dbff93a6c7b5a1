"""Try the readers on odd, damaged and hostile files that are made here."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from slowfast.cli.errors import explain_errors
from slowfast.cli.stress_checks import (
    REQUESTS,
    Endurance,
    Verdict,
    check_bad,
    check_playlist,
    check_valid,
    decode_often,
)
from slowfast.cli.stress_damage import (
    CANARY,
    write_bombs,
    write_damaged,
    write_non_videos,
    write_playlists,
)
from slowfast.cli.stress_videos import KINDS, write_kind, write_valid
from slowfast.data.content import sha256_of
from slowfast.data.isolated import Limits, run_isolated
from slowfast.data.record import Record

EXAMPLE = """examples:
  %(prog)s                                 everything, minutes: 50,000 decodes at the end
  %(prog)s --seed 7 --decodes 300          other files, a short run
  %(prog)s --dir files --keep              look at the files afterwards
"""
ORIGINALS = (  # what damaged files are made of
    *("plain.mp4", "index_first.mp4", "fragments.mp4", "plain.mkv", "vp9.webm"),
    *("plain.ts", "mpeg4.avi", "hevc.mp4", "av1.mkv"),
)
_LIMITS = Limits(seconds=30, megabytes=1024)  # past these a process is ended
_SLOPE = 1.0  # MB in 10,000 decodes


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast stress") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _stress(args))


def _stress(args: argparse.Namespace) -> int:
    folder = Path(args.dir or tempfile.mkdtemp(prefix="slowfast-stress-"))
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"--dir {folder}: expected an empty folder, found files in it")
    try:
        faults = _run(folder, args)
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{faults} faults" if faults else "all as it should be")
    return 1 if faults else 0


def _run(folder: Path, args: argparse.Namespace) -> int:
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


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other files (0)")
    parser.add_argument(
        "--decodes", type=int, default=50_000, metavar="N", help="of the test of memory (50000)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--dir", type=Path, help="an empty folder for the files (a temporary one)")
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    return parser.parse_args(argv)
