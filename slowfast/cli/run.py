"""Train and/or test, as the YAML says; tools/run_net.py is this command."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slowfast import dist
from slowfast.cli.arguments import positive
from slowfast.cli.errors import explain_errors, log_error
from slowfast.config import clips_per_process, dump_cfg, explain, load_cfg
from slowfast.dist.output import log_path
from slowfast.engine.build import device_from_cfg
from slowfast.engine.stop import Interrupted
from slowfast.engine.test import test
from slowfast.engine.train import train
from slowfast.log import write_line
from slowfast.viz.report import write_report

EXAMPLE = """examples:
  %(prog)s --cfg configs/Kinetics/SLOWFAST_8x8_R50.yaml DATA.PATH_TO_DATA_DIR lists/kinetics
  %(prog)s --cfg configs/Kinetics/SLOW_8x8_R50.yaml NUM_GPUS 0 TRAIN.BATCH_SIZE 8
  %(prog)s --cfg FILE.yaml --nproc 4 NUM_GPUS 0     four processes on the CPU
  %(prog)s --cfg FILE.yaml --print-config          show the merged config and where values come from
The same command goes on from the newest checkpoint of OUTPUT_DIR if it was stopped.
"""


def main(argv: Sequence[str] | None = None, *, program: str = "slowfast run") -> int:
    args = parse_args(argv, program)
    return explain_errors(program, lambda: _run_all(args))


def _run_all(args: argparse.Namespace) -> int:
    # All configs are read before any is run: a typo in the second one costs no training.
    loaded = []
    for path in args.cfg_files:
        overrides = _overrides(args)
        cfg = load_cfg(path, overrides, warned=False)
        if args.print_config:
            _print_config(path, overrides)
            continue
        job = dist.find_job(
            dist.Wanted(
                gpus=cfg.NUM_GPUS,
                machines=cfg.NUM_SHARDS,
                machine=cfg.SHARD_ID,
                address=args.init_method,
                nproc=args.nproc,
            )
        )
        if (job.machines, job.machine) != (cfg.NUM_SHARDS, cfg.SHARD_ID):
            overrides += ["NUM_SHARDS", str(job.machines), "SHARD_ID", str(job.machine)]
        cfg = load_cfg(path, overrides)
        _check_shares(cfg, job)
        loaded.append((path, cfg, job))
    for path, cfg, job in loaded:
        try:
            _launch(cfg, job)
            if cfg.REPORT.ENABLE and cfg.SHARD_ID == 0 and dist.first_process():
                _report(path, cfg, _overrides(args))
        except (Interrupted, dist.Stopped) as stopped:
            if dist.first_process():
                write_line(str(stopped))
            return stopped.exit_code
        except dist.ProcessFailed as failed:
            log_error(_log_file(cfg, job), failed)
            write_line(str(failed), stream=sys.stderr)
            return failed.exit_code
        except BrokenPipeError as error:  # not the console's: `write_line` has no such error
            bug = RuntimeError("a process that this one talks to has gone")
            log_error(_log_file(cfg, job), bug)
            raise bug from error
        except Exception as error:
            log_error(_log_file(cfg, job), error)
            raise
    return 0


def _check_shares(cfg: Any, job: dist.Job) -> None:
    """Raise if the processes of a machine can't share its batches evenly."""
    for stage in ("TRAIN", "TEST"):
        if cfg[stage].ENABLE and cfg[stage].BATCH_SIZE > 1:  # 1 is warned of by the config
            clips_per_process(cfg, stage, processes=job.processes)


def _log_file(cfg: Any, job: dist.Job) -> Path:
    """The log of this process, or of the first one that this one starts."""
    rank = int(os.environ.get("RANK", cfg.SHARD_ID * job.processes))
    return log_path(cfg.OUTPUT_DIR, rank)


