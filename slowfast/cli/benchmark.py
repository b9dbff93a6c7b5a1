"""Measure decoding, networks and training here: ratios of one run, medians of several."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import simplejson
import torch

from slowfast.cli.arguments import positive
from slowfast.cli.benchmark_ava import measure_ava_eval, print_ava_eval
from slowfast.cli.benchmark_data import measure_data, print_data
from slowfast.cli.benchmark_networks import Case, measure_network, print_networks
from slowfast.cli.benchmark_processes import measure_processes, print_processes
from slowfast.cli.benchmark_startup import measure_startup, print_startup
from slowfast.cli.benchmark_train import measure_precisions, measure_sweep, print_sweep
from slowfast.cli.errors import explain_errors
from slowfast.cli.machine import this_machine
from slowfast.config import load_cfg
from slowfast.engine.build import device_from_cfg
from slowfast.engine.device import find_device
from slowfast.models.build import build_model
from slowfast.models.zoo import create_model

EXAMPLE = """examples:
  %(prog)s data                          on generated files: 10 s, H.264, raw and prepared
  %(prog)s data --videos DIR --json      on your own files
  %(prog)s model --networks x3d_s --threads 1 --batch 2
  %(prog)s startup --repeats 5           to the first iteration, beside imports alone
  %(prog)s ava-eval --repeats 3          frame-mAP of generated lists, 57,000 boxes x 80 classes
  %(prog)s train --cfg configs/Motions/SLOWFAST_TINY.yaml NUM_GPUS 0 --processes 1 2
  %(prog)s train --repeats 5 NUM_GPUS 1 TRAIN.BATCH_SIZE 16     on a GPU: under 9 minutes
