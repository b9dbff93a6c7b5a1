"""Videos of what a test of detection found (green) and what is annotated (red), by keyframe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from slowfast.cli.arguments import above_0, not_negative, positive
from slowfast.cli.errors import explain_errors

EXAMPLE = """examples:
  %(prog)s runs/detection --out films --clips 20
  %(prog)s --detections detections.csv --gt ava_val_v2.2.csv --videos frames --fps 30 \\
      --labelmap ava_action_list_v2.2.pbtxt --start-second 900 --out films
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast draw-boxes") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _draw(args))


def _draw(args: argparse.Namespace) -> int:
    from slowfast.engine.keyframe_boxes import boxes_of_lists, boxes_of_run
    from slowfast.viz.box_videos import write_box_videos

    if args.output_dir:
        _refuse_both(args)
        boxes = boxes_of_run(
            args.output_dir,
            detections=args.detections,
            annotations=args.gt,
            threshold=args.threshold,
        )
    else:
        given = {"--detections": args.detections, "--gt": args.gt, "--videos": args.videos}
        if absent := [name for name, value in given.items() if not value]:
            raise ValueError(
                f"expected the OUTPUT_DIR of a tested run, or lists and videos; found no "
                f"{', '.join(absent)}"
            )
        boxes = boxes_of_lists(
            args.detections,
            args.gt,
            args.videos,
            label_map=args.labelmap,
            start_second=args.start_second or 0.0,
            picture_fps=args.fps or 30.0,
            threshold=args.threshold,
        )
    count = 0
    for film in write_box_videos(boxes, args.out, clips=args.clips, hold=args.hold):
        print(f"{film.path}  {film.keyframes} keyframe(s), {film.seconds:.1f} s", flush=True)
        count += 1
    print(f"{count} of {len(boxes.moments)} clips in {args.out}")
    return 0


def _refuse_both(args: argparse.Namespace) -> None:
    """Raise for what a run says itself, and would be passed over in silence."""
    words = {
        "--videos": args.videos,
        "--labelmap": args.labelmap,
        "--start-second": args.start_second,
        "--fps": args.fps,
    }
    if given := [name for name, value in words.items() if value is not None]:
        raise ValueError(
            f"{args.output_dir}: expected the OUTPUT_DIR of a run, whose config says where its "
            f"videos are, or lists and videos, found both ({', '.join(given)}); leave out one of "
            "them"
        )


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output_dir", nargs="?", metavar="OUTPUT_DIR", help="of a tested run")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the videos")
    parser.add_argument(
        "--clips", type=positive, metavar="N", help="the first so many (default: all)"
    )
    parser.add_argument(
        "--threshold",
        type=not_negative,
        default=0.5,
        metavar="SCORE",
        help="least score (default: 0.5)",
    )
    parser.add_argument(
        "--hold",
        type=not_negative,
        default=1.0,
        metavar="SECONDS",
        help="to stand still at each keyframe (default: 1)",
    )
    parser.add_argument("--detections", metavar="CSV", help="video,second,x1,y1,x2,y2,action,score")
    parser.add_argument("--gt", metavar="CSV", help="video,second,x1,y1,x2,y2,action[,person]")
    alone = parser.add_argument_group("without OUTPUT_DIR")
    alone.add_argument("--videos", metavar="DIR", help="video files, or folders of pictures")
    alone.add_argument("--labelmap", metavar="PBTXT", help="names of the actions")
    alone.add_argument(
        "--start-second",
        type=float,
        metavar="SECOND",
        help="what the lists call the first frame (default: 0; AVA's extracted frames: 900)",
    )
    alone.add_argument(
        "--fps",
        type=above_0,
        metavar="N",
        help="of folders of pictures (default: 30)",
    )
    return parser.parse_args(argv)
