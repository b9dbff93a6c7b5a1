"""Scores of a video from the scores of its views, with every view counted exactly once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

METHODS = ("sum", "max")
_NUMBER = (torch.int64, torch.Size())
State = Mapping[str, Tensor]


class ViewEnsemble:
    """Collects scores of views (clips x crops) and gives one row a video.

    Views may come in any order and in parts, and from several processes, each with its own
    ensemble. A view that comes twice, is not known, or never comes is an error: the figure
    of a test would be wrong without anybody noticing.

    Args:
        num_views: views of each video, with ids 0 .. num_views - 1.
        num_classes: scores of each view.
        method: ``sum`` or ``max`` over the views. The sum is in float64, so that neither order
            nor process changes it beyond rounding of the result.

    Raises:
        ValueError: another method.
    """

    def __init__(self, *, num_views: int, num_classes: int, method: str = "sum") -> None:
        if method not in METHODS:
            raise ValueError(
                f"DATA.ENSEMBLE_METHOD is {method!r}, but must be one of {', '.join(METHODS)}"
            )
        self.num_views, self.num_classes, self.method = num_views, num_classes, method
        self._rows: dict[int, int] = {}  # video -> its row in the three tables
        self._scores = torch.empty(0, num_classes, dtype=torch.float64)
        self._seen = torch.empty(0, num_views, dtype=torch.bool)
        self._labels: Tensor | None = None  # (rows, ...), of the kind of the first label

    def __len__(self) -> int:
        """Videos of which at least one view came."""
        return len(self._rows)

    def update(self, video: int, views: Tensor, scores: Tensor, label: int | Tensor) -> None:
        """Add views of one video.

        Args:
            video: row of the manifest.
            views: ids, int64 (v,).
            scores: (v, num_classes).
            label: class id, or a multi-label target (num_classes,).

        Raises:
            ValueError: a view that was there before or cannot be, another label than before,
                scores of another shape or that are not finite.
        """
        views, scores = views.cpu(), scores.detach().cpu()
        label = label.cpu() if isinstance(label, Tensor) else label
        row = self._rows.get(video)
        self._check(video, views.tolist(), scores, label, row)
        joined = scores.sum(0, dtype=torch.float64) if self.method == "sum" else scores.amax(0)
        # The sum of numbers is finite if all are, and found six times as fast as looking at each.
        if not math.isfinite((joined if self.method == "sum" else scores.double()).sum().item()):
            raise ValueError(
                f"video {video}: expected finite scores, got {int((~scores.isfinite()).sum())} "
                "that are not; the checkpoint may hold nan, or float16 overflowed "
                "(TEST.MIXED_PRECISION)"
            )
        if row is None:
            row = self._new_row(video, label)
            self._scores[row] = joined
        elif self.method == "sum":
            self._scores[row] += joined
        else:
            self._scores[row] = torch.maximum(self._scores[row], joined.double())
        if len(views) == self.num_views:
            self._seen[row] = True
        else:
            self._seen[row][views] = True

    def state(self) -> dict[str, Tensor]:
        """All that was collected, a row a video, as tensors to send to another process."""
        if self._labels is None:
            return {}
        rows = len(self._rows)
        return {
            "videos": torch.tensor(list(self._rows)),
            "scores": self._scores[:rows],
            "labels": self._labels[:rows],
            "seen": self._seen[:rows],
        }

    def merge(self, states: Sequence[State]) -> None:
        """Become the union of the states of all processes, this one's among them.

        Raises:
            ValueError: two processes scored the same view, or differ in a label.
        """
        states = [state for state in states if state]
        if not states:
            self._rows, self._labels = {}, None
            self._scores, self._seen = self._scores[:0], self._seen[:0]
            return
        scores, labels, seen, came = (
            torch.cat([state[name] for state in states])
            for name in ("scores", "labels", "seen", "videos")
        )
        videos, row = came.unique(return_inverse=True)  # ascending
        if len(videos) < len(came):
            scores, labels, seen = self._join(videos, row, scores, labels, seen)
        else:
            order = came.argsort()
            scores, labels, seen = scores[order], labels[order], seen[order]
        self._rows = {video: row for row, video in enumerate(videos.tolist())}
        self._scores, self._labels, self._seen = scores, labels, seen

    def views_per_video(self) -> dict[int, int]:
        """How many views of each video came."""
        counts = self._seen[: len(self)].sum(1).tolist()
        return {video: counts[row] for video, row in sorted(self._rows.items())}

    def check_complete(self, expected: int) -> None:
        """Every view of ``expected`` videos came.

        Raises:
            ValueError: with the videos and views that are missing.
        """
        short = [v for v, count in self.views_per_video().items() if count < self.num_views]
        if short:
            missing = (~self._seen[self._rows[short[0]]]).nonzero().flatten().tolist()
            raise ValueError(
                f"multi-view test: expected {self.num_views} views of each video, but "
                f"{len(short)} of {len(self)} videos lack some; video {short[0]} lacks views "
                f"{missing}. The figures would be wrong, so there are none"
            )
        if len(self) != expected:
            raise ValueError(
                f"multi-view test: expected {expected} videos, got {len(self)}. "
                "The figures would be wrong, so there are none"
            )

    def complete(self) -> tuple[Tensor, Tensor, Tensor]:
        """Result by video: rows int64 (N,) ascending, scores float64 (N, C), labels (N, ...).

        Raises:
            ValueError: a video lacks a view, or there is no video.
        """
        self.check_complete(len(self))
        if self._labels is None:
            raise ValueError("multi-view test: expected at least one video, got none")
        videos = torch.tensor(list(self._rows))
        order = videos.argsort()
        return videos[order], self._scores[order], self._labels[order]

    def _new_row(self, video: int, label: int | Tensor) -> int:
        """A row for a video that was not there, in tables that grow by doubling."""
        row = len(self._rows)
        dtype, shape = _kind(label)
        if self._labels is None:
            self._labels = torch.empty(0, *shape, dtype=dtype)
        if row == self._scores.shape[0] or row == self._labels.shape[0]:
            more = max(1024, row)
            self._scores = torch.cat([self._scores, self._scores.new_empty(more, self.num_classes)])
            self._seen = torch.cat([self._seen, self._seen.new_zeros(more, self.num_views)])
            self._labels = torch.cat([self._labels, self._labels.new_empty(more, *shape)])
        self._rows[video] = row
        self._labels[row] = label
        return row

    def _join(
        self, videos: Tensor, row: Tensor, scores: Tensor, labels: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tables with a row for each of ``videos`` from ones with several for some of them."""
        counts = torch.zeros(len(videos), self.num_views, dtype=torch.int32)
        counts.index_add_(0, row, seen.int())
        twice = (counts > 1).any(1)
        if twice.any():
            first = int(twice.nonzero()[0])
            views = (counts[first] > 1).nonzero().flatten().tolist()
            raise _repeated(int(videos[first]), views)
        some = torch.empty(len(videos), dtype=torch.int64)
        some[row] = torch.arange(len(row))  # one of the rows that each video came in
        differs = (labels != labels[some[row]]).view(len(row), -1).any(1)
        if differs.any():
            at = int(differs.nonzero()[0])
            raise _another_label(int(videos[row[at]]), labels[at], labels[some[row[at]]])
        joined = torch.zeros(len(videos), self.num_classes, dtype=torch.float64)
        if self.method == "sum":
            joined.index_add_(0, row, scores)
        else:
            where = row[:, None].expand_as(scores)
            joined.scatter_reduce_(0, where, scores, "amax", include_self=False)
        return joined, labels[some], counts > 0

    def _check(
        self, video: int, ids: list[int], scores: Tensor, label: int | Tensor, row: int | None
    ) -> None:
        at = f"video {video}"
        if ids and not 0 <= min(ids) <= max(ids) < self.num_views:
            raise ValueError(f"{at}: expected views 0 .. {self.num_views - 1}, got {ids}")
        before = set() if row is None else set(self._seen[row].nonzero().flatten().tolist())
        if len(set(ids)) < len(ids) or before.intersection(ids):
            raise _repeated(video, sorted({v for v in ids if ids.count(v) > 1 or v in before}))
        if not ids or scores.ndim != 2 or scores.shape[1] != self.num_classes:
            raise ValueError(
                f"{at}: expected scores (views, {self.num_classes}), got {tuple(scores.shape)}"
            )
        if scores.shape[0] != len(ids):
            raise ValueError(
                f"{at}: expected a row of scores for each of {len(ids)} views, got "
                f"{scores.shape[0]}"
            )
        if self._labels is None:
            return
        kind = (self._labels.dtype, self._labels.shape[1:])
        if kind != _kind(label):
            dtype, shape = _kind(label)
            raise ValueError(
                f"{at}: expected a label like those before, {kind[0]} of shape {tuple(kind[1])}, "
                f"got {dtype} of shape {tuple(shape)}"
            )
        if row is not None and not (self._labels[row] == label).all():
            raise _another_label(video, torch.as_tensor(label), self._labels[row])


def _kind(label: int | Tensor) -> tuple[torch.dtype, torch.Size]:
    """Type and shape of a label; making a tensor of each number costs more than all else here."""
    return (label.dtype, label.shape) if isinstance(label, Tensor) else _NUMBER


def _repeated(video: int, views: list[int]) -> ValueError:
    return ValueError(
        f"video {video}: expected each view once, got views {views} again; "
        "a video must be scored by one process only"
    )


def _another_label(video: int, label: Tensor, before: Tensor) -> ValueError:
    return ValueError(
        f"video {video}: expected one label, got {label.tolist()} after {before.tolist()}"
    )
