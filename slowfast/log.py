"""Logging: one console, one `stdout.log`, `json_stats:` lines and `metrics.jsonl`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import simplejson
from tqdm import tqdm

LOGGER = logging.getLogger("slowfast")
FORMAT = "[%(asctime)s][%(levelname)s] %(message)s"


class _Console(logging.Handler):
    """Prints above a progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        # A file name may hold bytes that are no text; the line is printed all the same.
        encoding = sys.stdout.encoding or "utf-8"
        write_line(text.encode(encoding, "backslashreplace").decode(encoding))


def write_line(text: str, *, stream: TextIO | None = None) -> None:
    """A line on the console, above a progress bar instead of through it.

    A console that has gone (`| head`, a terminal that was closed, a full disk) ends no run: what is
    written to it from then on goes nowhere; the files of the run have all of it.
    """
    stream = sys.stdout if stream is None else stream
    try:
        tqdm.write(text, file=stream)
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def line_format() -> logging.Formatter:
    """How a line of the log reads, on the console and in files."""
    return logging.Formatter(FORMAT, datefmt="%m/%d %H:%M:%S")


def setup_logging(output_dir: str | Path | None = None, *, rank: int = 0) -> None:
    """Send the package's log to the console (rank 0) and to ``output_dir``.

    Rank 0 writes ``stdout.log``, the others ``stdout_rank1.log``, ... Calling it again
    replaces the handlers, so that a second config file of one command gets its own log.
    """
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    for handler in list(LOGGER.handlers):
        LOGGER.removeHandler(handler)
        handler.close()
    formatter = line_format()
    handlers: list[logging.Handler] = [_Console()] if rank == 0 else []
    if output_dir is not None:
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        name = "stdout.log" if rank == 0 else f"stdout_rank{rank}.log"
        handlers.append(
            logging.FileHandler(folder / name, encoding="utf-8", errors="backslashreplace")
        )
    for handler in handlers or [logging.NullHandler()]:
        handler.setFormatter(formatter)
        LOGGER.addHandler(handler)


class MetricsLog:
    """Writes each record as a ``json_stats:`` log line and as a line of ``metrics.jsonl``.

    The log lines keep the public field names and five decimals; the file keeps full precision.

    Args:
        output_dir: folder of the run; None writes log lines only (ranks other than 0).
    """

    def __init__(self, output_dir: str | Path | None) -> None:
        self.path = Path(output_dir) / "metrics.jsonl" if output_dir is not None else None

    def write(self, record: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        # Infinite is the gradient norm of a float16 step that the scaler skips: JSON has null.
        line = simplejson.dumps(_public(record), sort_keys=True, ignore_nan=True)
        LOGGER.info("json_stats: %s", line)
        with self.path.open("a") as file:
            file.write(simplejson.dumps(record, ignore_nan=True) + "\n")


def _public(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as log readers of this field know it: "epoch": "3/196", five decimals."""
    shown = {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}
    for name, total in (("epoch", "epochs"), ("iter", "iters"), ("cur_iter", "iters")):
        if name in shown and total in shown:
            shown[name] = f"{shown[name]}/{shown[total]}"
    for total in ("epochs", "iters"):
        shown.pop(total, None)
    if shown.get("_type") == "test_final":
        shown["split"] = shown.pop("_type")
        for name in [name for name in shown if name.endswith("_acc")]:
            shown[name] = f"{shown[name]:.2f}"
    return shown
