"""Measure decoding, networks and training here: ratios of one run, medians of several."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import simplejson
import torch

from slowfast.cli.arguments import positive
from slowfast.cli.benchmark_data import measure_data, print_data
from slowfast.cli.benchmark_networks import Case, measure_network, print_networks
from slowfast.cli.benchmark_startup import measure_startup, print_startup
from slowfast.cli.errors import explain_errors
from slowfast.cli.machine import this_machine
from slowfast.config import load_cfg, with_values
from slowfast.data.batch import Batch
from slowfast.engine.build import build_network, build_stepper, build_task, device_from_cfg
from slowfast.engine.device import find_device
from slowfast.models.build import build_model
from slowfast.models.zoo import create_model

EXAMPLE = """examples:
  %(prog)s data                          on generated files: 10 s, H.264, raw and prepared
  %(prog)s data --videos DIR --json      on your own files
  %(prog)s model --networks x3d_s --threads 1 --batch 2
  %(prog)s startup --repeats 5           to the first iteration, beside imports alone
  %(prog)s train --cfg configs/Kinetics/SLOW_8x8_R50.yaml NUM_GPUS 0 TRAIN.BATCH_SIZE 2
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
        else:
            _print_table(rows)
        return 0

    return explain_errors(program, measure)


def _data(args: argparse.Namespace) -> list[Row]:
    torch.set_num_threads(1)
    return measure_data(_config(args), args.videos, args.repeats)


def _startup(args: argparse.Namespace) -> list[Row]:
    return measure_startup(args.cfg, args.opts, args.repeats)


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


def measure_train(args: argparse.Namespace) -> list[Row]:
    """One optimizer step on random clips, uint8 in, in float32 and in bfloat16."""
    cfg = _config(args)
    device = device_from_cfg(cfg)
    size, count = cfg.DATA.TRAIN_CROP_SIZE, cfg.TRAIN.BATCH_SIZE // max(cfg.NUM_GPUS, 1)
    zeros = torch.zeros(count, dtype=torch.int64)
    clips = torch.randint(0, 256, (count, cfg.DATA.NUM_FRAMES, size, size, 3), dtype=torch.uint8)
    batch = Batch(clips, zeros, zeros, zeros, ["random"] * count).to(device)
    rows: list[Row] = []
    base = None
    half = {"TRAIN.MIXED_PRECISION": True, "TRAIN.AMP_DTYPE": "bfloat16"}
    for title, settings in (
        ("float32", {}),
        ("bfloat16", half),
        ("bfloat16, channels last", half | {"MODEL.CHANNELS_LAST": True}),
    ):
        mode = with_values(cfg, settings)
        net = build_network(mode, device)
        stepper = build_stepper(net, net, build_task(mode), mode, device)

        def step(stepper: Any = stepper) -> None:
            stepper(batch, 1e-3, seed=0)
            _wait(device)

        seconds = _wall_seconds(step, args.repeats)
        base = base or seconds
        rows.append(_row(cfg.MODEL.ARCH, f"step of {count}, {title}", seconds, base, clips=count))
    return rows


MEASURES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "data": _data,
    "model": measure_model,
    "train": measure_train,
    "startup": _startup,
}


def _config(args: argparse.Namespace) -> Any:
    default = ["NUM_GPUS", "0", "TRAIN.BATCH_SIZE", "2"]
    if args.cfg is None:
        return load_cfg(DEFAULT, overrides=[*default, *args.opts])
    return load_cfg(args.cfg, overrides=args.opts)


def _wall_seconds(action: Callable[[], Any], repeats: int) -> float:
    return _median(action, repeats, time.perf_counter)


def _median(action: Callable[[], Any], repeats: int, clock: Callable[[], float]) -> float:
    action()  # the first call pays for what is only done once
    times = []
    for _ in range(repeats):
        since = clock()
        action()
        times.append(clock() - since)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _row(source: str, what: str, seconds: float, base: float, *, clips: int = 1) -> Row:
    return {
        "source": source,
        "what": what,
        "ms": 1000 * seconds,
        "ratio": seconds / base,
        "clips_per_s": clips / seconds,
    }


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
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    return parser.parse_intermixed_args(argv)
