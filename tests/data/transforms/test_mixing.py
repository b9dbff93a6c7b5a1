"""Mirrors slowfast/data/transforms/mixing.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from slowfast.data.batch import Batch
from slowfast.data.transforms.mixing import Mix, Mixing, mix_clips, soft_labels


def mixing(**changes: Any) -> Mixing:
    options: dict[str, Any] = {
        "alpha": 0.8,
        "cutmix_alpha": 1.0,
        "probability": 1.0,
        "switch_probability": 0.5,
        "smoothing": 0.1,
        "num_classes": 5,
        "seed": 0,
    }
    return Mixing(**(options | changes))


def batch(count: int = 4, epoch: int = 0) -> Batch:
    """Clip i is of brightness 10 i and class i."""
    numbers = torch.arange(count)
    clips = (10 * numbers).to(torch.uint8)[:, None, None, None, None].expand(-1, 3, 12, 10, 3)
    return Batch(
        clips=clips.clone(),
        labels=numbers % 5,
        videos=numbers + 20,
        views=torch.zeros(count, dtype=torch.int64),
        paths=[""] * count,
        epoch=epoch,
    )


def test_smoothed_labels() -> None:
    found = soft_labels(torch.tensor([1, 0]), 4, smoothing=0.2)
    wanted = torch.tensor([[0.05, 0.85, 0.05, 0.05], [0.85, 0.05, 0.05, 0.05]])
    torch.testing.assert_close(found, wanted)
    several = torch.tensor([[1.0, 0.0, 1.0]])
    assert torch.equal(soft_labels(several, 3, smoothing=0.2), several)


def test_shares_of_labels_are_those_of_pixels() -> None:
    """Brightness tells how much of each clip there is: of mixup and of cutmix alike."""
    kinds = set()
    for epoch in range(60):
        plain = batch(epoch=epoch)
        rule = mixing(smoothing=0.0)
        mix = rule.draw(plain, 12, 10)
        found = rule(plain)
        kinds.add(mix.box is not None)
        torch.testing.assert_close(found.labels.sum(1), torch.ones(4))
        brightness = found.clips.float().mean((1, 2, 3, 4))
        weights = torch.tensor([0.0, 10, 20, 30, 40])
        torch.testing.assert_close(found.labels @ weights, brightness, rtol=0, atol=1e-3)
        assert found.labels[0, 0].item() == pytest.approx(mix.share, abs=1e-6)
        assert torch.equal(plain.clips, batch().clips), "the batch itself stays"
        assert torch.equal(plain.labels, batch().labels)
    assert kinds == {True, False}


def test_cutmix_pastes_the_box_of_the_other_clip() -> None:
    clips = batch().clips
    found = mix_clips(clips, Mix(0.5, (2, 8, 1, 4)))
    inside = torch.zeros(12, 10, dtype=torch.bool)
    inside[2:8, 1:4] = True
    assert found.dtype is torch.uint8
    assert torch.equal(found[:, :, inside], clips.flip(0)[:, :, inside])
    assert torch.equal(found[:, :, ~inside], clips[:, :, ~inside])


def test_probabilities() -> None:
    same = mixing(probability=0.0)(batch())
    assert same.clips.dtype is torch.uint8
    assert torch.equal(same.clips, batch().clips)
    assert torch.equal(same.labels, soft_labels(batch().labels, 5, smoothing=0.1))
    neither = mixing(alpha=0.0, cutmix_alpha=0.0)
    drawn = [
        [rule.draw(batch(epoch=epoch), 12, 10) for epoch in range(300)]
        for rule in (mixing(switch_probability=0.0), mixing(switch_probability=1.0), mixing())
    ]
    assert all(mix.box is None and 0 < mix.share < 1 for mix in drawn[0])
    assert all(mix.box is not None for mix in drawn[1])
    cut = sum(mix.box is not None for mix in drawn[2]) / 300
    assert cut == pytest.approx(0.5, abs=0.08)
    assert neither.draw(batch(), 12, 10) == Mix()
    assert all(mixing(alpha=0.0).draw(batch(epoch=e), 12, 10).box for e in range(9))
    half = mixing(probability=0.5)
    mixed = sum(half.draw(batch(epoch=e), 12, 10) != Mix() for e in range(300)) / 300
    assert mixed == pytest.approx(0.5, abs=0.08)


def test_lambda_is_of_the_beta_distribution() -> None:
    for alpha in (0.8, 4.0):
        rule = mixing(alpha=alpha, cutmix_alpha=0.0)
        shares = torch.tensor([rule.draw(batch(epoch=e), 12, 10).share for e in range(1000)])
        assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
        assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


def test_lambda_of_cutmix_is_what_the_box_leaves() -> None:
    for epoch in range(100):
        mix = mixing(switch_probability=1.0).draw(batch(epoch=epoch), 12, 10)
        assert mix.box is not None
        top, bottom, left, right = mix.box
        assert 0 <= top <= bottom <= 12
        assert 0 <= left <= right <= 10
        assert mix.share == 1 - (bottom - top) * (right - left) / 120


def test_the_batch_alone_decides() -> None:
    first, again = mixing()(batch(epoch=3)), mixing()(batch(epoch=3))
    assert torch.equal(first.clips, again.clips)
    assert torch.equal(first.labels, again.labels)
    assert mixing().draw(batch(epoch=3), 12, 10) != mixing().draw(batch(epoch=4), 12, 10)
    assert mixing().draw(batch(), 12, 10) != mixing(seed=1).draw(batch(), 12, 10)


def test_the_middle_of_an_odd_batch_meets_itself() -> None:
    found = mixing(switch_probability=0.0)(batch(3))
    assert torch.equal(found.clips[1], batch(3).clips[1].float())


def test_several_labels_a_clip_are_mixed_as_they_are() -> None:
    plain = batch(2)
    plain.labels = torch.tensor([[1.0, 1, 0, 0, 0], [0.0, 0, 0, 0, 1]])
    share = mixing().draw(plain, 12, 10).share
    found = mixing()(plain).labels
    torch.testing.assert_close(found[0], torch.tensor([share, share, 0, 0, 1 - share]))
