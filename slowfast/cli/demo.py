"""The main job in minutes: built-in data, training and 30-view test of two networks, reports."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import simplejson
from tqdm import tqdm

from slowfast.cli.errors import explain_errors
from slowfast.data.datasets.motions import make_motions
from slowfast.viz.demo_summary import write_comparison

CONFIGS = {"SlowFast": "SLOWFAST_TINY.yaml", "Slow-only": "SLOW_TINY.yaml"}


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast demo") -> int:
    root = Path(__file__).parents[2]
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog="example: %(prog)s --seeds 0 1 2    (what is there already is used again)",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR")
    parser.add_argument("--data", type=Path, default=Path("data/motions"), metavar="DIR")
    parser.add_argument("--configs", type=Path, default=root / "configs/Motions", metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of training (0)")
    args = parser.parse_args(argv)
    return explain_errors(program, lambda: _demo(args))


def _demo(args: argparse.Namespace) -> int:
    since = time.perf_counter()
    _make_data(args.data)
    results: dict[str, list[dict[str, Any]]] = {title: [] for title in CONFIGS}
    for seed in args.seeds:
        folders = _train_both(args, seed)
        for title, folder in folders.items():
            results[title].append(simplejson.loads((folder / "test_results.json").read_text()))
        picture = write_comparison(folders, args.out / "comparison.png")
    print()
    for title, runs in results.items():
        top1 = [run["top1"] for run in runs]
        each = f" ({', '.join(f'{value:.1f}' for value in top1)})" if len(top1) > 1 else ""
        print(
            f"{title:<10} top-1 {sum(top1) / len(top1):5.1f} %{each}   {runs[0]['num_videos']} "
            f"videos x {runs[0]['views_per_video']} views   {folders[title] / 'report.html'}"
        )
    print(f"side by side: {picture}   ({time.perf_counter() - since:.0f} s)")
    return 0


def _make_data(folder: Path) -> None:
    with tqdm(desc=f"videos in {folder}", unit=" files", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        make_motions(folder, progress=show)


def _train_both(args: argparse.Namespace, seed: int) -> dict[str, Path]:
    """Run both networks at the same time, each with its share of the cores.

    Networks this small leave most of a second thread unused, so two processes are faster than
    one after the other. The first one has the terminal, the other only its log.
    """
    share = str(max((os.cpu_count() or 2) // len(CONFIGS), 1))
    environment = {**os.environ, "OMP_NUM_THREADS": share}
    folders: dict[str, Path] = {}
    running: dict[str, subprocess.Popen[bytes]] = {}
    for title, config in CONFIGS.items():
        folder = args.out / Path(config).stem.lower() / f"seed{seed}"
        folders[title] = folder
        if (folder / "report.html").exists():
            continue
        quiet = bool(running)
        if quiet:
            print(f"{title} trains beside it; its log is {folder / 'stdout.log'}", flush=True)
        running[title] = subprocess.Popen(
            _command(args, args.configs / config, folder, seed, workers=int(not quiet)),
            env=environment,
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=subprocess.DEVNULL if quiet else None,
        )
    for title, process in running.items():
        if process.wait():
            for other in running.values():
                other.terminate()
            raise SystemExit(
                f"{title} stopped with code {process.returncode}; see {folders[title]}/stdout.log. "
                "The same command goes on from there"
            )
    return folders


def _command(
    args: argparse.Namespace, config: Path, folder: Path, seed: int, *, workers: int
) -> list[str]:
    settings = {
        "DATA.PATH_TO_DATA_DIR": args.data,
        "DATA.PATH_PREFIX": args.data,
        "DATA_LOADER.NUM_WORKERS": workers,
        "OUTPUT_DIR": folder,
        "RNG_SEED": seed,
    }
    pairs = [str(part) for pair in settings.items() for part in pair]
    return [sys.executable, "-m", "slowfast.cli.main", "run", "--cfg", str(config), *pairs]
