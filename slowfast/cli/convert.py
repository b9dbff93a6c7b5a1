"""Convert a checkpoint: .pyth, .safetensors, Caffe2 .pkl, pytorchvideo or torchvision."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from slowfast.cli.errors import explain_errors
from slowfast.engine.convert import convert_checkpoint

EXAMPLE = """examples:
  %(prog)s SLOWFAST_8x8_R50.pkl SLOWFAST_8x8_R50.pyth --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml
  %(prog)s runs/mine/checkpoints/checkpoint_best.pyth mine.safetensors
  %(prog)s resnet50.pth C2D.pyth --cfg configs/Kinetics/C2D_8x8_R50.yaml MODEL.NUM_CLASSES 1000 \\
      TRAIN.CHECKPOINT_INFLATE True
With a config, in IN or as --cfg, the weights must fit its network, but for what
TRAIN.ALLOW_PARTIAL, TRAIN.CHECKPOINT_INFLATE, TRAIN.CHECKPOINT_IN_INIT and
TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN of --cfg or of the line allow; the config and the class names
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
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="keep random weights where IN has none that fit (TRAIN.ALLOW_PARTIAL)",
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="changes of the config")
    args = parser.parse_intermixed_args(argv)
    opts = args.opts + ["TRAIN.ALLOW_PARTIAL", "True"] * args.allow_partial

    def convert() -> int:
        done = convert_checkpoint(
            args.source, args.target, cfg=args.cfg, overrides=opts, force=args.force
        )
        print(done)
        return 0

    return explain_errors(program, convert)
