"""Decode every video of the lists once; find what is broken, copied or leaked."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from slowfast.cli.errors import explain_errors
from slowfast.config import load_cfg
from slowfast.data.check import Journal, Listed, check_videos, list_videos
from slowfast.data.check_report import NAME, Report, write_report
from slowfast.data.content import manifest_file, write_manifest
from slowfast.data.datasets.build import SPLITS, list_records, prefix_from_cfg
from slowfast.data.datasets.catalog import dataset_kind_from_cfg
from slowfast.data.datasets.kinetics import read_kinetics
from slowfast.data.findings import Finding, find_faults, to_leave_out
from slowfast.data.inspection import Facts
from slowfast.data.isolated import Limits
from slowfast.data.quarantine import (
    FILE_NAME,
    Entry,
    path_in_lists,
    read_quarantine,
    write_quarantine,
)
from slowfast.data.readers.build import open_source_from_cfg
from slowfast.data.readers.source import OpenSource, open_source
from slowfast.data.record import NoSuchSplit, Records
from slowfast.paths import local_path

EXAMPLE = """examples:
  %(prog)s --cfg configs/Kinetics/SLOW_8x8_R50.yaml DATA.PATH_TO_DATA_DIR lists/kinetics
  %(prog)s --cfg FILE.yaml --split val --fix       also write quarantine.txt, which runs honour
  %(prog)s --list lists/train.csv --prefix /videos --out checked    of one label a video
