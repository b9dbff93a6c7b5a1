"""Mirrors slowfast/tasks/losses.py."""

from __future__ import annotations

import math

import pytest
import torch

from slowfast.tasks.losses import make_loss


def test_cross_entropy_of_even_logits_is_the_log_of_the_classes() -> None:
    loss = make_loss("cross_entropy")(torch.zeros(2, 8), torch.tensor([1, 3]))
    assert loss.item() == pytest.approx(math.log(8))


def test_smoothing_spreads_the_target() -> None:
    logits = torch.tensor([[2.0, 0.0]])
    log_p = logits.log_softmax(1)[0]
    loss = make_loss("cross_entropy", label_smoothing=0.2)(logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(-(0.9 * log_p[0] + 0.1 * log_p[1]).item())


def test_soft_targets_with_all_weight_on_one_class_are_hard_targets() -> None:
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 4, 2, 2])
    soft = make_loss("soft_cross_entropy")(logits, torch.eye(5)[labels])
    torch.testing.assert_close(soft, make_loss("cross_entropy")(logits, labels))


def test_unknown_loss_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"LOSS_FUNC is 'crossentropy'.*did you mean 'cross_entr"):
        make_loss("crossentropy")


def test_binary_losses_need_a_label_for_each_class() -> None:
    loss = make_loss("bce_logit")
    assert loss(torch.zeros(2, 8), torch.ones(2, 8)).item() == pytest.approx(math.log(2))
    with pytest.raises(
        ValueError, match=r"LOSS_FUNC is 'bce_logit', which needs a 0 or 1 for each of the 8 cl"
    ) as caught:
        loss(torch.zeros(2, 8), torch.tensor([1, 3]))
    assert "set it to 'cross_entropy'" in str(caught.value)
    assert make_loss("bce")(torch.full((2, 8), 0.5), torch.ones(2, 8)) == pytest.approx(math.log(2))
