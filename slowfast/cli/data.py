"""Make the built-in data set, or look over a list of videos before training on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from slowfast.cli import check_data
from slowfast.cli.errors import explain_errors
from slowfast.data.datasets.motions import CLASSES, make_motions

EXAMPLE = """examples:
  %(prog)s motions --out data/motions                       1,440 clips in 12 classes
  %(prog)s motions --out data/two --classes left right --picture 96 --frames 40
  %(prog)s check --list lists/train.csv --prefix /videos    name the files that are broken
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast data") -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["check"]:
        return check_data.main(words[1:], program=f"{program} check")
    args = parse_args(words, program)
    return explain_errors(program, lambda: args.action(args))


def _make(args: argparse.Namespace) -> int:
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


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)

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
    motions.set_defaults(action=_make)

    jobs.add_parser("check", help="the same as slowfast check-data", add_help=False)
    return parser.parse_args(argv)
