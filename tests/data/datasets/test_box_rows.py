"""Mirrors slowfast/data/datasets/box_rows.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slowfast.data.datasets import box_rows
from slowfast.data.datasets.box_rows import read_box_rows

LIST = (
    "zoë,0902,.1,.2,.3,.4,12,0.5\nb c,3.25,0,0,1,1,3,1e-3\nb c,4,0,0,1,1,-1,1\nzoë,5,1,1,0,0,1,0\n"
)


@pytest.fixture(params=["at once", "by row"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is read by NumPy, and line by line."""
    if request.param == "by row":
        monkeypatch.setattr(box_rows, "_columns_at_once", lambda *args, **kwargs: None)
    else:
        monkeypatch.delattr(box_rows, "_columns_by_row")


@pytest.mark.usefixtures("either_way")
def test_rows_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\ufeff" + LIST, encoding="utf-8")
    rows = read_box_rows(path, detected=True)
    assert rows.names == ("zoë", "b c")
    assert rows.video.tolist() == [0, 1, 0]
    assert rows.second.tolist() == [902, 3.25, 5]
    assert rows.corners[0].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert rows.label.tolist() == [12, 3, 1]
    assert rows.score.tolist() == [0.5, 1e-3, 0]


@pytest.mark.usefixtures("either_way")
def test_annotated_lists_have_no_scores(tmp_path: Path) -> None:
    for line in ("a,1,0,0,1,1,2,77\n", "a,1,0,0,1,1,2\n", '"a",1,0,0,1,1,2\n'):
        (tmp_path / "list.csv").write_text(line)
        rows = read_box_rows(tmp_path / "list.csv", detected=False)
        assert (rows.names, rows.label.tolist(), rows.score.tolist()) == (("a",), [2], [1])


def test_odd_lists_are_read_line_by_line(tmp_path: Path) -> None:
    """Blank lines, quotes around commas, and persons without an action."""
    (tmp_path / "list.csv").write_text('\n"a,b", 1,0,0,1,1,2,.5\r\n\na,1,0,0,1,1,,.5\n')
    rows = read_box_rows(tmp_path / "list.csv", detected=True)
    assert (rows.names, rows.label.tolist()) == (("a,b",), [2])


def test_an_empty_list_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "list.csv").touch()
    rows = read_box_rows(tmp_path / "list.csv", detected=True)
    assert len(rows) == 0
    assert rows.names == ()
    assert rows.corners.shape == (0, 4)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,0,0,1,1,2", r"list.csv:2: expected 'video,.*score', found '.*' with 7 columns"),
        (",1,0,0,1,1,2,1", r"list.csv:2: expected 'video,"),
        ("a,x,0,0,1,1,2,1", "list.csv:2: expected a number in 'video,.*found 'x'"),
        ("a,1,0,0,nan,1,2,1", "list.csv:2: expected a number in .*found 'nan'"),
        ("a,1,0,0,1,1,2,inf", "list.csv:2: expected a number in .*found 'inf'"),
        ("a,1,0,0,1,1,0,1", "list.csv:2: expected an action from 1, nothing or -1, found '0'"),
        ("a,1,0,0,1,1,1.5,1", "list.csv:2: expected an action from 1, .*found '1.5'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(f"a,1,0,0,1,1,1,1\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_box_rows(tmp_path / "list.csv", detected=True)


def test_seconds_with_nobody_in_them_and_persons_without_an_action(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a,1,,,,,,\na,2,,,,,-1,\na,3,0,0,1,1,,5\na,4,0,0,1,1,2,5\n")
    assert read_box_rows(tmp_path / "list.csv", detected=False).second.tolist() == [4]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,.5,0,.4,1,2,1", "list.csv:2: expected .* the smaller ones first, found '.5,0,.4,1'"),
        ("a,1,0,.5,1,.4,2,1", "list.csv:2: expected .* the smaller ones first"),
        ("a,1,,,,,2,1", "list.csv:2: expected a number in .*found ''"),
        ("a,,,,,,,", "list.csv:2: expected a number in .*found ''"),
    ],
)
def test_a_malformed_annotation_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(f"a,1,0,0,1,1,1,1\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_box_rows(tmp_path / "list.csv", detected=False)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.csv: expected a list of .*found no such file"):
        read_box_rows(tmp_path / "none.csv", detected=True)


def test_both_ways_give_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [
        f"v{random.integers(3)},{random.random():.3f},"
        + ",".join(f"{x:.6g}" for x in random.random(4))
        + f",{random.integers(1, 9)},{random.random():.9f}\n"
        for _ in range(300)
    ]
    (tmp_path / "list.csv").write_text("".join(lines))
    rows = [read_box_rows(tmp_path / "list.csv", detected=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_rows, "_columns_at_once", lambda *args, **kwargs: None)
        rows.append(read_box_rows(tmp_path / "list.csv", detected=True))
    first, second = rows
    assert first.names == second.names
    for name in ("video", "second", "corners", "label", "score"):
        assert (getattr(first, name) == getattr(second, name)).all()
