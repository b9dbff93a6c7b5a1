"""Losses by the name that ``MODEL.LOSS_FUNC`` gives them."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES = ("cross_entropy", "soft_cross_entropy", "bce_logit", "bce")


def make_loss(name: str, *, label_smoothing: float = 0.0) -> Loss:
    """A function (logits (N, K), labels) -> scalar, the mean over the batch.

    Args:
        name: "cross_entropy" takes class numbers (N,); "soft_cross_entropy" takes
            distributions (N, K); "bce_logit" takes 0/1 labels (N, K), and so does "bce", of
            scores from 0 to 1 in place of logits.
        label_smoothing: share of the target spread evenly over the classes
            (Szegedy et al., 1512.00567, Sec. 7).
    """
    if name in ("cross_entropy", "soft_cross_entropy"):
        return lambda logits, labels: F.cross_entropy(
            logits, labels, label_smoothing=label_smoothing
        )
    if name == "bce_logit":
        return _bce_logit
    if name == "bce":
        return _bce
    near = difflib.get_close_matches(name, LOSSES, n=2, cutoff=0.3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "choose one of these"
    raise ValueError(
        f"MODEL.LOSS_FUNC is {name!r}, but networks are trained with one of "
        f"{', '.join(LOSSES)}; {hint}"
    )


def _bce(scores: Tensor, labels: Tensor) -> Tensor:
    # Autocast refuses this function for any type; scores are float32 here.
    with torch.autocast(scores.device.type, enabled=False):
        return F.binary_cross_entropy(scores.float(), labels.float())


def _bce_logit(logits: Tensor, labels: Tensor) -> Tensor:
    if labels.shape != logits.shape:
        raise ValueError(
            "MODEL.LOSS_FUNC is 'bce_logit', which needs a 0 or 1 for each of the "
            f"{logits.shape[-1]} classes, but the data gives one class number a video, as lists "
            "in the format of Kinetics do; set it to 'cross_entropy'"
        )
    return F.binary_cross_entropy_with_logits(logits, labels.float())
