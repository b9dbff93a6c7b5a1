"""Mirrors slowfast/data/datasets/kinetics.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slowfast.config import get_cfg, with_values
from slowfast.data.datasets.frame_list import read_frame_list
from slowfast.data.datasets.kinetics import (
    kinetics_from_cfg,
    read_class_names,
    read_kinetics,
)
from slowfast.data.datasets.named_csv import names_in
from slowfast.log import LOGGER


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_list(text: str | bytes, name: str = "train.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_list


def rows(path: Path, **options: Any) -> list[tuple[str, int]]:
    manifest = read_kinetics(path, **options)
    return [(record.path, record.label) for record in (manifest[i] for i in range(len(manifest)))]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("a.mp4 3", ("a.mp4", 3)),
        ("my clip no 2.mp4 3", ("my clip no 2.mp4", 3)),
        ("folder 7/clip 12 3", ("folder 7/clip 12", 3)),
        ("a.mp4   3  ", ("a.mp4", 3)),
        # Three columns: the middle one is ignored.
        ("a.mp4 250 3", ("a.mp4", 3)),
        ("x/a.mp4 a.mp4 3", ("x/a.mp4", 3)),
        ("my clip.mp4 250 3", ("my clip.mp4", 3)),
        # But not where the second "column" is the rest of a name.
        ("a.mp4 copy.mp4 3", ("a.mp4 copy.mp4", 3)),
        ("St. Peter.mp4 3", ("St. Peter.mp4", 3)),
    ],
)
def test_a_line_with_a_label(line: str, row: tuple[str, int], write: Any) -> None:
    assert rows(write(f"{line}\n")) == [row]


def test_one_column_has_label_0_and_says_so(
    write: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    assert rows(write("a.mp4\nmy clip.MKV\n")) == [("a.mp4", 0), ("my clip.MKV", 0)]
    assert "has paths without labels: every video gets label 0" in caplog.text


def test_other_separators_line_ends_and_encodings(write: Any) -> None:
    assert rows(write("a,b.mp4,3\n"), separator=",") == [("a,b.mp4", 3)]
    assert rows(write("a b.mp4\t3\n"), separator="\t") == [("a b.mp4", 3)]
    assert rows(write("a b.mp4\t3\n"), separator=r"\t") == [("a b.mp4", 3)]  # from a shell
    windows = b"\xef\xbb\xbfa.mp4 1\r\n\r\n  \r\nb.mp4 2"
    assert rows(write(windows), prefix="p") == [("p/a.mp4", 1), ("p/b.mp4", 2)]
    assert rows(write(b"caf\xe9.mp4 1\n")) == [("caf\udce9.mp4", 1)]  # Latin-1, as on disk
    assert rows(write("a 0\nb 1\nc 2\n"), skip_rows=2) == [("c", 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4,3\n", r"train.csv:1: expected 'path label', got 'a.mp4,3'. Set DATA.PATH_LABEL"),
        ("a.mp4 0\n\nb.mp4 dance\n", r"train.csv:3: expected 'path label', got 'b.mp4 dance'"),
        ("a.mp4 1.0\n", r"train.csv:1: expected 'path label'"),
        ("a.mp4\t3\n", r"divides them \('\\t' for the tab in this one\); labels"),
        (
            "a.mp4 0\nb.mp4 12\n",
            r"train.csv:2: expected a label from 0 to 11, got 12 .*NUM_CLASSES",
        ),
        ("a.mp4 -1\n", r"train.csv:1: expected a label from 0 to 11, got -1"),
        ("a.mp4 0\nb.mp4\n", r"train.csv:2: expected lines of one kind, found 'b.mp4' without"),
        ("a.mp4\nb.mp4 1\n", r"train.csv:2: .* with a label after lines without"),
        ("a.mp4 1\n 3\n", r"train.csv:2: expected 'path label', got ' 3' without a path"),
        ("\n \n", r"train.csv: expected one 'path label' a line, found no line"),
    ],
)
def test_errors_name_file_and_line(text: str, message: str, write: Any) -> None:
    with pytest.raises(ValueError, match=message):
        read_kinetics(write(text), num_classes=12)


def test_a_missing_list_says_where_it_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"val.csv: expected a list .* DATA.PATH_TO_DATA_DIR"):
        read_kinetics(tmp_path / "val.csv")


def test_skipping_everything_is_an_error(write: Any) -> None:
    with pytest.raises(ValueError, match=r"found no line after DATA.SKIP_ROWS \(5\)"):
        read_kinetics(write("a 0\n"), skip_rows=5)


def test_class_names(write: Any) -> None:
    assert read_class_names(write("abseiling\nair drumming\n\n")) == ["abseiling", "air drumming"]
    quoted = '{"\\"air drumming\\"": 1, "abseiling": 0}'
    assert read_class_names(write(quoted)) == ["abseiling", "air drumming"]
    with pytest.raises(ValueError, match="expected the numbers 0 to 1, each once"):
        read_class_names(write('{"a": 0, "b": 2}'))
    with pytest.raises(ValueError, match=r"train.csv:1: not JSON"):
        read_class_names(write('{"a": }'))
    with pytest.raises(ValueError, match=r"DATA.CLASS_NAMES_FILE"):
        read_class_names("no/such/file.txt")


@pytest.mark.parametrize("read", [read_kinetics, read_frame_list, names_in])
def test_a_list_as_powershell_writes_it(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("a.mp4 3\r\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"train.csv:1: expected text in UTF-8, found UTF-16"):
        read(path)


def test_rows_are_skipped_in_training_only(write: Any, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write("a 0\nb 1\nc 2\n", f"{split}.csv")
    cfg = with_values(get_cfg(), {"DATA.PATH_TO_DATA_DIR": str(tmp_path), "DATA.SKIP_ROWS": 2})
    lengths = [len(kinetics_from_cfg(cfg, split)) for split in ("train", "val", "test")]
    assert lengths == [1, 3, 3]
