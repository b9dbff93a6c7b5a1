"""Mirrors slowfast/engine/step.py."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from slowfast import dist
from slowfast.config import get_cfg, with_values
from slowfast.data.batch import Batch
from slowfast.data.boxes import Boxes
from slowfast.engine.ema import Ema
from slowfast.engine.guard import Guard, NonFinite
from slowfast.engine.optim import optimizer_from_cfg
from slowfast.engine.parallel import without_exchange
from slowfast.engine.step import Stepper


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


def test_parts_of_a_step_add_up_to_it() -> None:
    """Of unequal size, each counted by its clips; what is shown is the mean of all of them."""
    batch = Batch(
        clips=torch.randn(5, 3, generator=torch.Generator().manual_seed(1)),
        labels=torch.randn(5, 4).softmax(1),  # as mixup leaves them
        videos=torch.arange(5),
        views=torch.zeros(5, dtype=torch.int64),
        paths=[f"{i}.mp4" for i in range(5)],
    )

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        seen.append(len(batch))
        return {"loss": nn.functional.cross_entropy(model(batch.clips), batch.labels)}

    found = []
    for parts in (1, 2, 3, 5, 8):
        seen: list[int] = []
        torch.manual_seed(0)
        model = nn.Linear(3, 4)
        stepper = make_stepper(parts=parts)
        stepper.model, stepper.loss_fn = model, loss
        stepper.optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        out = stepper(batch, lr=0.1, seed=0)
        assert sum(seen) == 5
        assert len(seen) == min(parts, 5)
        assert max(seen) - min(seen) <= 1
        found.append([out["loss"], out["grad_norm"], model.weight.grad, model.weight.detach()])
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-6, atol=1e-7)


def boxes_of(counts: Sequence[int], rows: Tensor) -> Batch:
    """Clips with so many boxes each, whose corners are rows of numbers."""
    none = torch.zeros(len(rows))
    clip = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    boxes = Boxes(rows, clip, rows, rows, none)
    plain = torch.zeros(len(counts), 1)
    numbers = torch.arange(len(counts))
    return Batch(plain, numbers, numbers, numbers, [""] * len(counts), boxes=boxes)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("ranks", [[(3, 1, 0, 2)], [(3, 1), (0, 2)], [(3,), (1, 0), (2,)]])
def test_a_loss_is_a_mean_over_the_boxes_of_all_ranks_and_parts(
    monkeypatch: pytest.MonkeyPatch, ranks: list[tuple[int, ...]], parts: int
) -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        assert batch.boxes is not None
        found = model(batch.boxes.corners).square()
        return {"loss": found.mean() if len(found) else found.sum()}

    monkeypatch.setattr(dist, "world_size", lambda: len(ranks))
    monkeypatch.setattr(dist, "begin_sum", lambda mine: lambda: mine if mine.ndim else mine * 0 + 6)
    gradients, means, first = [], 0.0, 0
    for counts in ranks:
        own = sum(counts)
        stepper = make_stepper(parts=parts)
        torch.manual_seed(0)
        stepper.model, stepper.loss_fn = nn.Linear(4, 1), loss
        stepper.optimizer = torch.optim.SGD(stepper.model.parameters(), lr=0.0)
        out = stepper(boxes_of(counts, rows[first : first + own]), lr=0.0, seed=0)
        gradients.append(stepper.model.weight.grad)
        means += out["loss"].item() * own / 6
        first += own
    torch.manual_seed(0)
    whole = nn.Linear(4, 1)
    expected = whole(rows).square().mean()
    expected.backward()
    torch.testing.assert_close(torch.stack(gradients).mean(0), whole.weight.grad)
    assert means == pytest.approx(expected.item())


def test_a_step_without_boxes_anywhere_changes_nothing() -> None:
    stepper = make_stepper(parts=2)
    stepper.loss_fn = lambda model, batch: {"loss": model(batch.boxes.corners).sum()}
    stepper.model = nn.Linear(4, 1)
    stepper.optimizer = torch.optim.SGD(stepper.model.parameters(), lr=1.0)
    before = stepper.model.weight.detach().clone()
    out = stepper(boxes_of([0, 0], torch.zeros(0, 4)), lr=1.0, seed=0)
    assert out["loss"] == out["grad_norm"] == 0
    assert torch.equal(stepper.model.weight, before)


def test_all_processes_make_as_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2 clips where others have 4: synchronised statistics wait at each pass."""
    found = []
    for world, count in ((1, 2), (2, 4)):  # of clips, the other process has as many
        monkeypatch.setattr(dist, "begin_sum", lambda mine, world=world: lambda: mine * world)
        monkeypatch.setattr(dist, "world_size", lambda world=world: world)
        stepper = make_stepper(parts=4)
        stepper.model[1] = nn.Identity()
        passes: list[object] = []
        stepper.model.register_forward_hook(lambda *call, passes=passes: passes.append(call))
        out = stepper(make_batch(), lr=0.1, seed=0)
        found.append([out["loss"], out["grad_norm"], stepper.model[0].weight.detach()])
        assert len(passes) == count
    torch.testing.assert_close(*found)


