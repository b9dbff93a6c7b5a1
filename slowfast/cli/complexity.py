"""Parameters, GFLOPs and activations of the network of a config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from slowfast.cli.errors import explain_errors
from slowfast.config import load_cfg
from slowfast.models.build import build_model
from slowfast.models.complexity import count_cost
from slowfast.models.zoo import example_input


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast complexity") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog="example: %(prog)s --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml",
    )
    parser.add_argument("--cfg", required=True, metavar="YAML")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_intermixed_args(argv)

    def show() -> int:
        net = build_model(load_cfg(args.cfg, overrides=args.opts)).eval()
        with torch.inference_mode():
            print(count_cost(net, example_input(net)))
        return 0

    return explain_errors(program, show)
