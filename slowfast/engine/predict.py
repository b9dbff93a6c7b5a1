"""Predictions for videos from a checkpoint: the same views, transform and ensemble as the test."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slowfast.config import cfg_from_text, load_cfg, with_values
from slowfast.data.clip_dataset import ClipDataset
from slowfast.data.datasets.build import class_names_from_cfg, dataset_from_cfg, make_manifest
from slowfast.engine.build import amp_dtype_from_cfg, build_network, build_task
from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.from_cfg import load_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import read_checkpoint
from slowfast.engine.device import find_device
from slowfast.engine.test import score_views
from slowfast.log import LOGGER
from slowfast.tasks.base import Task


@dataclass(frozen=True)
class Prediction:
    """Scores of one video, the highest first."""

    video: str
    labels: list[int]
    names: list[str]
    scores: list[float]  # the mean over the views, or the highest (DATA.ENSEMBLE_METHOD max)
    views: int

    def as_dict(self) -> dict[str, Any]:
        top = zip(self.labels, self.names, self.scores, strict=True)
        return {
            "video": self.video,
            "views": self.views,
            "predictions": [{"label": k, "name": n, "score": s} for k, n, s in top],
        }

    def __str__(self) -> str:
        width = max(map(len, self.names), default=0)
        lines = [f"  {s:7.2%}  {n:<{width}}" for n, s in zip(self.names, self.scores, strict=True)]
        return "\n".join([self.video, *lines])


class Predictor:
    """Calls a trained network on video files.

    >>> predictor = Predictor.from_checkpoint("runs/kinetics/checkpoints/checkpoint_best.pyth")
    >>> predictor("video.mp4").names[0]
    'playing guitar'

    `from_checkpoint` is the usual way to make one.
    """

    def __init__(
        self,
        net: nn.Module,
        task: Task,
        dataset: ClipDataset,
        *,
        class_names: Sequence[str],
        device: torch.device,
        chunk: int = 8,
        ensemble: str = "sum",
        amp_dtype: torch.dtype | None = None,
    ) -> None:
        self.net, self.task, self.dataset = net.eval(), task, dataset
        self.class_names = list(class_names)
        self.device, self.chunk = device, chunk
        self.ensemble, self.amp_dtype = ensemble, amp_dtype

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        *,
        cfg: str | Path | None = None,
        overrides: Sequence[str] = (),
        device: str | torch.device | None = None,
    ) -> Predictor:
        """Build the network that the checkpoint was trained with and load its weights.

        Args:
            path: a ``.pyth`` or ``.safetensors`` file with its config and class names inside, or
                any other kind of weights, with ``cfg``.
            cfg: a YAML to use instead, for a checkpoint that carries no config.
            overrides: KEY, VALUE, ... on top of either.
            device: where to run; the first GPU if there is one, else the CPU.

        Raises:
            CheckpointError: the file cannot be read, or has no config and none was given.
            ValueError: there is no such device, or an override cannot be used.
        """
        where = find_device(device)
        content = read_checkpoint(path)
        if cfg is not None:
            settings = load_cfg(cfg, overrides=overrides)
        elif isinstance(content.get("cfg"), str):
            settings = cfg_from_text(content["cfg"], overrides=overrides)
        else:
            raise CheckpointError(
                f"{path}: the checkpoint carries no config; pass the YAML it was trained with "
                "(--cfg FILE, or cfg= in Python)"
            )
        if settings.DETECTION.ENABLE:
            raise ValueError(
                f"{path}: a network for persons in boxes (DETECTION.ENABLE), which are not looked "
                "for here; find them with `slowfast detect-people`, and predict with a test "
                "without annotations: `slowfast run --cfg FILE TRAIN.ENABLE False "
                "AVA.GROUNDTRUTH_FILE ''`, as docs/detection.md shows"
            )
        settings = with_values(settings, {"NUM_GPUS": int(where.type == "cuda")})
        task = build_task(settings)
        net = build_network(settings, where)
        report = load_from_cfg(net, content, settings, source=str(path))
        if not report.exact:
            # Without the log of a run only warnings are seen: resized weights are worth one.
            level = logging.WARNING if report.interpolated else logging.INFO
            LOGGER.log(level, "%s: %s", path, report)
        names = class_names_of(content) or class_names_from_cfg(settings)
        count = settings.MODEL.NUM_CLASSES
        return cls(
            net,
            task,
            dataset_from_cfg(settings, "test", make_manifest([])),
            class_names=[*names[:count], *map(str, range(len(names), count))],
            device=where,
            chunk=settings.TEST.BATCH_SIZE,
            ensemble=settings.DATA.ENSEMBLE_METHOD,
            amp_dtype=amp_dtype_from_cfg(settings, enabled=settings.TEST.MIXED_PRECISION),
        )

    def scores(self, video: str | Path) -> Tensor:
        """Scores of each view, float32 (V, num_classes).

        Raises:
            VideoError: the file cannot be read.
        """
        sample = self.dataset.with_records(make_manifest([(str(video), 0)])).read(0)
        return score_views(
            self.net,
            self.task,
            sample,
            device=self.device,
            chunk=self.chunk,
            amp_dtype=self.amp_dtype,
        )

    def __call__(self, video: str | Path, *, top: int = 5) -> Prediction:
        """The ``top`` classes of a video over all test views, as DATA.ENSEMBLE_METHOD says."""
        views = self.scores(video)
        scores = views.amax(0) if self.ensemble == "max" else views.mean(0)
        best = scores.topk(min(top, len(scores)))
        labels = best.indices.tolist()
        return Prediction(
            video=str(video),
            labels=labels,
            names=[self.class_names[k] for k in labels],
            scores=best.values.tolist(),
            views=len(views),
        )
