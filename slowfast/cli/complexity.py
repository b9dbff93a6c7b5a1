"""Parameters, GFLOPs and activations of the network of a config; the paper's tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from slowfast.cli.cost_tables import TABLES, build_network
from slowfast.cli.errors import explain_errors
from slowfast.models.complexity import count_cost, training_memory
from slowfast.models.input_spec import example_input

EXAMPLE = """examples:
  %(prog)s --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml --crop 256
  %(prog)s --table paper        writes docs/complexity.md, in a checkout
  %(prog)s --table zoo          writes MODEL_ZOO.md
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast complexity") -> int:
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
    parser.add_argument("--crop", type=int, metavar="N", help="height and width, pixels")
    parser.add_argument("--out", type=Path, metavar="FILE", help="another place for the page")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_intermixed_args(argv)

    def show() -> int:
        if args.table:
            write, usual = TABLES[args.table]
            write(args.out or usual)
            print(f"written: {args.out or usual}")
            return 0
        net = build_network(args.cfg, args.opts)
        clips = example_input(net, size=args.crop)
        print(count_cost(net, clips))
        print()
        print(_memory(net, clips))
        return 0

    return explain_errors(program, show)


def _memory(net: torch.nn.Module, clips: list[torch.Tensor]) -> str:
    weights = 4 * sum(parameter.numel() for parameter in net.parameters()) / 2**20
    kept = training_memory(net, clips) / 2**20
    return (
        f"weights      {weights:10.1f} MiB in float32; training holds as much again for gradients "
        "and for momentum\n"
        f"kept         {kept:10.1f} MiB a clip for the backward pass, in float32"
    )
