"""Name what videos show, with a trained checkpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import simplejson

from slowfast.cli.errors import explain_errors
from slowfast.data.readers.video_error import VideoError
from slowfast.engine.predict import Predictor

EXAMPLE = """examples:
  %(prog)s --checkpoint runs/kinetics/checkpoints/checkpoint_best.pyth video.mp4
  %(prog)s --checkpoint FILE.pyth --json *.mp4 > predictions.jsonl
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast predict") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _predict(args))


def _predict(args: argparse.Namespace) -> int:
    if args.top < 1:
        raise ValueError(
            f"--top is {args.top}, expected at least 1: it is how many classes to show"
        )
    overrides = list(args.set or [])
    predictor = Predictor.from_checkpoint(
        args.checkpoint, cfg=args.cfg, overrides=overrides, device=args.device
    )
    failed = 0
    for video in args.videos:
        try:
            prediction = predictor(video, top=args.top)
        except ValueError as error:  # one unreadable file must not cost the others
            print(_explain(video, error), file=sys.stderr)
            failed += 1
            continue
        print(simplejson.dumps(prediction.as_dict()) if args.json else prediction)
    return 2 if failed else 0


def _explain(video: str, error: ValueError) -> str:
    said = error.fault if isinstance(error, VideoError) else str(error)
    if not Path(video).exists():
        said += "; check the path"
    return said if video in said else f"{video}: {said}"


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="a .pyth, .safetensors or Caffe2 .pkl file",
    )
    parser.add_argument("--top", type=int, default=5, metavar="K", help="classes to show (5)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1 (default: a GPU, if any)"
    )
    parser.add_argument(
        "--cfg", metavar="YAML", help="config to use instead of the one in the checkpoint"
    )
    parser.add_argument(
        "--set",
        nargs=2,
        action="extend",
        metavar=("KEY", "VALUE"),
        help="change a setting, e.g. --set TEST.NUM_ENSEMBLE_VIEWS 4; may be repeated",
    )
    return parser.parse_args(argv)
