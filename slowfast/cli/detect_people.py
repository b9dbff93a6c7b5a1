"""Find the persons at every second of videos, or at given keyframes: boxes for detection."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from slowfast.cli.arguments import above_0, positive, share
from slowfast.cli.errors import explain_errors

EXAMPLE = """examples:
  %(prog)s --videos videos --out boxes/detected.csv
  %(prog)s --videos videos --out boxes/detected.csv --weights fasterrcnn.pth --every 0.5
  %(prog)s --videos videos --out boxes/val_detected.csv --keyframes boxes/val.csv
Boxes are shares of the frame, in the format of AVA: AVA.TEST_PREDICT_BOX_LISTS [detected.csv] with
AVA.START_SECOND 0 AVA.VALID_SECONDS [] tests on them. What was broken off goes on where it was.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast detect-people") -> int:
    args = _parse_args(argv, program)

    def detect() -> int:
        from slowfast.engine.device import find_device
        from slowfast.engine.moments import EveryStep, KeyframesOf
        from slowfast.engine.people import PersonDetector, write_people

        moments = KeyframesOf(args.keyframes) if args.keyframes else EveryStep(args.every)
        detector = PersonDetector.load(args.weights, device=find_device(args.device))
        report = write_people(
            args.videos,
            args.out,
            detector,
            moments=moments,
            start_second=args.start_second,
            threshold=args.threshold,
            batch=args.batch,
            asked=f"{args.weights} {args.videos.resolve()}",
        )
        print(
            f"{report.boxes} boxes of {report.keyframes} keyframes in {report.videos} video(s): "
            f"{args.out}"
        )
        if report.unread:
            print(f"{len(report.unread)} video(s) could not be read and have no boxes")
        return 1 if report.unread else 0

    return explain_errors(program, detect)


def _parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="CSV")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="of torchvision's fasterrcnn_resnet50_fpn_v2 (downloaded)",
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--every", type=above_0, default=1.0, metavar="SECONDS", help="between keyframes (1)"
    )
    when.add_argument(
        "--keyframes",
        type=Path,
        nargs="+",
        metavar="CSV",
        help="look at the videos and seconds of these lists of boxes, and at nothing else",
    )
    parser.add_argument(
        "--start-second", type=float, default=0.0, metavar="S", help="of the first frame (0)"
    )
    parser.add_argument(
        "--threshold", type=share, default=0.05, metavar="P", help="least score of a box (0.05)"
    )
    parser.add_argument("--batch", type=positive, default=4, metavar="N", help="frames at once (4)")
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda (the first GPU, if any)")
    return parser.parse_args(argv)
