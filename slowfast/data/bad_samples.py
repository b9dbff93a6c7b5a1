"""What happens when a video cannot be read: the policy, the record, and the limit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from slowfast.data.batch import BadSample

POLICIES = ("raise", "skip", "substitute")
MAX_SUBSTITUTES = 10  # videos tried in place of a bad one before giving up
FILE_NAME = "bad_samples.jsonl"


class BadSampleLog:
    """Records bad samples in ``output_dir``, and stops a run that has too many.

    It lives in the main process: workers only report.

    Args:
        output_dir: where ``bad_samples.jsonl`` is appended to.
        max_fraction: share of bad samples among those seen above which `add` raises.
        grace: the share is judged as if at least so many had been seen, so that one bad video
            among the first few stops nothing.
        rank: recorded with each line.
    """

    def __init__(
        self, output_dir: str | Path, *, max_fraction: float, grace: int = 200, rank: int = 0
    ) -> None:
        self.path = Path(output_dir) / FILE_NAME
        self.max_fraction, self.grace, self.rank = max_fraction, grace, rank
        self.seen = self.bad = 0
        self._evaluation: int | None = None

    def rewind(self, *, epoch: int, batch: int) -> None:
        """Drop what was noted in training after ``batch`` batches of ``epoch`` (from 0).

        A resumed run notes it again. Rank 0 rewrites the file; the others must wait for it.
        """
        self._keep(
            lambda r: r["epoch"] is None or (r["epoch"], r.get("batch") or 0) < (epoch, batch)
        )

    def begin_evaluation(self, after: int) -> None:
        """What follows belongs to the evaluation after so many epochs, and replaces its lines."""
        self._evaluation = after
        self._keep(lambda r: r["epoch"] is not None or r.get("evaluation") != after)

    def _keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        if self.rank or not self.path.exists():
            return
        lines = self.path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if (found := _parse(line)) and wanted(found)]
        if len(kept) < len(lines):
            part = self.path.with_suffix(".part")
            part.write_bytes(b"".join(kept))
            os.replace(part, self.path)

    def add(
        self,
        bad: Iterable[BadSample],
        *,
        seen: int,
        epoch: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Note what was bad among ``seen`` samples, of a batch of an epoch or of an evaluation.

        Raises:
            ValueError: the share of bad samples is above the limit.
        """
        bad = list(bad)
        self.seen += seen
        if not bad:
            return
        self.bad += len(bad)
        self._write(bad, epoch, batch)
        if self.bad > self.max_fraction * max(self.seen, self.grace):
            raise ValueError(
                f"{self.bad} of {self.seen} samples could not be read, more than "
                f"DATA.MAX_BAD_FRACTION ({self.max_fraction:g}) allows; they are listed in "
                f"{self.path}, the last one is {bad[-1].path} ({bad[-1].cause}). Check "
                "DATA.PATH_PREFIX and the files, or raise DATA.MAX_BAD_FRACTION"
            )

    def _write(self, bad: list[BadSample], epoch: int | None, batch: int | None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Bytes of a file name that are no text become \udc.., which JSON reads back as they were.
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            for each in bad:
                record = {
                    "path": each.path,
                    "video": each.video,
                    **({} if each.second is None else {"second": each.second}),
                    "cause": each.cause,
                    "replaced_by": each.replaced_by,
                    "epoch": epoch,
                    "batch": batch,
                    "evaluation": self._evaluation if epoch is None else None,
                    "rank": self.rank,
                }
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _parse(line: bytes) -> dict[str, Any] | None:
    """A record of the file; None for a line that a crash cut short."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "epoch" in record else None
