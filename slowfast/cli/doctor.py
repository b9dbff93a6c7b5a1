"""Look over this machine, and with --cfg over a run that is to be started on it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from slowfast.cli.doctor_checks import Line, machine_lines
from slowfast.cli.doctor_run import run_lines
from slowfast.cli.errors import explain_errors
from slowfast.config import get_cfg, load_cfg

EXAMPLE = """examples:
  %(prog)s                                     this machine: one line each, with the remedy
  %(prog)s --cfg FILE.yaml NUM_GPUS 8          and whether this run can begin here
  %(prog)s --json > machine.json
The exit code is 1 if a line says FAIL; what says warn works, but not as it could.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast doctor") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _look(args))


def _look(args: argparse.Namespace) -> int:
    cfg = load_cfg(args.cfg, overrides=args.opts) if args.cfg else None
    workers = (cfg or get_cfg()).DATA_LOADER.NUM_WORKERS
    lines: list[Line] = []
    for source in (machine_lines(workers=workers), run_lines(cfg) if cfg is not None else ()):
        for line in source:
            lines.append(line)
            if not args.json:
                print(line, flush=True)
    if args.json:
        print(json.dumps([asdict(line) for line in lines], indent=1))
    failed = [line.name for line in lines if line.status == "FAIL"]
    if failed and not args.json:
        print(f"{len(failed)} to be mended: {', '.join(failed)}")
    return 1 if failed else 0


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cfg", metavar="YAML", help="also look over a run with this config")
    parser.add_argument("--json", action="store_true", help="lines as JSON objects")
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="overrides, as of slowfast run"
    )
    args = parser.parse_intermixed_args(argv)
    if args.opts and not args.cfg:
        parser.error("KEY VALUE pairs need --cfg")
    return args
