"""Frame-mAP of a list of detections, as the AVA challenge evaluates it; prints JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import simplejson

from slowfast.cli.errors import explain_errors

EXAMPLE = """example:
  %(prog)s --gt ava_val_v2.2.csv --detections detections.csv \\
      --labelmap ava_action_list_v2.2_for_activitynet_2019.pbtxt \\
      --exclusions ava_val_excluded_timestamps_v2.2.csv
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast ava-eval") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--gt", required=True, metavar="CSV", help="video,second,x1,y1,x2,y2,action[,person]"
    )
    parser.add_argument(
        "--detections", required=True, metavar="CSV", help="video,second,x1,y1,x2,y2,action,score"
    )
    parser.add_argument(
        "--labelmap", required=True, metavar="PBTXT", help="the classes that are evaluated"
    )
    parser.add_argument("--exclusions", metavar="CSV", help="video,second that are passed over")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write it there, too")
    args = parser.parse_args(argv)

    def evaluate() -> int:
        from slowfast.engine.ava_eval import evaluate_lists

        result = evaluate_lists(args.gt, args.detections, args.labelmap, exclusions=args.exclusions)
        text = simplejson.dumps(result.summary(), indent=1)
        print(text)
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(text + "\n", encoding="utf-8")
        return 0

    return explain_errors(program, evaluate)
