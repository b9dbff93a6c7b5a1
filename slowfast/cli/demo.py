"""The main job in minutes: built-in data, training and 30-view test of two networks, reports."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import simplejson

from slowfast.cli import run
from slowfast.cli.errors import explain_errors
from slowfast.data.datasets.motions import make_motions
from slowfast.viz.demo_summary import write_comparison

CONFIGS = {"SlowFast": "SLOWFAST_TINY.yaml", "Slow-only": "SLOW_TINY.yaml"}


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast demo") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog="example: %(prog)s --out runs/demo --seed 1    (what is there is used again)",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR")
    parser.add_argument("--data", type=Path, default=Path("data/motions"), metavar="DIR")
    parser.add_argument("--configs", type=Path, default=Path("configs/Motions"), metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="of training (RNG_SEED)")
    args = parser.parse_args(argv)
    return explain_errors(program, lambda: _demo(args))


def _demo(args: argparse.Namespace) -> int:
    since = time.perf_counter()
    make_motions(args.data)
    folders = {}
    for title, config in CONFIGS.items():
        folders[title] = args.out / Path(config).stem.lower() / f"seed{args.seed}"
        if not (folders[title] / "report.html").exists():
            _run(args, args.configs / config, folders[title])
    picture = write_comparison(folders, args.out / "comparison.png")
    print()
    for title, folder in folders.items():
        results = simplejson.loads((folder / "test_results.json").read_text())
        print(
            f"{title:<10} top-1 {results['top1']:5.1f} %   {results['num_videos']} videos x "
            f"{results['views_per_video']} views   {folder / 'report.html'}"
        )
    print(f"side by side: {picture}   ({time.perf_counter() - since:.0f} s)")
    return 0


def _run(args: argparse.Namespace, config: Path, folder: Path) -> None:
    settings = {
        "DATA.PATH_TO_DATA_DIR": args.data,
        "DATA.PATH_PREFIX": args.data,
        "OUTPUT_DIR": folder,
        "RNG_SEED": args.seed,
    }
    overrides = [str(part) for pair in settings.items() for part in pair]
    code = run.main(["--cfg", str(config), *overrides])
    if code:
        raise SystemExit(code)
