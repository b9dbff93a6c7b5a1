"""Mirrors slowfast/data/manifest.py."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path

import pytest
import torch

from slowfast.data.manifest import Manifest
from slowfast.data.record import Record

ROWS = [("a b.mp4", 3), ("ü/视频.mp4", 0), ("not utf-8 \udce9.mp4", 3)]


def test_rows_come_out_as_they_went_in() -> None:
    manifest = Manifest.from_rows(ROWS)
    assert [manifest[i] for i in range(len(manifest))] == [Record(*row) for row in ROWS]
    assert pickle.loads(pickle.dumps(manifest))[1] == Record(*ROWS[1])
    for outside in (-1, 3):
        with pytest.raises(IndexError, match="of a list of 3 videos"):
            manifest[outside]
    assert len(Manifest.from_rows([])) == 0


def test_the_prefix_is_put_in_front() -> None:
    manifest = Manifest.from_rows([("a/b.mp4", 0), ("/c.mp4", 1)], prefix="/data")
    assert manifest[0].path == "/data/a/b.mp4"
    assert manifest[1].path == "/c.mp4"


def test_no_python_object_a_row() -> None:
    """Reference counts of such objects would copy their pages to every worker."""
    gc.collect()
    gc.freeze()  # what other tests left behind need not be looked through
    before = len(gc.get_objects())
    manifest = Manifest.from_rows((f"video_{i}.mp4", i % 400) for i in range(50_000))
    gc.collect()
    made = len(gc.get_objects()) - before
    gc.unfreeze()
    assert made < 1000
    held = [value for value in vars(manifest).values() if not isinstance(value, str)]
    assert all(isinstance(value, torch.Tensor) for value in held)
    assert sum(tensor.nbytes for tensor in held) < 50_000 * 40


def test_fingerprint_tells_lists_apart(tmp_path: Path) -> None:
    source = tmp_path / "train.csv"
    source.write_text("a 0\n")
    one = Manifest.from_rows([("a", 0), ("b", 0), ("c", 4)], source=str(source)).fingerprint()
    assert (one["videos"], one["classes"]) == (3, 2)
    assert (one["videos_per_class_min"], one["videos_per_class_max"]) == (1, 2)
    assert len(str(one["list_sha256"])) == 64
    other = Manifest.from_rows([("a", 0), ("b", 0), ("c", 3)], source=str(source)).fingerprint()
    assert one["content_sha256"] != other["content_sha256"]
    assert Manifest.from_rows([]).fingerprint()["videos"] == 0
