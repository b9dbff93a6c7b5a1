"""Mirrors slowfast/engine/checkpoint/manifest.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slowfast.engine.checkpoint.integrity import hash_file
from slowfast.engine.checkpoint.manifest import (
    MANIFEST,
    damage_in,
    read_manifest,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    write_manifest(tmp_path, {name: hash_file(tmp_path / name) for name in ("b", "a")})
    return tmp_path


def test_a_folder_is_whole_as_it_was_written(folder: Path) -> None:
    assert damage_in(folder) == ""
    assert list(read_manifest(folder)) == ["a", "b"]
    subprocess.run(["sha256sum", "--check", MANIFEST], cwd=folder, check=True)


def test_damage_is_named(folder: Path) -> None:
    (folder / "b").write_text("B")
    assert damage_in(folder) == "has a b that does not fit manifest.sha256"
    (folder / "b").unlink()
    assert damage_in(folder) == "lacks b"
    (folder / "b").write_text("b")
    (folder / "c").write_text("c")
    assert damage_in(folder) == "has c, which manifest.sha256 does not list"


def test_without_a_manifest_nothing_is_whole(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert damage_in(folder) == "has no manifest.sha256 that can be read"


def test_flipped_bits_and_cuts_of_the_manifest_are_noticed(folder: Path) -> None:
    whole = (folder / MANIFEST).read_bytes()
    for place in range(62, 70):  # the end of a hash, the blanks, the name, the end of the line
        (folder / MANIFEST).write_bytes(whole[:place])
        assert damage_in(folder), f"cut at {place}"
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        (folder / MANIFEST).write_bytes(broken)
        assert damage_in(folder), f"bit {place % 8} of byte {place}"


def test_a_manifest_names_no_file_outside(folder: Path) -> None:
    (folder / MANIFEST).write_text(f"{'0' * 64}  ../a\n")
    assert read_manifest(folder) == {}
