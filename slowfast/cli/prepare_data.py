"""Write small copies of videos that decode fast, pictures or tar shards; and their lists."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tqdm import tqdm

from slowfast.cli.errors import explain_errors
from slowfast.config import load_cfg
from slowfast.data.datasets.build import SPLITS, build_records, class_names_from_cfg
from slowfast.data.datasets.kinetics import is_video_name
from slowfast.data.isolated import Limits, run_isolated
from slowfast.data.manifest import Manifest
from slowfast.data.preparation import (
    SETTINGS,
    Done,
    Job,
    Layout,
    Progress,
    check_originals,
    copies_text,
    plan_jobs,
    prepare,
    replace_file,
    state_of,
    unlisted,
    write_lists,
)
from slowfast.data.record import NoSuchSplit, Records
from slowfast.data.reencode import Encoding

EXAMPLE = """examples:
  %(prog)s --cfg configs/Kinetics/SLOW_8x8_R50.yaml --out /fast/kinetics DATA.PATH_TO_DATA_DIR lists
  %(prog)s --videos raw/ --out small/ --short-side 256 --gop 32
  %(prog)s --cfg FILE.yaml --out /fast/k400 --shards 500      500 videos in each tar file
  %(prog)s --cfg FILE.yaml --out /fast/k400 --shard 3/16      the fourth of sixteen machines
Originals are only read. The same command goes on where it was stopped; the last machine to end
writes train.csv, val.csv and test.csv with class numbers, and classes.txt. Train with
TRAIN.DATASET kinetics TEST.DATASET kinetics DATA.PATH_TO_DATA_DIR OUT DATA.PATH_PREFIX OUT.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast prepare-data") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _prepare_or_stop(args))


def _prepare_or_stop(args: argparse.Namespace) -> int:
    try:
        return _prepare(args)
    except OSError as error:
        raise ValueError(
            f"--out {args.out}: cannot be written to ({error}); what is done stays, the same "
            "command goes on from there once there is room and permission"
        ) from error


def _prepare(args: argparse.Namespace) -> int:
    encoding = Encoding(
        args.short_side,
        args.gop,
        args.crf,
        args.preset,
        pictures=args.frames,
        least_psnr=args.least_psnr,
    )
    if args.frames and args.shards:
        raise ValueError("--frames and --shards: a shard holds videos, not pictures; give one")
    layout = Layout(args.out, args.shards, args.frames)
    records, prefix, forbidden, names = _records(args, layout.copies.resolve())
    for split in unlisted(records):
        print(f"{split}: labels of frames, which no list of copies has: there will be none")
    _check_folder(args.out, forbidden)
    jobs = plan_jobs(records, prefix, pictures=args.frames)
    check_originals(layout, jobs)
    # What goes into which shard follows from the list; single files may be added later.
    order = "".join(f"{job.name}\n" for job in jobs) if args.shards else ""
    digest = hashlib.sha256(order.encode("utf-8", "surrogateescape")).hexdigest()
    _settle(args.out, asdict(encoding) | {"per_shard": args.shards, "videos": digest})
    shard, of = _share(args.shard)
    progress = Progress(layout, jobs, shard=shard, of=of)
    _work(progress, partial(prepare, layout=layout, encoding=encoding), args)
    done = progress.read()
    if len(done) < len(jobs):
        print(f"{len(done)} of {len(jobs)} videos are done; the lists wait for the other machines")
        return 0
    if names:
        lines = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        replace_file(args.out / "classes.txt", lines)
    for line in write_lists(layout, records, jobs, done):
        print(line)
    text = copies_text(layout, jobs, done).encode("utf-8", "surrogateescape")
    replace_file(args.out / "copies.jsonl", text)
    return _summary(args.out, jobs, done)


def _work(progress: Progress, function: partial[Done], args: argparse.Namespace) -> None:
    """Do what is left of this machine's share."""
    layout, mine = progress.layout, progress.mine()
    left = _left(progress, mine)
    if layout.per_shard:
        for number in {layout.part_of(n) for n, _ in left}:
            progress.unpack(number)
        left = _left(progress, mine)
    if len(left) < len(mine):
        print(f"{len(mine) - len(left)} of {len(mine)} videos were done before")
    limits = Limits(seconds=args.seconds, megabytes=args.memory)
    outcomes = run_isolated(function, left, workers=args.workers, limits=limits)
    for outcome in tqdm(outcomes, total=len(left), unit=" videos", disable=None, smoothing=0.05):
        done = outcome.value
        if done is None:
            job = outcome.item[1]
            cause = f"{job.record.path}: {outcome.lost}; it was given up"
            done = Done(job.name, job.record.path, state_of(job.record), cause)
        if done.cause:
            tqdm.write(done.cause)
        progress.add(done)
    if layout.per_shard:
        known = progress.read()
        for number in sorted({layout.part_of(n) for n, _ in mine}):
            progress.pack(number, known)


