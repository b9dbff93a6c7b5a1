"""Lists of Kinetics from the tables it is published as, and the videos that are there."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from slowfast.cli.errors import explain_errors
from slowfast.data.datasets.kinetics_lists import (
    CLASSES,
    MISSING,
    KineticsLists,
    make_kinetics_lists,
)

EXAMPLE = """examples:
  %(prog)s annotations/*.csv --videos /data/k400 --out lists
  %(prog)s train.csv validate.csv --videos /data/k600 --out lists --classes classes_of_weights.txt
Tables have the columns label,youtube_id,time_start,time_end,split; videos are
<youtube_id>_<start, 6 digits>_<end, 6 digits>.mp4, in folders or not. Without a table of the test
split, test.csv is that of validation, which published accuracies are of.
"""


def main(
    argv: Sequence[str] | None = None, *, program: str = "slowfast data kinetics-lists"
) -> int:
    args = _parse_args(argv, program)

    def run() -> int:
        made = make_kinetics_lists(args.tables, args.videos, args.out, class_names=args.classes)
        print("\n".join(_summary(made, args.videos, args.out)))
        return 0

    return explain_errors(program, run)


def _summary(made: KineticsLists, videos: Path, out: Path) -> Iterator[str]:
    for each in made.splits:
        every = len(each.lines) + len(each.missing)
        yield f"{out / each.split}.csv: {len(each.lines)} of {every} videos"
        if each.missing:
            yield (
                f"  missing: {len(each.missing)}, such as {each.missing[0].name}.mp4; all are in "
                f"{out / MISSING}"
            )
    if made.test_is_val:
        yield f"{out / 'test.csv'}: the same as val.csv"
    if made.repeated:
        yield (
            f"note: {len(made.repeated)} video(s) are listed more than once, in several splits or "
            f"classes, such as {made.repeated[0]}; slowfast check-data names all of them"
        )
    if made.unknown:
        yield f"note: {made.unknown} video(s) in {videos} are in no table"
    yield f"{out / CLASSES}: {len(made.classes)} classes, numbered from 0 in this order"
    yield (
        f"keys that read them: DATA.PATH_TO_DATA_DIR {out} DATA.PATH_PREFIX {videos} "
        f"MODEL.NUM_CLASSES {len(made.classes)}"
    )


def _parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("tables", type=Path, nargs="+", metavar="CSV", help="one or several")
    add("--videos", type=Path, required=True, metavar="DIR", help="folder of the videos")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    add(
        "--classes",
        type=Path,
        metavar="FILE",
        help="names in the order of their numbers (that of the alphabet)",
    )
    return parser.parse_args(argv)