def test_gradients_cross_the_network_once_a_step() -> None:
    group = {"store": distributed.HashStore(), "rank": 0, "world_size": 1}
    distributed.init_process_group("gloo", **group)
    try:
        model = nn.parallel.DistributedDataParallel(nn.Linear(3, 1))
        exchanged = []

        def count(state: object, bucket):  # type: ignore[no-untyped-def]
            exchanged.append(bucket.index())
            return default_hooks.allreduce_hook(None, bucket)

        model.register_comm_hook(None, count)
        stepper = make_stepper(parts=2, without_exchange=without_exchange(model))
        stepper.model = model
        stepper.optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        for step in range(3):
            stepper(make_batch(), lr=0.1, seed=step)
        assert len(exchanged) == 3
    finally:
        distributed.destroy_process_group()


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a GPU: numbers read, tensors copied off it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = str(function)
        if name.startswith(("aten._local_scalar_dense", "aten.nonzero", "aten.item")):
            self.found.append(name)
        kwargs = kwargs or {}
        if name.startswith("aten._to_copy") and kwargs.get("device") is not None:
            self.found.append(f"{name} to {kwargs['device']}")
        return function(*args, **kwargs)


class Unheard(Guard):
    """Lets every step count without reading what was agreed on."""

    def update(
        self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, norm: Tensor
    ) -> None:
        scaler.step(optimizer)
        scaler.update()


@pytest.mark.parametrize("method", ["sgd", "adamw"])
def test_nothing_within_a_step_waits_for_the_device(method: str) -> None:
    """With all that a step may do; on a GPU the guard reads its answer a step later."""
    stepper = make_stepper(clip_norm=1.0, clip_value=0.5, parts=2)
    keys = {"SOLVER.OPTIMIZING_METHOD": method, "SOLVER.LARS_ON": method == "sgd"}
    stepper.optimizer = optimizer_from_cfg(stepper.model, with_values(get_cfg(), keys))
    stepper.after = Ema(stepper.model, copy.deepcopy(stepper.model), decay=0.9).update
    stepper.guard = Unheard()
    batch = make_batch()
    stepper(batch, lr=0.1, seed=0)  # states are made in the first step
    with Waits() as waits:
        stepper(batch, lr=0.1, seed=1)
    assert waits.found == []
    with Waits() as waits:
        batch.clips.sum().item()
    assert waits.found


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["sgd", "adamw"])
@pytest.mark.parametrize("scaled", [False, True])
def test_nothing_within_a_step_waits_for_a_gpu(method: str, scaled: bool) -> None:
    stepper = make_stepper(clip_norm=1.0, clip_value=0.5, parts=2)
    stepper.model.cuda()
    keys = {"SOLVER.OPTIMIZING_METHOD": method, "SOLVER.LARS_ON": method == "sgd"}
    stepper.optimizer = optimizer_from_cfg(stepper.model, with_values(get_cfg(), keys))
    stepper.scaler = torch.amp.GradScaler("cuda", enabled=scaled)
    stepper.amp_dtype = torch.float16 if scaled else None
    stepper.after = Ema(stepper.model, copy.deepcopy(stepper.model), decay=0.9).update
    batch = make_batch().to("cuda")
    for seed in range(2):
        stepper(batch, lr=0.1, seed=seed)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        stepper(batch, lr=0.1, seed=2)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_loss_that_is_not_a_number_stops_before_the_update() -> None:
    stepper = make_stepper()
    before = [p.detach().clone() for p in stepper.model.parameters()]
    batch = make_batch(float("nan"))
    with pytest.raises(NonFinite, match="the loss is nan") as caught:
        stepper(batch, lr=0.1, seed=0)
    assert caught.value.batch is batch
    for old, new in zip(before, stepper.model.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.gpu
def test_on_a_gpu_the_step_after_tells() -> None:
    stepper = make_stepper()
    stepper.model.cuda()
    stepper(make_batch(float("nan")).to("cuda"), lr=0.1, seed=0)
    with pytest.raises(NonFinite):
        stepper.guard.flush()
