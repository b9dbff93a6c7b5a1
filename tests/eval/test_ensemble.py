"""Mirrors slowfast/eval/ensemble.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from slowfast.eval.ensemble import ViewEnsemble
from slowfast.eval.topk import topk_accuracy

PARITY = json.loads((Path(__file__).parents[1] / "parity" / "metrics.json").read_text())
VIDEOS, VIEWS, CLASSES = 6, 4, 8


def given(kind: str) -> tuple[Tensor, Tensor]:
    """Scores (videos * views, classes) and labels by the rule in the parity file."""
    random = torch.Generator().manual_seed(7)
    scores = torch.rand(VIDEOS * VIEWS, CLASSES, generator=random)
    if kind == "single":
        scores = torch.softmax(scores * 5, 1)
        return scores, torch.randint(0, CLASSES, (VIDEOS,), generator=random)
    return scores, (torch.rand(VIDEOS, CLASSES, generator=random) < 0.3).float()


def filled(ensemble: ViewEnsemble, scores: Tensor, labels: Tensor, rows: list[int]) -> ViewEnsemble:
    for row in rows:
        video, view = divmod(row, VIEWS)
        ensemble.update(video, torch.tensor([view]), scores[row : row + 1], labels[video])
    return ensemble


def new(method: str = "sum") -> ViewEnsemble:
    return ViewEnsemble(num_views=VIEWS, num_classes=CLASSES, method=method)


@pytest.mark.parametrize(
    ("kind", "method", "key"),
    [
        ("single", "sum", "ensemble_single_sum"),
        ("single", "max", "ensemble_single_max"),
        ("multi", "max", "ensemble_multilabel_max"),
    ],
)
def test_scores_of_the_public_code(kind: str, method: str, key: str) -> None:
    scores, labels = given(kind)
    order = torch.randperm(VIDEOS * VIEWS, generator=torch.Generator().manual_seed(1)).tolist()
    videos, joined, found = filled(new(method), scores, labels, order).complete()
    assert videos.tolist() == list(range(VIDEOS))
    torch.testing.assert_close(joined.float(), torch.tensor(PARITY[key]["video_preds"]))
    assert found.tolist() == PARITY[key]["labels"]
    if kind == "single":
        top1, top5 = topk_accuracy(joined, found, (1, 5))
        stats = PARITY[key]["stats"]
        assert f"{top1:.2f} {top5:.2f}" == f"{stats['top1_acc']} {stats['top5_acc']}"


def test_multi_label_sums_keep_their_scores() -> None:
    """Starting from -1e10, as public code does, leaves nothing of a float32 score."""
    scores, labels = given("multi")
    _, joined, _ = filled(new(), scores, labels, list(range(VIDEOS * VIEWS))).complete()
    torch.testing.assert_close(joined.float(), scores.view(VIDEOS, VIEWS, CLASSES).sum(1))


@pytest.mark.parametrize("method", ["sum", "max"])
def test_two_processes_give_what_one_gives(method: str) -> None:
    """Also when a video's views are spread over both."""
    scores, labels = given("single")
    rows = list(range(VIDEOS * VIEWS))
    whole = filled(new(method), scores, labels, rows)
    parts = [filled(new(method), scores, labels, part) for part in (rows[::2], rows[1::2])]
    states = [part.state() for part in parts] + [new(method).state()]
    parts[0].merge(states)
    for mine, theirs in zip(parts[0].complete(), whole.complete(), strict=True):
        assert torch.equal(mine, theirs)


