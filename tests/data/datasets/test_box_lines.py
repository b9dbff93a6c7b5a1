"""Mirrors slowfast/data/datasets/box_lines.py."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from slowfast.data.datasets.box_lines import box_lines, number_in


def lines(path: Path) -> list[tuple[str, list[str]]]:
    return list(box_lines(path, path.name, columns=(2, 3), expected="video,second[,box]"))


def test_a_header_is_passed_over_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b'\xef\xbb\xbf\r\n"video","second"\r\na,0902\r\n\r\n"b,c", 903 ,x\r\n')
    with caplog.at_level(logging.WARNING, logger="slowfast"):
        found = lines(path)
    assert found == [("list.csv:3", ["a", "0902"]), ("list.csv:5", ["b,c", "903", "x"])]
    assert "list.csv:2: taken for a header, not a box: video,second" in caplog.text


def test_only_the_first_line_can_be_a_header(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a,1\nvideo,second\n")
    assert lines(tmp_path / "list.csv")[1] == ("list.csv:2", ["video", "second"])
    (tmp_path / "list.csv").write_text("a,nan\n")
    assert lines(tmp_path / "list.csv") == [("list.csv:1", ["a", "nan"])]


def test_malformed_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a,1\na\n")
    with pytest.raises(ValueError, match=r"list.csv:2: expected 'video,.*', found 'a' with 1 col"):
        lines(path)
    path.write_bytes("a,1\r\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"list.csv:1: expected text in UTF-8, found UTF-16"):
        lines(path)


@pytest.mark.parametrize("cell", ["", "x", "nan", "-inf", "1,5"])
def test_what_is_no_number_is_shown(cell: str) -> None:
    assert number_in(" 1e-3 ", "list.csv:7", "a score") == 1e-3
    with pytest.raises(ValueError, match=f"list.csv:7: expected a score, found '{cell}'"):
        number_in(cell, "list.csv:7", "a score")
