"""Write a trained network to an ONNX or torch.export file, and check that it gives the same."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from slowfast.cli.arguments import positive
from slowfast.cli.errors import explain_errors
from slowfast.config import cfg_from_text, dump_cfg, load_cfg, with_values
from slowfast.data.datasets.build import class_names_from_cfg
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.from_cfg import AS_SAVED, load_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import read_checkpoint
from slowfast.export.write import FORMATS, export_network
from slowfast.version import __version__

EXAMPLE = """examples:
  %(prog)s --checkpoint FILE.pyth net.onnx
  %(prog)s --cfg configs/Kinetics/X3D_S.yaml --checkpoint FILE.pyth --crop 182 net.pt2

A file takes normalised clips, float32 (N, C, T, H, W): `clip`, or `slow` and `fast`, and `boxes`
for detection; it gives `scores` (N, classes). In it are the config, class names, mean and std.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast export") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _export(args))


def _export(args: argparse.Namespace) -> int:
    file_format = format_of(args.out, args.format)
    if args.out.exists() and not args.force:
        raise ValueError(f"{args.out}: is there already; --force replaces it")
    net, cfg, names = load_network(args)
    parity = export_network(
        net,
        args.out,
        file_format=file_format,
        batch=args.batch,
        size=cfg.DATA.TEST_CROP_SIZE if args.crop is None else args.crop,
        metadata=metadata_from_cfg(cfg, names, source=args.checkpoint),
        tolerance=args.tolerance,
    )
    print(f"written: {args.out}, {args.out.stat().st_size / 1e6:.1f} MB; {parity}")
    return 0


def format_of(out: Path, chosen: str | None) -> str:
    """The format that --format or the name of the file asks for."""
    by_name = {ending: name for name, ending in FORMATS.items()}
    wanted = chosen or by_name.get(out.suffix)
    if wanted is None:
        raise ValueError(
            f"{out}: the name does not say what to write; end it in {' or '.join(by_name)}, or "
            f"set --format {' or '.join(FORMATS)}"
        )
    if out.suffix != FORMATS[wanted]:
        raise ValueError(
            f"{out}: a file of --format {wanted} ends in {FORMATS[wanted]}; change one of them"
        )
    return wanted


def load_network(args: argparse.Namespace) -> tuple[nn.Module, Any, list[str]]:
    """The network with its weights, its config, and the names of its classes, if known.

    Raises:
        ValueError: neither a checkpoint nor random weights were asked for, or no config is there.
    """
    if (args.checkpoint is None) != args.random_weights:
        raise ValueError(
            "expected one of --checkpoint FILE and --random-weights (a network that has learned "
            f"nothing, to measure its speed), got {'both' if args.checkpoint else 'neither'}"
        )
    content = read_checkpoint(args.checkpoint) if args.checkpoint else {}
    if args.cfg is not None:
        cfg = load_cfg(args.cfg, overrides=args.opts)
    elif isinstance(content.get("cfg"), str):
        cfg = cfg_from_text(content["cfg"], overrides=[*AS_SAVED, *args.opts])
    else:
        found = f"{args.checkpoint}: the checkpoint carries no config" if content else "no --cfg"
        raise CheckpointError(f"{found}; pass the YAML of the network (--cfg FILE)")
    # Plain float32: layout and precision are up to what runs the file.
    cfg = with_values(cfg, {"NUM_GPUS": 0, "MODEL.CHANNELS_LAST": False})
    net = build_network(cfg, torch.device("cpu"))
    if content:
        load_from_cfg(net, content, cfg, source=str(args.checkpoint))
    return net, cfg, class_names_of(content) or class_names_from_cfg(cfg)


def metadata_from_cfg(cfg: Any, class_names: list[str], *, source: str | None) -> dict[str, str]:
    """What a program needs to know beside the weights, as texts; lists are JSON."""
    return {
        "class_names": json.dumps(class_names),
        "mean": json.dumps(list(cfg.DATA.MEAN)),
        "std": json.dumps(list(cfg.DATA.STD)),
        "weights": Path(source).name if source else "random",
        "config": dump_cfg(cfg),
        "slowfast_version": __version__,
    }


def _batch(text: str) -> int | None:
    try:
        return None if text == "dynamic" else positive(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected a number of clips or 'dynamic', got {text!r}"
        ) from None


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write, .onnx or .pt2")
    parser.add_argument("--checkpoint", metavar="FILE", help="a .pyth file; loaded strictly")
    parser.add_argument(
        "--random-weights", action="store_true", help="export without a checkpoint, for timing"
    )
    parser.add_argument("--cfg", metavar="YAML", help="default: the config in the checkpoint")
    parser.add_argument("--format", choices=tuple(FORMATS), help="default: as OUT ends")
    parser.add_argument(
        "--crop", type=positive, metavar="N", help="height and width, pixels (DATA.TEST_CROP_SIZE)"
    )
    parser.add_argument(
        "--batch", type=_batch, metavar="N", help="clips of a call (default: 'dynamic', any number)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-3,
        metavar="X",
        help="largest difference of scores, absolute and as a share of the largest (1e-3)",
    )
    parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    return parser.parse_intermixed_args(argv)
