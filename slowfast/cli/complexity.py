"""Parameters, GFLOPs and activations of the network of a config; the paper's tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slowfast.cli.arguments import positive
from slowfast.cli.cost_tables import TABLES, build_network
from slowfast.cli.errors import explain_errors
from slowfast.models.complexity import Cost, count_cost, training_memory
from slowfast.models.input_spec import example_input, takes_boxes

EXAMPLE = """examples:
  %(prog)s --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml --crop 256
  %(prog)s --table paper        writes docs/complexity.md, in a checkout
  %(prog)s --table zoo          writes MODEL_ZOO.md
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast complexity") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _write(args) if args.table else _show(args))


def _write(args: argparse.Namespace) -> int:
    write, usual = TABLES[args.table]
    write(args.out or usual)
    print(f"written: {args.out or usual}")
    return 0


def _show(args: argparse.Namespace) -> int:
    net = build_network(args.cfg, args.opts)
    clips = example_input(net, size=args.crop)
    cost = count_cost(net, clips)
    measured = {
        "clip": [list(clip.shape[1:]) for clip in clips],
        "boxes": int(takes_boxes(net)),
        **asdict(cost),
        "weights_mib": 4 * cost.params / 2**20,
        "kept_mib": training_memory(net, clips) / 2**20,
    }
    print(json.dumps(measured) if args.json else _table(measured, cost))
    return 0


def _table(measured: dict[str, Any], cost: Cost) -> str:
    shapes = " and ".join("x".join(map(str, shape)) for shape in measured["clip"])
    boxes = ", and one box" if measured["boxes"] else ""
    weights, kept = measured["weights_mib"], measured["kept_mib"]
    return (
        f"clip         {shapes} (channels x frames x height x width){boxes}\n{cost}\n\n"
        f"weights      {weights:10.1f} MiB in float32; training holds as much again for gradients "
        "and for momentum\n"
        f"kept         {kept:10.1f} MiB a clip for the backward pass, in float32"
    )


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cfg", metavar="YAML", help="the network of this file")
    what.add_argument(
        "--table", choices=tuple(TABLES), help="a page: the tables of 1812.03982, or all recipes"
    )
    parser.add_argument(
        "--crop",
        type=positive,
        metavar="N",
        help="height and width of the clip, pixels (default: DATA.TRAIN_CROP_SIZE)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, with --cfg")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="another place for the page of --table"
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_intermixed_args(argv)
    if args.table and (args.crop or args.json or args.opts):
        parser.error(
            "--table takes all from its recipes: --crop, --json and KEY VALUE are for --cfg"
        )
    if args.cfg and args.out:
        parser.error("--out is where the page of --table goes; with --cfg redirect the output")
    return args