Files that did not change since the last check are not decoded again. Written, beside the lists or
to --out: check-data.txt and .json (the report), manifest.<split>.jsonl (for DATA.VERIFY_CONTENT).
"""


@dataclass
class Plan:
    """What is to be checked, from a config or from a list alone."""

    splits: dict[str, Records]
    folder: Path
    prefix: str
    open_source: OpenSource = open_source
    num_classes: int | None = None
    clip_seconds: float = 0.0
    faults: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast check-data") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _check(args))


def _check(args: argparse.Namespace) -> int:
    plan = _plan_of_list(args) if args.list else _plan_of_cfg(args)
    out = args.out or plan.folder
    if not os.access(_make(out), os.W_OK):
        raise ValueError(f"{out}: expected a folder to write the report to; name one with --out")
    videos = list_videos(plan.splits)
    facts = _inspect(videos, Journal(out / f"{NAME}.journal.jsonl"), plan.open_source, args)
    found = plan.faults + find_faults(
        videos, facts, num_classes=plan.num_classes, clip_seconds=plan.clip_seconds
    )
    _write_manifests(out, plan, videos, facts)
    notes = [*plan.notes, *_quarantine(out / FILE_NAME, plan, found, fix=args.fix)]
    report = Report({s: len(each) for s, each in plan.splits.items()}, facts, found, notes)
    write_report(report, out)
    print(report.as_text(details=args.details))
    print(f"report: {(out / NAME).resolve()}.txt")
    return 1 if any(finding.is_fault for finding in found) else 0


def _inspect(
    videos: Mapping[str, Listed],
    journal: Journal,
    open_source: OpenSource,
    args: argparse.Namespace,
) -> dict[str, Facts]:
    """Facts of each video: those in the journal, and those that are found now."""
    facts = {}
    for path, listed in videos.items():
        known = journal.get(listed.record)
        if known is not None and not (known.fault and args.again):
            facts[path] = known
    left = [listed.record for path, listed in videos.items() if path not in facts]
    if len(left) < len(videos):
        print(f"{len(facts)} of {len(videos)} videos were checked before and have not changed")
    limits = Limits(seconds=args.seconds, megabytes=args.memory)
    begun = journal.begin(left)
    checks = check_videos(begun, workers=args.workers, limits=limits, open_source=open_source)
    for record, each in tqdm(
        journal.add(checks), total=len(left), unit=" videos", disable=None, smoothing=0.05
    ):
        facts[record.path] = each
        if each.fault:
            tqdm.write(each.fault)
    return {path: facts[path] for path in videos}  # in the order of the lists


def _write_manifests(
    out: Path, plan: Plan, videos: Mapping[str, Listed], facts: Mapping[str, Facts]
) -> None:
    for split in plan.splits:
        rows = (
            {
                "path": _as_listed(path, plan),
                "size": facts[path].size,
                "sha256": facts[path].sha256,
                "frames": facts[path].frames,
                "fps": facts[path].fps,
                "duration": facts[path].duration,
                "width": facts[path].width,
                "height": facts[path].height,
            }
            for path, listed in videos.items()
            if split in listed.splits and not facts[path].fault
        )
        write_manifest(manifest_file(out, split), rows)


def _quarantine(file: Path, plan: Plan, found: list[Finding], *, fix: bool) -> list[str]:
    """Add to the quarantine, or say how to; what was in it stays in it."""
    known = read_quarantine(file) if file.is_file() else []
    have = {(entry.split, entry.path) for entry in known}
    new = [
        Entry(entry.split, _as_listed(entry.path, plan), entry.cause)
        for entry in to_leave_out(found)
    ]
    new = [entry for entry in new if (entry.split, entry.path) not in have]
    if not new:
        return []
    if not fix:
        return [f"{len(new)} of these can be left out of runs: repeat the command with --fix"]
    write_quarantine(file, [*known, *new])
    return [f"{len(new)} videos added to {file}, which DATA.QUARANTINE reads"]


def _plan_of_cfg(args: argparse.Namespace) -> Plan:
    cfg = load_cfg(args.cfg, overrides=args.opts)
    splits: dict[str, Records] = {}
    faults, notes = [], []
    for split in args.split or SPLITS:
        try:
            splits[split] = list_records(cfg, split)
        except NoSuchSplit as error:
            if args.split:
                raise
            notes.append(f"{split} was not checked: {error}")
        except ValueError as error:
            place = str(cfg.DATA.PATH_TO_DATA_DIR or ".")
            faults.append(Finding("list", place, str(error), split))
    if not splits:
        raise ValueError(faults[0].what if faults else notes[0].partition(": ")[2])
    data = cfg.DATA
    return Plan(
        splits,
        Path(data.PATH_TO_DATA_DIR or "."),
        prefix_from_cfg(cfg, "train"),
        open_source=open_source_from_cfg(cfg),
        num_classes=cfg.MODEL.NUM_CLASSES,
        clip_seconds=_clip_seconds(cfg),
        faults=faults,
        notes=notes,
    )


def _clip_seconds(cfg: Any) -> float:
    """Time that a training clip spans; 0 where it is as long as the video."""
    sampling = dataset_kind_from_cfg(cfg, "train").sampling
    fps = {
        "time": cfg.DATA.TARGET_FPS,
        "strides": cfg.DATA.PICTURE_FPS,
        "keyframes": cfg.AVA.FPS,
    }.get(sampling, math.inf)
    return float(cfg.DATA.NUM_FRAMES * cfg.DATA.SAMPLING_RATE / fps)


def _plan_of_list(args: argparse.Namespace) -> Plan:
    path = Path(local_path(args.list))
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ValueError(
            f"--list {args.list}: expected a file with one 'path label' a line, found {found}"
        )
    split = path.stem if path.stem in SPLITS else "train"
    if args.opts:
        raise ValueError(
            f"--list reads no settings, found {' '.join(args.opts)}; give --cfg, and the folder of "
            "the lists as DATA.PATH_TO_DATA_DIR"
        )
    try:
        records = read_kinetics(path, prefix=args.prefix, separator=args.separator)
    except ValueError as error:
        if "DATA.MULTI_LABEL" not in str(error):
            raise
        raise ValueError(f"{error} Check such lists with --cfg, not with --list") from error
    return Plan({split: records}, path.parent, args.prefix)


def _as_listed(path: str, plan: Plan) -> str:
    return path_in_lists(path, prefix=plan.prefix, folder=str(plan.folder))


def _make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cfg", metavar="YAML", help="check the lists of this config")
    what.add_argument("--list", metavar="FILE", help="check one list of 'path label'")
    parser.add_argument(
        "--split", action="append", choices=SPLITS, help="only this one; may be repeated (all)"
    )
    parser.add_argument(
        "--fix", action="store_true", help="put what cannot be used, or leaks, in quarantine.txt"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (by the lists)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (one a processor)"
    )
    parser.add_argument(
        "--again", action="store_true", help="decode files again that could not be read last time"
    )
    parser.add_argument(
        "--seconds", type=float, default=120, help="given up after, for each video (120)"
    )
    parser.add_argument(
        "--memory", type=int, default=2048, metavar="MB", help="given up above, a video (2048)"
    )
    parser.add_argument(
        "--details", type=int, default=10, metavar="N", help="lines of a kind to print (10)"
    )
    parser.add_argument("--prefix", default="", metavar="DIR", help="with --list: before paths")
    parser.add_argument("--separator", default=" ", help="with --list: before labels (a space)")
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="overrides, as of slowfast run"
    )
    return parser.parse_intermixed_args(argv)
