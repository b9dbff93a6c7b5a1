"""Explain config keys: `slowfast config SOLVER` or `slowfast config DATA.NUM_FRAMES`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slowfast.cli.errors import explain_errors
from slowfast.config.reference import describe


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast config") -> int:
    parser = argparse.ArgumentParser(
        prog=program, description=__doc__, epilog="example: %(prog)s SLOWFAST"
    )
    parser.add_argument("key", nargs="?", default="", help="a section or a key; all when left out")
    args = parser.parse_args(argv)

    def show() -> int:
        print(describe(args.key))
        return 0

    return explain_errors(program, show)