"""

NETWORKS = ("slowfast_r50_4x16", "slow_r50_8x8", "x3d_s")
DEFAULT = Path(__file__).parents[2] / "configs" / "Kinetics" / "SLOWFAST_8x8_R50.yaml"

Row = dict[str, Any]


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast benchmark") -> int:
    args = parse_args(argv, program)

    def measure() -> int:
        if args.threads:
            torch.set_num_threads(args.threads)
        rows = MEASURES[args.what](args)
        machine = this_machine(_device(args))
        if args.json:
            about = {"what": args.what, "torch": torch.__version__, "machine": machine.as_dict()}
            print(simplejson.dumps({**about, "rows": rows}))
        elif args.what == "model":
            print_networks(rows, machine)
        elif args.what == "data":
            print_data(rows, machine)
        elif args.what == "startup":
            print_startup(rows)
        elif args.what == "ava-eval":
            print_ava_eval(rows)
        else:
            print(machine)
            _print_train(rows)
        return 0

    return explain_errors(program, measure)


def _data(args: argparse.Namespace) -> list[Row]:
    torch.set_num_threads(1)
    return measure_data(_config(args), args.videos, args.repeats)


def _startup(args: argparse.Namespace) -> list[Row]:
    return measure_startup(args.cfg, args.opts, args.repeats)


def _ava_eval(args: argparse.Namespace) -> list[Row]:
    return measure_ava_eval(args.boxes, args.repeats)


def measure_model(args: argparse.Namespace) -> list[Row]:
    """Forward pass and training step of networks, and of those of other libraries."""
    device = _device(args)
    machine = this_machine(device)
    on_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = on_gpu
    rows: list[Row] = []
    for name, net in _networks(args).items():
        batch = args.batch or (16 if on_gpu else 1)
        rows += measure_network(
            Case(name, net, batch, args.repeats, device, compile=args.compile or on_gpu), machine
        )
    return rows


def _device(args: argparse.Namespace) -> torch.device:
    return find_device(args.device)


def _networks(args: argparse.Namespace) -> dict[str, torch.nn.Module]:
    """The network of --cfg, or those of --networks."""
    if args.cfg is not None:
        if args.networks or args.crop or args.frames:
            raise ValueError(
                "--networks, --crop and --frames are for networks of the zoo; with --cfg set "
                "DATA.TRAIN_CROP_SIZE and DATA.NUM_FRAMES"
            )
        cfg = load_cfg(args.cfg, overrides=args.opts)
        return {Path(args.cfg).stem: build_model(cfg)}
    if args.opts:
        raise ValueError(f"{args.opts[0]} is a setting, and there is no --cfg that it changes")
    changes = {"crop_size": args.crop, "num_frames": args.frames}
    given = {key: value for key, value in changes.items() if value}
    return {name: create_model(name, **given) for name in args.networks or NETWORKS}


def _train(args: argparse.Namespace) -> list[Row]:
    """Precisions; real training by several processes; and on a GPU a sweep at full size."""
    cfg = _config(args)
    device = device_from_cfg(cfg)
    rows = measure_precisions(cfg, device, args.repeats)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        rows += measure_sweep(cfg, device, this_machine(device), args.repeats)
    numbers = [n for n in args.processes if device.type == "cpu" or n <= cfg.NUM_GPUS]
    # On a CPU only a small network trains fast enough to be measured, if none is asked for.
    usual, opts = (None, []) if device.type == "cpu" else (DEFAULT, args.opts)
    return rows + measure_processes(
        args.cfg or usual,
        args.opts if args.cfg else opts,
        processes=numbers,
        repeats=min(args.repeats, 3),
        steps=args.steps,
    )


def _print_train(rows: list[Row]) -> None:
    _print_table([row for row in rows if "processes" not in row and "share_of_bound" not in row])
    sweep = [row for row in rows if "share_of_bound" in row]
    if sweep:
        print_sweep(sweep)
    print_processes([row for row in rows if "processes" in row])


MEASURES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "data": _data,
    "model": measure_model,
    "train": _train,
    "startup": _startup,
    "ava-eval": _ava_eval,
}


def _config(args: argparse.Namespace) -> Any:
    default = ["NUM_GPUS", "0", "TRAIN.BATCH_SIZE", "2"]
    if args.cfg is None:
        return load_cfg(DEFAULT, overrides=[*default, *args.opts])
    return load_cfg(args.cfg, overrides=args.opts)


def _print_table(rows: list[Row]) -> None:
    print(f"{'source':<24} {'what':<32} {'ms':>9} {'ratio':>7} {'per s':>8}")
    for row in rows:
        print(
            f"{row['source'][:24]:<24} {row['what']:<32} {row['ms']:9.1f} {row['ratio']:7.2f} "
            f"{row['clips_per_s']:8.1f}"
        )


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=tuple(MEASURES))
    parser.add_argument("--cfg", metavar="YAML", help="settings (default: SlowFast 8x8 R50, CPU)")
    parser.add_argument("--videos", metavar="DIR", help="files to decode (default: generated)")
    parser.add_argument(
        "--repeats", type=positive, default=9, metavar="N", help="runs a median (9)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="of the CPU (default: all)")
    model = parser.add_argument_group("model")
    model.add_argument(
        "--networks", nargs="+", metavar="NAME", help=f"of the zoo ({' '.join(NETWORKS)})"
    )
    model.add_argument("--crop", type=positive, metavar="N", help="height and width, pixels")
    model.add_argument("--frames", type=positive, metavar="N", help="frames of a clip")
    model.add_argument("--batch", type=positive, metavar="N", help="clips (1; 16 on a GPU)")
    model.add_argument("--device", metavar="NAME", help="cpu, cuda (default: a GPU, if any)")
    model.add_argument(
        "--compile", action="store_true", help="also compiled (always on a GPU); takes minutes"
    )
    train = parser.add_argument_group("train")
    train.add_argument(
        "--processes",
        nargs="+",
        type=positive,
        default=[1, 2, 4],
        metavar="N",
        help="numbers of processes to train with (1 2 4; on GPUs those up to NUM_GPUS)",
    )
    train.add_argument(
        "--steps", type=positive, default=12, metavar="N", help="of a run of them (12)"
    )
    ava = parser.add_argument_group("ava-eval")
    ava.add_argument("--boxes", type=positive, default=57_000, metavar="N", help="(57000)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    return parser.parse_intermixed_args(argv)
