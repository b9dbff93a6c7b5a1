"""List the networks that `slowfast.create_model` builds by name."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from slowfast.cli.errors import explain_errors
from slowfast.models.complexity import count_cost
from slowfast.models.zoo import create_model, example_input, list_models


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast models") -> int:
    parser = argparse.ArgumentParser(
        prog=program, description=__doc__, epilog="example: %(prog)s 'slowfast*' --cost"
    )
    parser.add_argument("pattern", nargs="?", default="*", help="names to list, e.g. 'slow_*'")
    parser.add_argument("--cost", action="store_true", help="also parameters and GFLOPs (slower)")
    args = parser.parse_args(argv)

    def show() -> int:
        for name in list_models(args.pattern):
            print(_line(name) if args.cost else name)
        return 0

    return explain_errors(program, show)


def _line(name: str) -> str:
    net = create_model(name).eval()
    with torch.inference_mode():
        cost = count_cost(net, example_input(net))
    return f"{name:<28} {cost.params / 1e6:7.2f} M parameters {cost.gflops:8.2f} GFLOPs"
