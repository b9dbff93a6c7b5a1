"""Make the built-in data sets; show augmented clips; import boxes and tables of others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowfast.cli import check_data, import_boxes, kinetics_lists
from slowfast.cli.arguments import positive
from slowfast.cli.errors import explain_errors
from slowfast.config import load_cfg
from slowfast.data.augmentation_from_cfg import augment_stage_from_cfg
from slowfast.data.batch import Batch
from slowfast.data.datasets.build import build_loader, class_names_from_cfg
from slowfast.data.datasets.motions import CLASSES, make_motions
from slowfast.data.datasets.motions_objects import make_motion_objects
from slowfast.viz.contact_sheet import contact_sheet, write_contact_sheet

EXAMPLE = """examples:
  %(prog)s motions --out data/motions                       1,440 clips in 12 classes
  %(prog)s motions --out data/two --classes left right --picture 96 --frames 40
  %(prog)s objects --out data/objects                       several objects a clip, with boxes
  %(prog)s check --list lists/train.csv --prefix /videos    name the files that are broken
  %(prog)s show --cfg FILE.yaml --out clips.png             training clips as the network sees them
  %(prog)s import-boxes cvat/*.xml --videos videos --out boxes    boxes to lists like AVA's
  %(prog)s kinetics-lists *.csv --videos k400 --out lists   lists from the published tables
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast data") -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["check"]:
        return check_data.main(words[1:], program=f"{program} check")
    if words[:1] == ["import-boxes"]:
        return import_boxes.main(words[1:], program=f"{program} import-boxes")
    if words[:1] == ["kinetics-lists"]:
        return kinetics_lists.main(words[1:], program=f"{program} kinetics-lists")
    args = parse_args(words, program)
    return explain_errors(program, lambda: args.action(args))


def _make_motions(args: argparse.Namespace) -> int:
    sizes = tuple(args.sizes)
    if len(args.picture) > 2:
        raise ValueError(
            f"--picture: expected a width and a height, or one number, got {len(args.picture)}"
        )
    folder = make_motions(
        args.out,
        seed=args.seed,
        sizes=sizes,
        classes=args.classes,
        size=(args.picture[0], args.picture[-1]),
        frames=args.frames,
        fps=args.fps,
        workers=args.workers,
    )
    print(f"{sum(sizes)} clips (train, val, test: {', '.join(map(str, sizes))}) in {folder}")
    return 0


def _make_objects(args: argparse.Namespace) -> int:
    folder = make_motion_objects(
        args.out,
        seed=args.seed,
        sizes=args.sizes,
        most=args.most,
        pictures=args.pictures,
        workers=args.workers,
    )
    print(
        f"{sum(args.sizes)} clips (train, val: {', '.join(map(str, args.sizes))}) with up to "
        f"{args.most} objects in {folder}; boxes in {folder / 'boxes'}"
        + (f", labels and frames in {folder / 'labels'}" if args.pictures else "")
    )
    return 0


def _show(args: argparse.Namespace) -> int:
    plain = ["DATA_LOADER.NUM_WORKERS", "0", "DATA.PIXELS", "rgb"]
    cfg = load_cfg(args.cfg, [*args.opts, *plain])
    loader, augment = build_loader(cfg, "train"), augment_stage_from_cfg(cfg)
    loader.set_position(args.epoch - 1)
    batches: list[Batch] = []
    for batch in loader:
        batches.append(augment(batch))
        if sum(map(len, batches)) >= args.count:
            break
    sheet = contact_sheet(batches, count=args.count, class_names=class_names_from_cfg(cfg))
    write_contact_sheet(sheet, args.out)
    shown = min(args.count, sum(map(len, batches)))
    print(f"{shown} clips of epoch {args.epoch} in {args.out}")
    return 0


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    _add_motions(jobs)
    _add_objects(jobs)
    _add_show(jobs)
    jobs.add_parser(
        "import-boxes", help="boxes of CVAT, COCO or a table to lists like AVA's", add_help=False
    )
    jobs.add_parser(
        "kinetics-lists",
        help="lists of Kinetics from the tables it is published as, and the videos",
        add_help=False,
    )
    jobs.add_parser("check", help="the same as slowfast check-data", add_help=False)
    return parser.parse_args(argv)


def _add_motions(jobs: Any) -> None:
    motions = jobs.add_parser(
        "motions",
        help="make the built-in data set",
        epilog="example: %(prog)s --out data/two --classes left right --picture 96 --frames 40",
    )
    motions.add_argument("--out", type=Path, default=Path("data/motions"), metavar="DIR")
    motions.add_argument("--seed", type=int, default=0, help="same seed, same clips (0)")
    motions.add_argument(
        "--sizes",
        type=int,
        nargs=3,
        default=[960, 240, 240],
        metavar=("TRAIN", "VAL", "TEST"),
        help="clips of each split (960 240 240)",
    )
    motions.add_argument(
        "--classes",
        nargs="+",
        default=list(CLASSES),
        metavar="NAME",
        help=f"the label is the place in this list (all: {' '.join(CLASSES)})",
    )
    motions.add_argument(
        "--picture",
        type=int,
        nargs="+",
        default=[64, 48],
        metavar="N",
        help="width and height, even pixels; one number: both (64 48)",
    )
    motions.add_argument("--frames", type=int, default=26, metavar="N", help="of a clip (26)")
    motions.add_argument("--fps", type=int, default=30, metavar="N", help="frames per second (30)")
    motions.add_argument("--workers", type=int, default=2, help="processes (2)")
    motions.set_defaults(action=_make_motions)


def _add_objects(jobs: Any) -> None:
    objects = jobs.add_parser(
        "objects",
        help="make the built-in data set with several objects a clip: boxes and labels",
        epilog="example: %(prog)s --out data/objects --pictures",
    )
    objects.add_argument("--out", type=Path, default=Path("data/objects"), metavar="DIR")
    objects.add_argument("--seed", type=int, default=0, help="same seed, same clips (0)")
    objects.add_argument(
        "--sizes",
        type=int,
        nargs=2,
        default=[600, 200],
        metavar=("TRAIN", "VAL"),
        help="clips of each split (600 200)",
    )
    objects.add_argument("--most", type=int, default=4, metavar="N", help="objects in a clip (4)")
    objects.add_argument(
        "--pictures",
        action="store_true",
        help="also the frames as JPEG, and lists in the format of Charades",
    )
    objects.add_argument("--workers", type=int, default=2, help="processes (2)")
    objects.set_defaults(action=_make_objects)


def _add_show(jobs: Any) -> None:
    show = jobs.add_parser(
        "show",
        help="a picture of training clips, augmented as the network sees them",
        epilog="example: %(prog)s --cfg configs/Kinetics/MVIT_B_16x4_CONV.yaml --out clips.png "
        "DATA.PATH_TO_DATA_DIR lists AUG.RE_PROB 0.5",
    )
    show.add_argument("--cfg", required=True, metavar="YAML")
    show.add_argument("--out", type=Path, default=Path("clips.png"), metavar="FILE")
    show.add_argument("--count", type=positive, default=8, metavar="N", help="clips (8)")
    show.add_argument("--epoch", type=positive, default=1, metavar="N", help="from 1 (1)")
    show.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="overrides")
    show.set_defaults(action=_show)