def test_negative_scores_survive_a_maximum() -> None:
    ensemble = ViewEnsemble(num_views=1, num_classes=2, method="max")
    ensemble.update(3, torch.tensor([0]), torch.tensor([[-2.0, -1.0]]), 1)
    assert ensemble.complete()[1].tolist() == [[-2.0, -1.0]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("method", ["sum", "max"])
def test_one_score_that_is_no_number_is_refused(method: str, value: float) -> None:
    """Also what a maximum would hide."""
    scores = torch.zeros(VIEWS, CLASSES)
    scores[2, 5] = value
    with pytest.raises(ValueError, match="video 4: expected finite scores, got 1 that are not"):
        new(method).update(4, torch.arange(VIEWS), scores, torch.zeros(CLASSES))


def test_a_view_counts_once() -> None:
    scores, labels = given("single")
    ensemble = filled(new(), scores, labels, [0, 1])
    with pytest.raises(ValueError, match=r"video 0: expected each view once, got views \[1\]"):
        filled(ensemble, scores, labels, [1])
    with pytest.raises(ValueError, match=r"got views \[2\] again"):
        ensemble.update(0, torch.tensor([2, 2]), scores[:2], labels[0])
    with pytest.raises(ValueError, match="scored by one process only"):
        ensemble.merge([ensemble.state(), ensemble.state()])


def test_missing_views_are_named() -> None:
    scores, labels = given("single")
    ensemble = filled(new(), scores, labels, [0, 1, 2, 3, 4, 6])
    assert ensemble.views_per_video() == {0: 4, 1: 2}
    with pytest.raises(ValueError, match=r"1 of 2 videos lack some; video 1 lacks views \[1, 3\]"):
        ensemble.complete()


def test_a_missing_video_is_noticed() -> None:
    scores, labels = given("single")
    ensemble = filled(new(), scores, labels, [0, 1, 2, 3])
    ensemble.check_complete(1)
    with pytest.raises(ValueError, match="expected 2 videos, got 1"):
        ensemble.check_complete(2)
    with pytest.raises(ValueError, match="expected at least one video, got none"):
        new().complete()


def test_what_cannot_be() -> None:
    scores, labels = given("single")
    ensemble = filled(new(), scores, labels, [0])
    one = torch.tensor([1])
    with pytest.raises(ValueError, match=r"expected views 0 \.\. 3, got \[4\]"):
        ensemble.update(0, torch.tensor([4]), scores[:1], labels[0])
    with pytest.raises(ValueError, match=r"scores \(views, 8\), got \(1, 7\)"):
        ensemble.update(0, one, scores[:1, :7], labels[0])
    with pytest.raises(ValueError, match="for each of 1 views, got 2"):
        ensemble.update(0, one, scores[:2], labels[0])
    with pytest.raises(ValueError, match="expected one label, got 3 after 7"):
        ensemble.update(0, one, scores[:1], 3)
    with pytest.raises(ValueError, match="expected finite scores, got 8 that are not"):
        ensemble.update(0, one, scores[:1] * float("nan"), labels[0])
    with pytest.raises(ValueError, match="ENSEMBLE_METHOD is 'mean', but must be one of sum, max"):
        new("mean")


def table_of(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """All ranks' rows in one table, as rank 0 gets them."""
    filled_states = [state for state in states if state]
    return {key: torch.cat([s[key] for s in filled_states]) for key in filled_states[0]}


@pytest.mark.parametrize("method", ["sum", "max"])
@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("world", [2, 3, 4, 9])
def test_any_number_of_ranks_gives_what_one_gives(world: int, kind: str, method: str) -> None:
    """Seven videos of five views, each scored in two parts; some ranks of nine have none.

    Logits are of any sign; those of video 2 are negative and those of video 3 zero in all views.
    """
    random = torch.Generator().manual_seed(3)
    scores = torch.randn(7, 5, CLASSES, generator=random)
    scores[2] = -scores[2].abs() - 1
    scores[3] = 0
    labels = (
        torch.arange(7) if kind == "single" else torch.rand(7, CLASSES, generator=random).round()
    )

    def scored(rank: int, ranks: int) -> ViewEnsemble:
        ensemble = ViewEnsemble(num_views=5, num_classes=CLASSES, method=method)
        for video in range(rank, 7, ranks):
            for views in (torch.tensor([4, 1]), torch.tensor([0, 2, 3])):
                ensemble.update(video, views, scores[video, views], labels[video])
        return ensemble

    merged = scored(0, world)
    merged.merge([table_of([scored(rank, world).state() for rank in range(world)])])
    merged.check_complete(7)
    one = scored(0, 1).complete()
    for mine, expected in zip(merged.complete(), one, strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-6)
    joined = scores.double().sum(1) if method == "sum" else scores.double().amax(1)
    torch.testing.assert_close(one[1], joined, rtol=0, atol=1e-12)
    assert one[1][2].max() < 0
    assert torch.equal(one[2], labels)


@pytest.mark.parametrize("method", ["sum", "max"])
def test_a_merged_table_joins_rows_of_one_video(method: str) -> None:
    """Views of a video that several ranks scored, in one table with the others."""
    scores, labels = given("multi")
    scores = scores - 2  # a table that begins with zeros would hide them
    whole = filled(new(method), scores, labels, list(range(VIDEOS * VIEWS)))
    parts = [
        filled(new(method), scores, labels, list(range(r, VIDEOS * VIEWS, 3))) for r in (0, 1, 2)
    ]
    parts[0].merge([table_of([part.state() for part in parts])])
    for mine, theirs in zip(parts[0].complete(), whole.complete(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_labels_that_differ_between_ranks_are_named() -> None:
    scores, _ = given("single")
    parts = [filled(new(), scores, torch.full((VIDEOS,), r), [r]) for r in (3, 2)]
    with pytest.raises(ValueError, match=r"video 0: expected one label, got (2 after 3|3 after 2)"):
        parts[0].merge([part.state() for part in parts])


def test_tables_grow_and_can_be_emptied() -> None:
    ensemble = ViewEnsemble(num_views=1, num_classes=2)
    for video in range(500, 0, -1):
        ensemble.update(video, torch.tensor([0]), torch.full((1, 2), float(video)), video % 3)
    videos, scores, labels = ensemble.complete()
    assert torch.equal(videos, torch.arange(1, 501))
    assert torch.equal(scores, videos[:, None].double().expand(500, 2))
    assert torch.equal(labels, videos % 3)
    ensemble.merge([{}, {}])
    assert (len(ensemble), ensemble.state()) == (0, {})
    ensemble.update(4, torch.tensor([0]), torch.ones(1, 2), 1)
    assert ensemble.complete()[1].tolist() == [[1.0, 1.0]]


def test_labels_are_of_one_kind() -> None:
    scores, labels = given("single")
    ensemble = filled(new(), scores, labels, [0])
    with pytest.raises(
        ValueError, match=r"video 1: expected a label like those before, .* \(\), got"
    ):
        ensemble.update(1, torch.tensor([0]), scores[:1], torch.zeros(CLASSES))
