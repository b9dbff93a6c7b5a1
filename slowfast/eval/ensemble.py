"""Scores of a video from the scores of its views, with every view counted exactly once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

METHODS = ("sum", "max")
State = dict[str, Tensor]


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
        self._scores: dict[int, Tensor] = {}  # video -> float64 (C,)
        self._labels: dict[int, Tensor] = {}
        self._seen: dict[int, Tensor] = {}  # video -> bool (V,)

    def __len__(self) -> int:
        """Videos of which at least one view came."""
        return len(self._scores)

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
        views, scores = views.cpu(), scores.detach().cpu().double()
        label = torch.as_tensor(label).cpu()
        self._check(video, views, scores, label)
        if len(scores) != len(views):
            raise ValueError(
                f"video {video}: expected a row of scores for each of {len(views)} views, "
                f"got {len(scores)}"
            )
        seen = self._seen.setdefault(video, torch.zeros(self.num_views, dtype=torch.bool))
        seen[views] = True
        joined = scores.sum(0) if self.method == "sum" else scores.amax(0)
        if video in self._scores:
            joined = self._join(self._scores[video], joined)
        self._scores[video], self._labels[video] = joined, label

    def state(self) -> State:
        """All that was collected, as tensors to send to another process."""
        videos = list(self._scores)
        if not videos:
            return {}
        return {
            "videos": torch.tensor(videos),
            "scores": torch.stack([self._scores[v] for v in videos]),
            "labels": torch.stack([self._labels[v] for v in videos]),
            "seen": torch.stack([self._seen[v] for v in videos]),
        }

    def merge(self, states: Sequence[State]) -> None:
        """Become the union of the states of all processes, this one's among them.

        Raises:
            ValueError: two processes scored the same view, or differ in a label.
        """
        self._scores, self._labels, self._seen = {}, {}, {}
        for state in filter(None, states):
            columns = (state[name] for name in ("scores", "labels", "seen"))
            for video, scores, label, seen in zip(state["videos"].tolist(), *columns, strict=True):
                if video in self._scores:
                    self._check(video, seen.nonzero().flatten(), scores[None], label)
                    scores = self._join(self._scores[video], scores)
                    seen = seen | self._seen[video]
                self._scores[video], self._labels[video] = scores, label
                self._seen[video] = seen

    def views_per_video(self) -> dict[int, int]:
        """How many views of each video came."""
        return {video: int(seen.sum()) for video, seen in sorted(self._seen.items())}

    def check_complete(self, expected: int) -> None:
        """Every view of ``expected`` videos came.

        Raises:
            ValueError: with the videos and views that are missing.
        """
        short = [v for v, count in self.views_per_video().items() if count < self.num_views]
        if short:
            missing = (~self._seen[short[0]]).nonzero().flatten().tolist()
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
        if not self._scores:
            raise ValueError("multi-view test: expected at least one video, got none")
        videos = sorted(self._scores)
        scores = torch.stack([self._scores[v] for v in videos])
        labels = torch.stack([self._labels[v] for v in videos])
        return torch.tensor(videos), scores, labels

    def _join(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other if self.method == "sum" else torch.maximum(one, other)

    def _check(self, video: int, views: Tensor, scores: Tensor, label: Tensor) -> None:
        at = f"video {video}"
        known = [v for v in views.tolist() if 0 <= v < self.num_views]
        if len(known) < len(views):
            raise ValueError(
                f"{at}: expected views 0 .. {self.num_views - 1}, got {views.tolist()}"
            )
        before = self._seen.get(video, torch.zeros(self.num_views, dtype=torch.bool))
        repeated = sorted({v for v in known if known.count(v) > 1 or before[v]})
        if repeated:
            raise ValueError(
                f"{at}: expected each view once, got views {repeated} again; "
                "a video must be scored by one process only"
            )
        # A merged state brings one row that stands for several views.
        if len(views) == 0 or scores.ndim != 2 or scores.shape[1] != self.num_classes:
            raise ValueError(
                f"{at}: expected scores (views, {self.num_classes}), got {tuple(scores.shape)}"
            )
        if not scores.isfinite().all():
            raise ValueError(
                f"{at}: expected finite scores, got {int((~scores.isfinite()).sum())} that are "
                "not; the checkpoint may hold nan, or float16 overflowed (TEST.MIXED_PRECISION)"
            )
        if video in self._labels and not torch.equal(self._labels[video], label):
            raise ValueError(
                f"{at}: expected one label, got {label.tolist()} after "
                f"{self._labels[video].tolist()}"
            )
