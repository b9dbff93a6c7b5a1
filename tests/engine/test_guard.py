"""Mirrors slowfast/engine/guard.py: what counts, agreed on by ranks of which one is here."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from slowfast import dist
from slowfast.data.batch import Batch
from slowfast.engine.guard import Explosion, Guard, KeptBuffers, NonFinite
from slowfast.engine.step import Stepper
from slowfast.engine.stop import SIGNALS


def make_batch(value: float = 1.0) -> Batch:
    return Batch(
        clips=torch.linspace(0, value, 12).reshape(4, 3),
        labels=torch.zeros(4, dtype=torch.int64),
        videos=torch.arange(4),
        views=torch.zeros(4, dtype=torch.int64),
        paths=["a.mp4", "b.mp4", "c.mp4", "d.mp4"],
    )


def square(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"loss": model(batch.clips).square().mean()}


def steep(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Finite, but its gradient is not: that of a root at 0."""
    return {"loss": (model(batch.clips) * 0).square().sum().sqrt()}


def make_stepper(**settings: object) -> Stepper:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    settings = {"loss_fn": square, **settings}
    return Stepper(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=0.1),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        guard=Guard(max_skipped=2, kept=KeptBuffers(model.buffers())),
        **settings,  # type: ignore[arg-type]
    )


def everything(stepper: Stepper) -> list[Tensor]:
    """Weights, running statistics and the state of the optimizer."""
    states = stepper.optimizer.state_dict()["state"].values()
    moments = [value for state in states for value in state.values()]
    return [value.clone() for value in (*stepper.model.state_dict().values(), *moments)]


def same(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


@pytest.fixture
def other_rank(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], None]:
    """Plays a second rank, which says the same in each step."""

    def play(values: list[float]) -> None:
        def begin_sum(mine: Tensor) -> Callable[[], Tensor]:
            if not mine.ndim:  # clips of this step: as many
                return lambda: 2 * mine
            return lambda: mine + torch.tensor(values, dtype=mine.dtype)

        monkeypatch.setattr(dist, "begin_sum", begin_sum)
        monkeypatch.setattr(dist, "world_size", lambda: 2)

    return play


def says(*, bad: bool = False, loss: float = 0.0, number: int = 0) -> list[float]:
    return [float(bad), loss, *(float(number == each) for each in SIGNALS)]


@pytest.mark.parametrize("loss_fn", [square, steep])
def test_a_step_that_is_left_out_changes_nothing(
    loss_fn: Callable[[nn.Module, Batch], dict[str, Tensor]],
) -> None:
    stepper = make_stepper()
    stepper(make_batch(), lr=0.1, seed=0)
    before = everything(stepper)
    stepper.loss_fn = loss_fn
    stepper(make_batch(float("nan") if loss_fn is square else 1.0), lr=0.1, seed=1)
    assert same(everything(stepper), before)
    (error,) = stepper.guard.skipped
    assert error.ranks == (loss_fn is square)
    stepper.loss_fn = square
    stepper(make_batch(2.0), lr=0.1, seed=2)
    assert not same(everything(stepper), before)
    assert len(stepper.guard.skipped) == 1


def test_only_so_many_steps_are_left_out_also_after_a_resume() -> None:
    stepper = make_stepper()
    stepper(make_batch(float("nan")), lr=0.1, seed=0)
    state = stepper.guard.state()
    assert state["skipped"] == 1
    stepper.guard = Guard(max_skipped=2)
    stepper.guard.load(state)
    stepper(make_batch(float("nan")), lr=0.1, seed=1)
    with pytest.raises(NonFinite, match="the loss is nan"):
        stepper(make_batch(float("nan")), lr=0.1, seed=2)


def test_gradients_that_are_not_finite_stop_a_run_too() -> None:
    stepper = make_stepper(loss_fn=steep)
    stepper.guard = Guard()
    before = [p.detach().clone() for p in stepper.model.parameters()]
    with pytest.raises(NonFinite, match="the gradients are not finite") as caught:
        stepper(make_batch(), lr=0.1, seed=0)
    assert caught.value.ranks == 0
    assert same([p.detach() for p in stepper.model.parameters()], before)


