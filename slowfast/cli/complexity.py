"""Parameters, GFLOPs and activations of the network of a config; the paper's tables."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from slowfast.cli.errors import explain_errors
from slowfast.config import load_cfg
from slowfast.models.build import build_model
from slowfast.models.complexity import Cost, count_cost, training_memory
from slowfast.models.input_spec import example_input
from slowfast.viz.complexity_page import Point, Row, draw, render

EXAMPLE = """examples:
  %(prog)s --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml --crop 256
  %(prog)s --table paper        writes docs/complexity.md, run in a checkout
"""
PUBLISHED = Path("configs/paper/published.json")
CROPS = (224, 256)  # pixels; training and testing


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast complexity") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cfg", metavar="YAML", help="the network of this file")
    what.add_argument("--table", choices=("paper",), help="the tables of 1812.03982")
    parser.add_argument("--crop", type=int, metavar="N", help="height and width, pixels")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/complexity.md"),
        metavar="FILE",
        help="page that --table writes (docs/complexity.md)",
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_intermixed_args(argv)

    def show() -> int:
        if args.table:
            write_paper_tables(args.out)
            print(f"written: {args.out}")
            return 0
        net = build_network(args.cfg, args.opts)
        clips = example_input(net, size=args.crop)
        print(count_cost(net, clips))
        print()
        print(_memory(net, clips))
        return 0

    return explain_errors(program, show)


def build_network(cfg_file: str | Path, opts: Sequence[str] = ()) -> torch.nn.Module:
    """The network of a recipe on the meta device, in eval mode: shapes without weights."""
    cfg = load_cfg(cfg_file, overrides=["NUM_GPUS", 1, *opts])
    with torch.device("meta"):
        return build_model(cfg).eval()


def cost_at(net: torch.nn.Module, crop: int) -> Cost:
    return count_cost(net, example_input(net, size=crop))


def paper_rows() -> tuple[list[Row], str]:
    """The tables of configs/paper/published.json with our counts, and where they are printed."""
    published = json.loads(PUBLISHED.read_text())
    rows = []
    for table in published["tables"]:
        for entry in table["rows"]:
            net = build_network(PUBLISHED.parent / f"{entry['recipe']}.yaml")
            rows.append(
                Row(
                    table=table["title"],
                    title=entry["title"],
                    recipe=entry["recipe"],
                    ours={crop: cost_at(net, crop).gflops for crop in CROPS},
                    printed={int(crop): cost for crop, cost in entry["gflops"].items()},
                    top1=entry.get("top1"),
                    top5=entry.get("top5"),
                    map=entry.get("map"),
                    note=entry.get("note", ""),
                )
            )
    return rows, published["source"]


def write_paper_tables(out: Path) -> None:
    """Write the page and, beside it, the plot of cost against accuracy.

    Raises:
        ValueError: the recipes are not here.
    """
    if not PUBLISHED.is_file():
        raise ValueError(f"{PUBLISHED} is not here: run this in a checkout of the project")
    rows, source = paper_rows()
    plot = out.parent / "assets" / "complexity.png"
    points, gains = plot_points()
    draw(points, gains, plot)
    page = render(rows, source=source, plot=os.path.relpath(plot, out.parent))
    out.write_text(page)


def plot_points() -> tuple[list[Point], list[tuple[Point, Point]]]:
    """What `draw` takes: networks with published accuracy, and which gain by a Fast pathway."""
    figure = json.loads(PUBLISHED.read_text())["figure"]
    points = {
        entry["recipe"]: Point(
            entry["label"],
            entry["family"],
            cost_at(build_network(Path("configs") / f"{entry['recipe']}.yaml"), 256).gflops,
            entry["top1"],
        )
        for entry in figure["points"]
    }
    return list(points.values()), [(points[slow], points[fast]) for slow, fast in figure["gains"]]


def _memory(net: torch.nn.Module, clips: list[torch.Tensor]) -> str:
    weights = 4 * sum(parameter.numel() for parameter in net.parameters()) / 2**20
    kept = training_memory(net, clips) / 2**20
    return (
        f"weights      {weights:10.1f} MiB in float32; training holds as much again for gradients "
        "and for momentum\n"
        f"kept         {kept:10.1f} MiB a clip for the backward pass, in float32"
    )
