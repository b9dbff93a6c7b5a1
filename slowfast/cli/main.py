"""`slowfast`: one command, each job a sub-command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from slowfast.version import __version__

# Name -> what `slowfast --help` says of it, which is how the command's file begins: importing all
# of them (PyTorch, matplotlib) to read it there would take seconds.
COMMANDS = {
    "run": "Train and/or test, as the YAML says; tools/run_net.py is this command.",
    "submit": "Hand a run to SLURM through submitit; it is queued again at its time limit.",
    "predict": "Name what videos show, with a trained checkpoint.",
    "data": "Make the built-in data sets; show augmented clips; import boxes and tables of others.",
    "doctor": "Look over this machine, and with --cfg over a run that is to be started on it.",
    "check-data": "Decode every video of the lists once; find what is broken, copied or leaked.",
    "prepare-data": "Write small copies of videos that decode fast, pictures or tar shards; and "
    "their lists.",
    "stress": "Try what must hold whatever happens: odd and hostile files, disturbed training.",
    "demo": "The main job in minutes: built-in data, training and 30-view test of two networks, "
    "reports.",
    "report": "Write report.html for the folder of a run.",
    "models": "List the networks that `slowfast.create_model` builds by name.",
    "complexity": "Parameters, GFLOPs and activations of the network of a config; the paper's "
    "tables.",
    "export": "Write a trained network to an ONNX or torch.export file, and check that it gives "
    "the same.",
    "benchmark": "Measure decoding, networks and training here: ratios of one run, medians of "
    "several.",
    "convert": "Convert a checkpoint: .pyth, .safetensors, Caffe2 .pkl, pytorchvideo or "
    "torchvision.",
    "scaling": "What many GPUs bring: a model of communication, input and checkpoints, computed, "
    "not measured.",
    "detect-people": "Find the persons at every second of videos, or at given keyframes: boxes "
    "for detection.",
    "ava-eval": "Frame-mAP of a list of detections, as the AVA challenge evaluates it; prints "
    "JSON.",
    "draw-boxes": "Videos of what a test of detection found (green) and what is annotated (red), "
    "by keyframe.",
    "compare": "Two tested runs class by class: a table, and the bar chart of the SlowFast paper.",
    "config": "Explain config keys: `slowfast config SOLVER` or `slowfast config DATA.NUM_FRAMES`.",
}

EXAMPLE = """examples:
  slowfast run --cfg configs/Motions/SLOWFAST_TINY.yaml      train and test
  slowfast predict --checkpoint FILE.pyth video.mp4          name what a video shows
  slowfast COMMAND --help                                    what a command takes
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command; 0 when it worked, 2 for a mistake that its one line explains."""
    args = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="slowfast",
        description="Train and test SlowFast networks and their family on video.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"slowfast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        # Each command parses what follows its name by itself, so that `tools/` can call it too.
        commands.add_parser(name, help=line, add_help=False)
    chosen = parser.parse_args(args[:1])
    job = import_module(f"slowfast.cli.{chosen.command.replace('-', '_')}")
    return int(job.main(args[1:]))


if __name__ == "__main__":
    sys.exit(main())
