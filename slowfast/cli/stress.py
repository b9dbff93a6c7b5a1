"""Try what must hold whatever happens: odd and hostile files, disturbed training."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from slowfast.cli.errors import explain_errors

EXAMPLE = """examples:
  %(prog)s                                        everything
  %(prog)s training --log training.log            one group; what is printed goes to a file, too
  %(prog)s videos --seed 7 --decodes 300          other files, a short run
  %(prog)s videos --dir files --keep              look at the files afterwards
"""
# Name -> what it tries, and the function that does: (folder, args) -> number of faults.
GROUPS = {
    "videos": (
        "odd, damaged and hostile files, and many decodes",
        "slowfast.battery.videos:run",
    ),
    "training": (
        "kills, NaNs, signals, lost loader workers, other numbers of ranks",
        "slowfast.battery.training:run",
    ),
    "checkpoints": (
        "killed saves, full disks, damaged files, other numbers of processes, asynchrony",
        "slowfast.battery.checkpoints:run",
    ),
    "launch": (
        "killed, frozen and lost processes and machines under the launcher",
        "slowfast.battery.launch:run",
    ),
    "pickles": (
        "checkpoints that would run code, and mutated ones",
        "slowfast.battery.pickles:run",
    ),
    "scale": (
        "evaluation, sample order and merging by many ranks",
        "slowfast.battery.scale:run",
    ),
}


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast stress") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _stress(args))


def _stress(args: argparse.Namespace) -> int:
    folder = Path(args.dir or tempfile.mkdtemp(prefix="slowfast-stress-"))
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"--dir {folder}: expected an empty folder, found files in it")
    try:
        with _copied_to(args.log):
            faults = sum(_group(name, folder / name, args) for name in args.groups or GROUPS)
            print(f"{faults} faults" if faults else "all as it should be")
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if faults else 0


def _group(name: str, folder: Path, args: argparse.Namespace) -> int:
    """The faults of a group; one that breaks off is a fault, and the next one is tried."""
    module, _, function = GROUPS[name][1].partition(":")
    folder.mkdir(parents=True)
    try:
        run: Callable[[Path, argparse.Namespace], int] = getattr(
            importlib.import_module(module), function
        )
        return run(folder, args)
    except Exception as error:
        traceback.print_exc()
        print(f"{name}: broken off by {type(error).__name__}: {error}")
        return 1


class _Both:
    """Writes to two streams; whole lines of the second are there at once."""

    def __init__(self, first: TextIO, second: TextIO) -> None:
        self.first, self.second = first, second

    def __getattr__(self, name: str) -> Any:
        return getattr(self.first, name)

    def write(self, text: str) -> int:
        self.second.write(text)
        return self.first.write(text)

    def flush(self) -> None:
        self.first.flush()
        self.second.flush()


@contextmanager
def _copied_to(path: Path | None) -> Iterator[None]:
    """What is printed meanwhile goes to the file, too."""
    with ExitStack() as stack:
        if path is not None:
            file = stack.enter_context(path.open("w", buffering=1, encoding="utf-8"))
            stack.enter_context(redirect_stdout(_Both(sys.stdout, file)))  # type: ignore[type-var]
        yield


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "groups",
        nargs="*",
        metavar="GROUP",
        help="; ".join(f"{name}: {what}" for name, (what, _) in GROUPS.items()) + " (all)",
    )
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other faults (0)")
    parser.add_argument(
        "--decodes", type=int, default=50_000, metavar="N", help="of the test of memory (50000)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--dir", type=Path, help="an empty folder for the files (a temporary one)")
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write what is printed there, too")
    args = parser.parse_args(argv)
    for name in args.groups:
        if name not in GROUPS:
            parser.error(f"expected groups of {', '.join(GROUPS)}, got {name!r}")
    return args
