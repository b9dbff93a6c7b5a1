"""Two tested runs class by class: a table, and the bar chart of the SlowFast paper."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from slowfast.cli.errors import explain_errors

EXAMPLE = """example:
  %(prog)s runs/slow runs/slowfast --out gains.png      detection, several labels or one
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast compare") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs",
        nargs=2,
        metavar="RUN",
        help="OUTPUT_DIR of a tested run, or the JSON that slowfast ava-eval --out wrote",
    )
    parser.add_argument("--out", type=Path, metavar="PICTURE", help="chart: .png, .svg, .pdf, .jpg")
    parser.add_argument("--names", nargs=2, default=("", ""), metavar="NAME", help="of the runs")
    args = parser.parse_args(argv)

    def show() -> int:
        from slowfast.viz.class_figures import read_class_figures
        from slowfast.viz.compare_classes import compare, table_text, write_chart

        first, second = (
            read_class_figures(run, title=name)
            for run, name in zip(args.runs, args.names, strict=True)
        )
        found = compare(first, second)
        print(table_text(found))
        if args.out:
            print(write_chart(found, args.out))
        return 0

    return explain_errors(program, show)
