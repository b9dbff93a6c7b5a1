"""Write report.html for the folder of a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from slowfast.cli.errors import explain_errors
from slowfast.config import explain
from slowfast.viz.report import write_report


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast report") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog="example: %(prog)s runs/kinetics",
    )
    parser.add_argument("output_dirs", nargs="+", metavar="OUTPUT_DIR")
    parser.add_argument(
        "--mistakes", type=int, default=12, metavar="N", help="most confident mistakes to show"
    )
    args = parser.parse_args(argv)

    def write() -> int:
        for folder in args.output_dirs:
            config = Path(folder) / "config.yaml"
            changed = [key for key, _, _ in explain(config)] if config.exists() else []
            print(write_report(folder, num_mistakes=args.mistakes, changed=changed))
        return 0

    return explain_errors(program, write)
