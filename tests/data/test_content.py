"""Mirrors slowfast/data/content.py, and DATA.VERIFY_CONTENT."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slowfast.config import load_cfg
from slowfast.data.batch import BadSample, Sample
from slowfast.data.content import (
    ContentManifest,
    files_of,
    manifest_file,
    sha256_of,
    size_of,
    write_manifest,
)
from slowfast.data.datasets.build import build_dataset, build_records
from slowfast.data.inspection import inspect
from slowfast.data.readers.tar_writer import write_shard
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record

TINY = "configs/Motions/SLOWFAST_TINY.yaml"


def rows(folder: Path, names: list[str]) -> list[dict]:
    records = [Record(str(folder / name)) for name in names]
    return [
        {"path": name, "size": size_of(r), "sha256": sha256_of(r)}
        for name, r in zip(names, records, strict=True)
    ]


def test_size_and_hash_are_compared(tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "two"), ("c d", "three")):
        (tmp_path / name).write_text(text)
    write_manifest(tmp_path / "m.jsonl", rows(tmp_path, ["a", "b", "c d"]))
    manifest = ContentManifest.read(tmp_path / "m.jsonl", prefix=str(tmp_path))
    assert len(manifest) == 3
    for name in ("a", "b", "c d"):
        manifest.check_hash(Record(str(tmp_path / name)))
    (tmp_path / "b").write_text("owt")
    manifest.check_size(Record(str(tmp_path / "b")))
    with pytest.raises(VideoError, match=r"/b: expected the content with sha256 \w{12}\.\.\. of"):
        manifest.check_hash(Record(str(tmp_path / "b")))
    (tmp_path / "a").write_text("on")
    with pytest.raises(VideoError, match=r"/a: expected 3 bytes by .*m.jsonl, found 2; get the"):
        manifest.check_size(Record(str(tmp_path / "a")))
    (tmp_path / "c d").unlink()
    with pytest.raises(VideoError, match="c d: expected a file that can be read, found No such"):
        manifest.check_hash(Record(str(tmp_path / "c d")))
    with pytest.raises(VideoError, match=r"new: expected it in .*m.jsonl, found nothing; run slow"):
        manifest.check_size(Record(str(tmp_path / "new")))


def test_a_video_kept_as_pictures_is_all_of_them(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_text(str(i) * (i + 1))
    folder = Record(str(tmp_path))
    named = Record(str(tmp_path), frames=tuple(str(tmp_path / f"{i}.jpg") for i in range(3)))
    assert files_of(folder) == files_of(named)
    assert size_of(folder) == 6
    assert sha256_of(folder) == sha256_of(named)


@pytest.mark.parametrize("line", ["{", '{"path": "a", "size": 3}', '["a"]', '{"path": 1}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "m.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"m.jsonl:1: expected a line with path, size and sha256"):
        ContentManifest.read(tmp_path / "m.jsonl")


def test_a_file_that_changed_is_a_bad_sample(
    tiny: list[str], motions: Path, tmp_path: Path
) -> None:
    shutil.copytree(motions / "val", tmp_path / "val")
    shutil.copy(motions / "val.csv", tmp_path)
    shutil.copy(motions / "classes.txt", tmp_path)
    keys = ["DATA.PATH_TO_DATA_DIR", str(tmp_path), "DATA.PATH_PREFIX", str(tmp_path)]
    cfg = load_cfg(TINY, overrides=[*tiny, *keys, "DATA.VERIFY_CONTENT", "sha256"])
    with pytest.raises(ValueError, match=r"manifest.val.jsonl: expected the manifest that DATA.VE"):
        build_dataset(cfg, "val")
    records = build_records(cfg, "val")
    paths = [Path(records[i].path) for i in range(len(records))]
    names = [str(path.relative_to(tmp_path)) for path in paths]
    write_manifest(manifest_file(tmp_path, "val"), rows(tmp_path, names))
    dataset = build_dataset(cfg, "val")
    assert isinstance(dataset[0], Sample)
    data = bytearray(paths[1].read_bytes())
    data[len(data) // 2] ^= 1  # a single bit, which a decoder may well paint over
    paths[1].write_bytes(data)
    bad = dataset[1]
    assert isinstance(bad, BadSample)
    assert "expected the content with sha256" in bad.cause
    # Videos that no list has, as of a prediction, are not judged.
    assert isinstance(dataset.with_records(records)[1], Sample | BadSample)
    assert dataset.with_records(records).verify(Record("x")) is None


def test_a_video_in_a_shard_is_its_own_bytes(video: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "s.tar", [("a.mp4", video), ("b.mp4", video)])
    member = Record(f"{tmp_path / 's.tar'}#b.mp4")
    assert size_of(member) == video.stat().st_size
    assert sha256_of(member) == sha256_of(Record(str(video)))
    assert inspect(member).frames == 40