def test_float16_leaves_gradients_that_overflow_to_its_scaler() -> None:
    stepper = make_stepper(loss_fn=steep)
    stepper.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = everything(stepper)
    stepper.guard = Guard()
    stepper(make_batch(), lr=0.1, seed=0)
    assert stepper.scaler.get_scale() == 2.0
    assert not stepper.optimizer.state
    assert torch.equal(everything(stepper)[0], before[0])


def test_a_nan_on_another_rank_stops_this_one_before_its_update(
    other_rank: Callable[[list[float]], None],
) -> None:
    other_rank(says(bad=True))
    stepper = make_stepper()
    stepper.guard = Guard()
    weights = [p.detach().clone() for p in stepper.model.parameters()]
    with pytest.raises(NonFinite) as caught:
        stepper(make_batch(), lr=0.1, seed=0)
    assert caught.value.ranks == 1
    assert 0 < caught.value.loss < float("inf")
    assert same([p.detach() for p in stepper.model.parameters()], weights)


def test_a_signal_to_another_rank_is_obeyed_here(
    other_rank: Callable[[list[float]], None],
) -> None:
    stepper = make_stepper()
    stepper(make_batch(), lr=0.1, seed=0)
    assert stepper.guard.stop == 0
    other_rank(says(number=signal.SIGTERM))
    stepper(make_batch(), lr=0.1, seed=0)
    assert stepper.guard.stop == signal.SIGTERM


def judged(guard: Guard, loss: float) -> None:
    """A step with this loss and sound gradients."""
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    guard(torch.tensor(loss), make_batch())
    guard.update(optimizer, torch.amp.GradScaler("cpu", enabled=False), torch.ones(()))
    assert weight.item() != 0


def test_an_explosion_is_measured_by_the_running_mean_of_all_ranks(
    other_rank: Callable[[list[float]], None],
) -> None:
    other_rank(says(loss=3.0))
    guard = Guard(explosion=2.0)
    judged(guard, 1.0)
    judged(guard, 2.0)  # means 2.0 and 2.5: 2.25 of both
    assert guard.state()["mean"] == 2.25
    resumed = Guard(explosion=2.0)
    resumed.load(guard.state())
    for each in (guard, resumed):
        judged(each, 5.9)  # 4.45 in the mean, less than 4.5
        with pytest.raises(Explosion, match=r"the loss is 6\.5, after a mean of 2\.98"):
            judged(each, 10.0)
    judged(Guard(), 1e9)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_fused_optimizers_are_told_on_the_device(kind: type[torch.optim.Optimizer]) -> None:
    """The path of GPUs, which fused kernels of a CPU know too."""
    results = []
    for fused in (True, False):
        weight = torch.nn.Parameter(torch.ones(5))
        more = {"momentum": 0.9} if kind is torch.optim.SGD else {}
        optimizer = kind([weight], lr=0.1, weight_decay=0.1, fused=fused, **more)  # type: ignore[call-arg]
        guard = Guard(max_skipped=9)
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        for bad in (True, False, True, False):
            weight.grad = torch.full((5,), float("nan") if bad else 0.5)
            guard._update_where_sound(optimizer, scaler, torch.tensor(bad))
        results.append(weight.detach())
        assert not hasattr(optimizer, "found_inf")
    assert results[0].isfinite().all()
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.gpu
def test_on_a_gpu_a_step_is_left_out_without_a_wait() -> None:
    stepper = make_stepper()
    stepper.model.cuda()
    stepper.guard = Guard(max_skipped=2, kept=KeptBuffers(stepper.model.buffers()))
    stepper.optimizer = torch.optim.AdamW(stepper.model.parameters(), lr=0.1, fused=True)
    batches = [make_batch(value).to("cuda") for value in (1.0, float("nan"))]
    stepper(batches[0], lr=0.1, seed=0)
    before = everything(stepper)
    torch.cuda.set_sync_debug_mode("error")
    try:
        stepper(batches[1], lr=0.1, seed=1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert stepper.guard.skipped == []
    stepper.guard.flush()
    assert [error.late for error in stepper.guard.skipped] == [True]
    assert same(everything(stepper), before)