def _left(progress: Progress, mine: list[tuple[int, Job]]) -> list[tuple[int, Job]]:
    """What is to be done; files that failed are tried again, unless a shard was packed since."""
    known, again = progress.read(), not progress.layout.per_shard
    return [
        (n, job) for n, job in mine if job.name not in known or (again and known[job.name].cause)
    ]


def _summary(out: Path, jobs: list[Job], done: dict[str, Done]) -> int:
    good = [each for each in done.values() if not each.cause]
    before = sum(each.state[0] for each in good)
    after = sum(each.size for each in good)
    worst = min((each.psnr for each in good), default=0.0)
    print(
        f"{len(good)} of {len(jobs)} videos: {before / 1e9:.3f} GB became {after / 1e9:.3f} GB, "
        f"{sum(each.frames for each in good)} frames, worst PSNR {worst:.1f} dB; every copy was "
        f"decoded and compared ({out / 'copies.jsonl'})"
    )
    for each in done.values():
        if each.cause:
            print(f"left out: {each.cause}")
    return 0 if len(good) == len(jobs) else 1


def _records(
    args: argparse.Namespace, copies: Path
) -> tuple[dict[str, Records], str, list[Path], list[str]]:
    """(records of each split, their prefix, folders not to write to, names of the classes)."""
    if args.videos is not None:
        if not args.videos.is_dir():
            raise ValueError(f"--videos {args.videos}: expected a folder, found none")
        files = sorted(p for p in args.videos.rglob("*") if is_video_name(p.name) and p.is_file())
        if not args.videos.resolve().is_relative_to(copies):  # else it is refused later
            files = [p for p in files if not p.resolve().is_relative_to(copies)]
        if not files:
            raise ValueError(f"--videos {args.videos}: expected videos in it, found none")
        rows = [(str(file.relative_to(args.videos)), 0) for file in files]
        prefix = str(args.videos)
        return {"videos": Manifest.from_rows(rows, prefix=prefix)}, prefix, [args.videos], []
    cfg = load_cfg(args.cfg, overrides=args.opts)
    splits: dict[str, Records] = {}
    for split in args.split or SPLITS:
        try:
            splits[split] = build_records(cfg, split)
        except NoSuchSplit:
            # Not every data set has all of them; but one that is asked for, or any at all, must be.
            if args.split or (split == SPLITS[-1] and not splits):
                raise
    folder, prefix = Path(cfg.DATA.PATH_TO_DATA_DIR or "."), cfg.DATA.PATH_PREFIX or ""
    forbidden = [folder, Path(prefix)] if prefix else [folder]
    return splits, prefix, forbidden, class_names_from_cfg(cfg)


def _check_folder(out: Path, forbidden: list[Path]) -> None:
    """The folder of originals or of their lists is not written to."""
    for folder in forbidden:
        if out.resolve() == folder.resolve():
            raise ValueError(
                f"--out {out}: expected another folder than the one of the originals or their "
                "lists, which are never written to"
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: expected a folder to write to, found {error}") from error


def _settle(out: Path, settings: dict[str, object]) -> None:
    """All that write to a folder do it with the same settings."""
    file, text = out / SETTINGS, json.dumps(settings, indent=1) + "\n"
    if not file.is_file():
        replace_file(file, text.encode())
    found = json.loads(file.read_text())
    different = [key for key, value in settings.items() if found.get(key) != value]
    if different:
        told = ", ".join(f"{key} {found.get(key)} (now {settings[key]})" for key in different)
        raise ValueError(f"{file}: was begun with {told}; choose another --out, or the same again")


def _share(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise ValueError(f"--shard {text}: expected i/n with i from 0 to n - 1, as 0/8")
    return int(number), int(count)


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cfg", metavar="YAML", help="the videos of this config's lists")
    what.add_argument("--videos", type=Path, metavar="DIR", help="all videos below this folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument("--split", action="append", choices=SPLITS, help="only this one (all)")
    parser.add_argument("--short-side", type=int, default=256, metavar="PIXELS", help="(256)")
    parser.add_argument("--gop", type=int, default=32, help="frames between key frames (32)")
    parser.add_argument("--crf", type=int, default=20, help="quality, lower is better (20)")
    parser.add_argument("--preset", default="fast", help="of x264 (fast)")
    parser.add_argument(
        "--least-psnr", type=float, default=25.0, metavar="DB", help="else the copy failed (25)"
    )
    parser.add_argument("--frames", action="store_true", help="JPEG pictures instead of videos")
    parser.add_argument("--shards", type=int, default=0, metavar="N", help="N videos in a tar file")
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="only this machine's share")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seconds", type=float, default=600, help="given up after, a video (600)")
    parser.add_argument("--memory", type=int, default=4096, metavar="MB", help="a video (4096)")
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="overrides, as of slowfast run"
    )
    return parser.parse_intermixed_args(argv)
