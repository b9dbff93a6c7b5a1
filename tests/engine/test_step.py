"""Mirrors slowfast/engine/step.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from slowfast.data.batch import Batch
from slowfast.engine.step import NonFiniteLoss, Stepper


def make_batch(value: float = 1.0) -> Batch:
    return Batch(
        clips=torch.full((2, 3), value),
        labels=torch.zeros(2, dtype=torch.int64),
        videos=torch.tensor([4, 7]),
        views=torch.zeros(2, dtype=torch.int64),
        paths=["a.mp4", "b.mp4"],
    )


def mean_output(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"loss": model(batch.clips).mean()}


def make_stepper(**settings: object) -> Stepper:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    return Stepper(
        model=model,
        loss_fn=mean_output,
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        **settings,
    )


def test_the_rate_of_this_step_is_used_and_scaled_by_the_group() -> None:
    stepper = make_stepper()
    first, second = stepper.model[0].weight, stepper.model[2].weight
    stepper.optimizer = torch.optim.SGD(
        [{"params": [first], "layer_decay": 0.5}, {"params": [second]}], lr=9.0
    )
    before = [first.detach().clone(), second.detach().clone()]
    stepper(make_batch(), lr=0.1, seed=0)
    moved = [(b - p).norm() / p.grad.norm() for b, p in zip(before, (first, second), strict=True)]
    torch.testing.assert_close(torch.stack(moved), torch.tensor([0.05, 0.1]))


def test_the_seed_alone_decides_dropout() -> None:
    stepper = make_stepper()
    stepper.model[0].requires_grad_(False)
    torch.manual_seed(123)
    losses = [stepper(make_batch(), lr=0.0, seed=s)["loss"].item() for s in (1, 2, 1)]
    assert losses[0] == losses[2] != losses[1]


def test_clipping_bounds_the_update_and_reports_the_true_norm() -> None:
    stepper = make_stepper(clip_norm=1e-3)
    before = [p.detach().clone() for p in stepper.model.parameters()]
    out = stepper(make_batch(10.0), lr=1.0, seed=0)
    pairs = zip(before, stepper.model.parameters(), strict=True)
    moved = torch.cat([(b - p.detach()).flatten() for b, p in pairs]).norm()
    assert moved <= 1.001e-3
    assert out["grad_norm"] > 0.1


def test_each_gradient_is_clipped_before_the_norm_is_taken() -> None:
    stepper = make_stepper(clip_value=1e-3)
    out = stepper(make_batch(10.0), lr=1.0, seed=0)
    gradients = torch.cat([p.grad.flatten() for p in stepper.model.parameters()])
    assert gradients.abs().max() == pytest.approx(1e-3)
    assert out["grad_norm"].item() == pytest.approx(gradients.norm().item())


def test_a_loss_that_is_not_a_number_stops_before_the_update() -> None:
    stepper = make_stepper()
    before = [p.detach().clone() for p in stepper.model.parameters()]
    batch = make_batch(float("nan"))
    with pytest.raises(NonFiniteLoss, match="the loss is nan") as caught:
        stepper(batch, lr=0.1, seed=0)
    assert caught.value.batch is batch
    for old, new in zip(before, stepper.model.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.gpu
def test_on_a_gpu_the_step_after_tells() -> None:
    stepper = make_stepper()
    stepper.model.cuda()
    stepper(make_batch(float("nan")).to("cuda"), lr=0.1, seed=0)
    with pytest.raises(NonFiniteLoss):
        stepper.check.flush()
