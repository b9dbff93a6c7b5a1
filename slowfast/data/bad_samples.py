"""What happens when a video cannot be read: the policy, the record, and the limit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

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

    def add(self, bad: Iterable[BadSample], *, seen: int, epoch: int | None = None) -> None:
        """Note what was bad among ``seen`` samples.

        Raises:
            ValueError: the share of bad samples is above the limit.
        """
        bad = list(bad)
        self.seen += seen
        if not bad:
            return
        self.bad += len(bad)
        self._write(bad, epoch)
        if self.bad > self.max_fraction * max(self.seen, self.grace):
            raise ValueError(
                f"{self.bad} of {self.seen} samples could not be read, more than "
                f"DATA.MAX_BAD_FRACTION ({self.max_fraction:g}) allows; they are listed in "
                f"{self.path}, the last one is {bad[-1].path} ({bad[-1].cause}). Check "
                "DATA.PATH_PREFIX and the files, or raise DATA.MAX_BAD_FRACTION"
            )

    def _write(self, bad: list[BadSample], epoch: int | None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Bytes of a file name that are no text become \udc.., which JSON reads back as they were.
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            for each in bad:
                record = {
                    "path": each.path,
                    "video": each.video,
                    "cause": each.cause,
                    "replaced_by": each.replaced_by,
                    "epoch": epoch,
                    "rank": self.rank,
                }
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
