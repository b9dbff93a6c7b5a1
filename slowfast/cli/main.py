"""`slowfast`: one command, each job a sub-command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from slowfast.cli import (
    benchmark,
    complexity,
    config,
    convert,
    data,
    demo,
    models,
    predict,
    report,
    run,
)
from slowfast.version import __version__

COMMANDS = {
    "run": run,
    "predict": predict,
    "data": data,
    "demo": demo,
    "report": report,
    "models": models,
    "complexity": complexity,
    "benchmark": benchmark,
    "convert": convert,
    "config": config,
}

EXAMPLE = """examples:
  slowfast run --cfg configs/Motions/SLOWFAST_TINY.yaml      train and test
  slowfast predict --checkpoint FILE.pyth video.mp4          name what a video shows
  slowfast COMMAND --help                                    what a command takes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; 0 when it worked, 2 for a mistake that its one line explains."""
    args = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="slowfast",
        description="Train and test SlowFast networks and their family on video.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"slowfast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        first_line = (module.__doc__ or "").strip().splitlines()[0]
        # Each command parses what follows its name by itself, so that `tools/` can call it too.
        commands.add_parser(name, help=first_line, add_help=False)
    chosen = parser.parse_args(args[:1])
    return COMMANDS[chosen.command].main(args[1:])


if __name__ == "__main__":
    sys.exit(main())
