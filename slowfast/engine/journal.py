"""The record of a run: log lines, `metrics.jsonl` and TensorBoard, all from one call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import simplejson

from slowfast import dist
from slowfast.log import MetricsLog


class Journal:
    """Where a run writes its figures; ranks other than 0 write nowhere.

    Args:
        output_dir: folder of the run.
        tensorboard_dir: folder of the event files; None writes none.
    """

    def __init__(self, output_dir: str | Path, *, tensorboard_dir: Path | None = None) -> None:
        folder = Path(output_dir) if dist.is_main() else None
        self._metrics = MetricsLog(folder)
        self._board_dir = None if folder is None else tensorboard_dir
        self._board = self._open_board()

    def write(self, record: dict[str, Any], *, step: int | None = None) -> None:
        """Write one record; its numbers also go to TensorBoard if ``step`` is given."""
        self._metrics.write(record)
        if self._board is None or step is None:
            return
        kind = "Train" if record["_type"].startswith("train") else "Val"
        for name, value in record.items():
            if isinstance(value, float):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def records(self) -> list[dict[str, Any]]:
        """All records so far; a last line cut short by a crash is left out."""
        if self._metrics.path is None or not self._metrics.path.exists():
            return []
        lines = self._metrics.path.read_text().splitlines()
        return [record for record in map(_parse, lines) if record is not None]

    def rewind(self, *, epoch: int, batch: int, step: int) -> None:
        """Drop what was written after this position: a resumed run writes it again.

        Args:
            epoch, batch: whole epochs done, and batches done of the one under way.
            step: batches done in all.
        """
        if self._metrics.path is None or not self._metrics.path.exists():
            return
        kept = [r for r in self.records() if _is_before(r, epoch, batch)]
        part = self._metrics.path.with_suffix(".part")
        part.write_text("".join(simplejson.dumps(r, ignore_nan=True) + "\n" for r in kept))
        os.replace(part, self._metrics.path)
        if self._board is not None:
            self._board.close()
            self._board = self._open_board(purge_step=step + 1)

    def _open_board(self, purge_step: int | None = None) -> Any:
        """TensorBoard passes over what older files have from ``purge_step`` on."""
        if self._board_dir is None:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self._board_dir), purge_step=purge_step)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = simplejson.loads(line)
    except simplejson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _is_before(record: dict[str, Any], epoch: int, batch: int) -> bool:
    """Whether a record was written at or before ``batch`` batches into epoch ``epoch`` (from 0)."""
    at = record.get("epoch")  # counts from 1
    if at is None:
        return False  # of a test: the run it belongs to was not over
    if record["_type"] in ("train_iter", "train_skip") and at == epoch + 1:
        return record["iter"] <= batch
    return at <= epoch
