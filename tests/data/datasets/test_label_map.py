"""Mirrors slowfast/data/datasets/label_map.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowfast.data.datasets.label_map import read_label_map, write_label_map


def test_both_spellings_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "map.pbtxt"
    path.write_text(
        "item {\n  name: \"bend/bow (at the waist)\"\n  id: 1\n}\n"
        "label {\n  name: 'fall, down'\n  label_id: 5\n  label_type: PERSON_MOVEMENT\n}\n"
        'item { id: 7 name: "run" }\n'
    )  # fmt: skip
    classes = read_label_map(path)
    assert classes == {1: "bend/bow (at the waist)", 5: "fall, down", 7: "run"}
    write_label_map(path, classes)
    assert read_label_map(path) == classes
    write_label_map(path, {1: 'say "hello"', 2: "{a}\\'b'"})
    assert read_label_map(path) == {1: 'say "hello"', 2: "{a}\\'b'"}
    path.write_text('# id: 9\nitem { name: "a" # or { b }\n note: "id: 7" id: 1 }')
    assert read_label_map(path) == {1: "a"}


def test_what_is_no_label_map(tmp_path: Path) -> None:
    path = tmp_path / "map.pbtxt"
    with pytest.raises(ValueError, match=r"map.pbtxt: expected a label map .* set AVA.LABEL_MAP"):
        read_label_map(path)
    path.write_text("run\n")
    with pytest.raises(ValueError, match=r"expected blocks such as item .* found none"):
        read_label_map(path)
    path.write_text('item {\n name: "a"\n id: 1\n}\nitem {\n name: "b"\n}\n')
    with pytest.raises(
        ValueError, match=r'map.pbtxt:5: expected a name .* an id from 1 to \d+, found .*"b"'
    ):
        read_label_map(path)
    path.write_text('item { name: "a" id: 1 }\nitem { name: "b" id: 1 }\n')
    with pytest.raises(ValueError, match=r"map.pbtxt:2: number 1 is also 'a'"):
        read_label_map(path)
    for number in (0, 10**20):
        path.write_text(f'item {{ name: "a" id: {number} }}')
        with pytest.raises(
            ValueError, match=r"map.pbtxt:1: expected a name in quotes and an id from 1"
        ):
            read_label_map(path)
    path.write_text('item { name: "a" id: 1 }\nitem { name: "b" id: 2\nitem { name: "c" id: 3 }')
    with pytest.raises(
        ValueError, match=r"map.pbtxt:3: expected blocks .* found 'item { name: \"b"
    ):
        read_label_map(path)
