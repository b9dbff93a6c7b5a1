"""Convert a checkpoint: .pyth, .safetensors, Caffe2 .pkl, pytorchvideo or torchvision."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slowfast.cli.errors import explain_errors
from slowfast.engine.convert import convert_checkpoint

EXAMPLE = """examples:
  %(prog)s SLOWFAST_8x8_R50.pkl SLOWFAST_8x8_R50.pyth --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml
  %(prog)s runs/mine/checkpoints/checkpoint_best.pyth mine.safetensors
With a config, in IN or as --cfg, the weights must fit its network; the config and the class names
go into OUT, and `slowfast predict --checkpoint OUT` needs nothing else. OUT holds weights alone:
training can start from it, but not go on where IN was.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast convert") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="IN", help="the checkpoint to read; its kind is told")
    parser.add_argument("target", metavar="OUT", help="a .pyth or .safetensors file to write")
    parser.add_argument("--cfg", metavar="YAML", help="config of the network (default: IN's own)")
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
    args = parser.parse_args(argv)

    def convert() -> int:
        print(convert_checkpoint(args.source, args.target, cfg=args.cfg, force=args.force))
        return 0

    return explain_errors(program, convert)
