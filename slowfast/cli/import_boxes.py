"""Boxes of CVAT, of COCO-style JSON or of your own table to lists in AVA's format."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from slowfast.cli.arguments import above_0
from slowfast.cli.errors import explain_errors
from slowfast.data.datasets.box_import import LABEL_MAP, Imported, import_boxes

EXAMPLE = """examples:
  %(prog)s cvat/*.xml --videos videos --every 1 --val 0.2 --out boxes
  %(prog)s boxes.csv --videos videos --val val_videos.txt --out boxes
  %(prog)s instances.json --videos videos --attribute action --out boxes
Tables have a header: video, second or frame, x1,y1,x2,y2 (or x,y,width,height) in pixels or in
shares of the frame, action; several actions are divided by |, or stand in rows each. What is
written, what is left out and why, and the keys that read it are printed. docs/detection.md has the
way from videos to a trained detector.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast data import-boxes") -> int:
    args = _parse_args(argv, program)

    def run() -> int:
        found = import_boxes(
            args.files,
            args.out,
            videos=args.videos,
            fps=args.fps,
            every=args.every,
            attributes=args.attribute,
            first_frame=args.first_frame,
            video=args.video,
            label_map=args.label_map,
            val=args.val,
            skip_missing=args.skip_missing,
        )
        print("\n".join(_summary(found, args.out, args.videos)))
        return 0

    return explain_errors(program, run)


def _summary(found: Imported, out: Path, videos: Path | None) -> Iterator[str]:
    for each in found.lists:
        yield (
            f"{each.path}: {each.boxes} boxes of {each.keyframes} keyframes in {each.videos} "
            "video(s)"
            + f", {each.without_action} of them without an action"
            * bool(each.without_action)
        )
    yield from _class_table(found)
    for what, count in found.left_out.items():
        if count:
            yield f"left out: {count} {what}"
    for what, count in found.added.items():
        yield f"added: {count} {what}"
    for what, count in found.changed.items():
        yield f"changed: {count} {what}"
    for note in found.notes:
        yield f"note: {note}"
    names = [each.path.name for each in found.lists]
    yield "keys that read them:"
    yield f"  MODEL: {{NUM_CLASSES: {max(found.classes)}}}"
    yield "  AVA:"
    yield from (
        f"    {key}: {value}"
        for key, value in {
            "VIDEO_DIR": str(videos or "<folder of the videos>"),
            "ANNOTATION_DIR": str(out),
            "LABEL_MAP_FILE": LABEL_MAP,
            "TRAIN_GT_BOX_LISTS": f"[{names[0]}]",
            "TRAIN_PREDICT_BOX_LISTS": "[]",
            "TEST_PREDICT_BOX_LISTS": f"[{names[-1]}]",
            "GROUNDTRUTH_FILE": names[-1],
            "EXCLUSION_FILE": "''",
            "START_SECOND": "0",
            "VALID_SECONDS": "[]",
            "FULL_TEST_ON_VAL": "True",
        }.items()
    )


def _class_table(found: Imported) -> Iterator[str]:
    """Boxes of each class in each list, and classes that one of two has not."""
    width = max(map(len, found.classes.values()))
    heads = [each.path.stem for each in found.lists]
    yield f"{LABEL_MAP}: {len(found.classes)} actions"
    yield f"  {'':>4}  {'boxes in':<{width}}  {'  '.join(f'{head:>6}' for head in heads)}"
    for number, name in found.classes.items():
        counts = "  ".join(f"{each.per_class[name]:>6}" for each in found.lists)
        yield f"  {number:>4}  {name:<{width}}  {counts}"
    for each in found.lists if len(found.lists) > 1 else ():
        lacking = [name for name in found.classes.values() if not each.per_class[name]]
        if lacking:
            what = "cannot be learned" if each.path.stem == "train" else "cannot be evaluated"
            yield f"note: {each.path.name} has no box of {', '.join(map(repr, lacking))}: {what}"


def _parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE", help=".xml of CVAT, .json, or .csv")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    add(
        "--videos",
        type=Path,
        metavar="DIR",
        help="of the videos: frames get their own times; names, sizes and lengths are checked",
    )
    add(
        "--fps",
        type=above_0,
        metavar="N",
        help="rate that frames are numbered at, if they are not each frame of the video",
    )
    add(
        "--every",
        type=above_0,
        default=0.0,
        metavar="SECONDS",
        help="keep the frames nearest to multiples of this (all that are annotated)",
    )
    add(
        "--val",
        default="",
        metavar="SHARE|FILE",
        help="write train.csv and val.csv: a share of the videos, or a file with their names",
    )
    add(
        "--attribute",
        nargs="+",
        default=[],
        metavar="NAME",
        help="whose values are the actions, or that are actions if ticked (the label is)",
    )
    add(
        "--first-frame",
        type=int,
        metavar="N",
        help="number of the first frame (1 in file names, 0 in CVAT's and in tables)",
    )
    add("--video", default="", metavar="NAME", help="of all boxes, where a file does not say")
    add("--label-map", type=Path, metavar="FILE", help="actions and numbers to keep, a .pbtxt")
    add("--skip-missing", action="store_true", help="leave out boxes of videos that are not there")
    return parser.parse_args(argv)