def _launch(cfg: Any, job: dist.Job) -> None:
    os.environ.update(job.variables)
    device_from_cfg(cfg)  # too few GPUs are named here, in one line, before processes start
    settings = {
        "processes": job.processes,
        "machines": job.machines,
        "machine": job.machine,
        "init_method": job.address,
        "run_id": job.run_id,
        "backend": cfg.DIST_BACKEND if cfg.NUM_GPUS else "gloo",
        "timeout_minutes": cfg.DIST_TIMEOUT_MINUTES,
        "max_restarts": cfg.DIST_MAX_RESTARTS,
        "output_dir": cfg.OUTPUT_DIR,
    }
    if cfg.TRAIN.ENABLE:
        dist.launch(train, cfg, **settings)
    if cfg.TEST.ENABLE:
        dist.launch(test, cfg, **settings)


def _report(path: str, cfg: Any, overrides: list[str]) -> None:
    changed = [key for key, _, _ in explain(path, overrides)]
    report = write_report(cfg.OUTPUT_DIR, num_mistakes=cfg.REPORT.NUM_MISTAKES, changed=changed)
    write_line(f"report: {Path(report).resolve()}")


def _overrides(args: argparse.Namespace) -> list[str]:
    """KEY VALUE pairs of the line, with the flags that stand for keys."""
    pairs = list(args.opts)
    if args.num_shards is not None:
        pairs += ["NUM_SHARDS", str(args.num_shards)]
    if args.shard_id is not None:
        pairs += ["SHARD_ID", str(args.shard_id)]
    if args.allow_partial:
        pairs += ["TRAIN.ALLOW_PARTIAL", "True"]
    return pairs


def _print_config(path: str, overrides: list[str]) -> None:
    print(dump_cfg(load_cfg(path, overrides=overrides)))
    rows = explain(path, overrides)
    print(f"# {path}: {len(rows)} values differ from the defaults")
    width = max((len(key) for key, _, _ in rows), default=0)
    for key, value, origin in rows:
        print(f"# {key:<{width}}  {value!r}  ({origin})")


def parse_args(argv: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--cfg",
        "--cfg_files",
        dest="cfg_files",
        nargs="+",
        required=True,
        metavar="YAML",
        help="config files, run one after the other",
    )
    parser.add_argument(
        "--init_method",
        metavar="tcp://HOST:PORT",
        help="where several machines meet (default for one machine: a free port)",
    )
    parser.add_argument(
        "--nproc",
        type=positive,
        metavar="N",
        help="processes of this machine that share a batch on its CPU, with NUM_GPUS 0",
    )
    parser.add_argument("--num_shards", type=int, metavar="N", help="machines (NUM_SHARDS)")
    parser.add_argument(
        "--shard_id", type=int, metavar="I", help="which machine this is, from 0 (SHARD_ID)"
    )
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="start from a checkpoint that fits in part (TRAIN.ALLOW_PARTIAL)",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the merged config and where each value came from, and stop",
    )
    parser.add_argument(
        "opts",
        nargs="*",
        metavar="KEY VALUE",
        help="overrides, last on the line: TRAIN.BATCH_SIZE 16 NUM_GPUS 2",
    )
    args = parser.parse_intermixed_args(argv)
    # `--cfg FILE KEY VALUE` is the known line, but argparse gives all of it to --cfg.
    words = args.cfg_files
    first_key = next((i for i, word in enumerate(words) if _is_key(word)), len(words))
    args.cfg_files, args.opts = words[:first_key], words[first_key:] + args.opts
    if not args.cfg_files:
        parser.error(f"--cfg takes a YAML file first, got {args.opts[0]!r}")
    return args


def _is_key(word: str) -> bool:
    """Whether a word of the line is a config key rather than a file: SOLVER.BASE_LR, NUM_GPUS."""
    return re.fullmatch(r"[A-Z][A-Z0-9_]*(\.\w+)*", word) is not None and not word.lower().endswith(
        (".yaml", ".yml")
    )
