"""Mirrors slowfast/battery/scale.py: a small part of its checks, and that they can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slowfast.battery import scale
from slowfast.battery.scale import check_evaluation, check_merging, differences, merge_scores


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("videos", "views"), [(7, 5), (2, 3)])
def test_val_and_test_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, videos: int, views: int
) -> None:
    """Seven videos of five views; and fewer videos than processes."""
    assert check_evaluation(tmp_path / "run", videos=videos, views=views, ranks=3) == 0


def test_what_differs_is_named() -> None:
    figures = {"top1": 50.0, "left_out": [], "scores": {"a": [0.1, 0.2], "b": [0.3, 0.4]}}
    near = {**figures, "scores": {"a": [0.1, 0.2 + 1e-7], "b": [0.3, 0.4]}}
    assert differences(near, figures) == []
    far = {**figures, "top1": 40.0, "scores": {"a": [0.1, 0.2 + 1e-5], "b": [0.3, 0.4]}}
    assert differences(far, figures) == ["top1", "scores"]
    assert differences({**figures, "scores": {"a": [0.1, 0.2]}}, figures) == ["videos"]


def test_merged_scores_are_the_sums_of_all_views() -> None:
    threads = torch.get_num_threads()
    (seconds,), wall, error = merge_scores(130, 5, 7)
    torch.set_num_threads(threads)
    assert error < 1e-9
    assert min(seconds, wall) > 0


def test_slow_merging_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def launch(function: object, *sizes: int, processes: int) -> tuple[list[float], float, float]:
        return [2.5 / processes] * processes, 3.0, 1e-8 if processes == 4 else 0.0

    monkeypatch.setattr(scale.dist, "launch", launch)
    assert check_merging(tmp_path, videos=20, views=3, classes=4) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("a fault") for line in lines] == [True, False, True, False]
