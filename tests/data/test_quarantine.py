"""Mirrors slowfast/data/quarantine.py, and how a run honours it."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from slowfast.config import get_cfg, load_cfg, with_values
from slowfast.data.content import write_manifest
from slowfast.data.datasets.build import build_dataset, build_records, prefix_from_cfg
from slowfast.data.manifest import Manifest
from slowfast.data.quarantine import (
    Entry,
    leave_out,
    path_in_lists,
    read_quarantine,
    write_quarantine,
)

TINY = "configs/Motions/SLOWFAST_TINY.yaml"
RECORDS = Manifest.from_rows([("a.mp4", 0), ("b c.mp4", 1), ("d.mp4", 2)], prefix="/videos")


def test_entries_come_back_as_written(tmp_path: Path) -> None:
    names = ["c\udcff.mp4", "tab\t.mp4", "line\nend\r.mp4", "u\u2028\x85\x0b.mp4", '"q".mp4', '"q']
    others = [Entry("train", name, "") for name in names]
    write_quarantine(tmp_path / "q.txt", [Entry("*", "a b.mp4", "cut off\nhere"), *others])
    assert read_quarantine(tmp_path / "q.txt") == [Entry("*", "a b.mp4", "cut off here"), *others]
    (tmp_path / "q.txt").write_bytes(b"*\ta.mp4\twhy\r\n*\tb.mp4\r\n")
    assert [entry.path for entry in read_quarantine(tmp_path / "q.txt")] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("line", ["a.mp4", "training\ta.mp4\twhy", "*\t"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "q.txt").write_text(f"# comment\n\n{line}\n")
    with pytest.raises(ValueError, match=r"q.txt:3: expected 'split<tab>path<tab>why'"):
        read_quarantine(tmp_path / "q.txt")


def test_rows_are_left_out_and_the_others_keep_their_order() -> None:
    entries = [Entry("*", "b c.mp4"), Entry("val", "a.mp4"), Entry("*", "/elsewhere/x.mp4")]
    kept = leave_out(RECORDS, entries, "train", prefix="/videos", source="q.txt")
    assert [kept[row].path for row in range(len(kept))] == ["/videos/a.mp4", "/videos/d.mp4"]
    assert kept[1].label == 2
    with pytest.raises(IndexError, match="row 2 of a list of 2 videos"):
        kept[2]
    marks = kept.fingerprint()
    assert (marks["quarantined"], marks["quarantine_file"], marks["videos"]) == (1, "q.txt", 3)
    other = leave_out(RECORDS, [Entry("*", "a.mp4")], "train", prefix="/videos")
    assert other.fingerprint()["kept_sha256"] != marks["kept_sha256"]


def test_nothing_concerned_changes_nothing() -> None:
    assert leave_out(RECORDS, [Entry("val", "a.mp4")], "train", prefix="/videos") is RECORDS
    assert leave_out(RECORDS, [Entry("*", "a.mp4")], "train", prefix="/other") is RECORDS


def test_an_empty_rest_is_refused() -> None:
    all_of_them = [Entry("*", name) for name in ("a.mp4", "b c.mp4", "d.mp4")]
    with pytest.raises(ValueError, match=r"q.txt: all 3 videos of val are in quarantine"):
        leave_out(RECORDS, all_of_them, "val", prefix="/videos", source="q.txt")


def test_a_data_set_honours_the_file(
    tiny: list[str], motions: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("val.csv", "classes.txt"):
        (tmp_path / name).write_bytes((motions / name).read_bytes())
    overrides = [*tiny, "DATA.PATH_TO_DATA_DIR", str(tmp_path)]
    whole = build_records(load_cfg(TINY, overrides=overrides), "val")
    gone = Path(whole[3].path).relative_to(motions)
    (tmp_path / "quarantine.txt").write_text(f"*\t{gone}\tcut off\n")
    with caplog.at_level(logging.INFO, logger="slowfast"):
        logging.getLogger("slowfast").propagate = True
        kept = build_records(load_cfg(TINY, overrides=overrides), "val")
    assert f"1 of 8 videos of val left out: {tmp_path / 'quarantine.txt'}" in caplog.text
    assert [kept[i].path for i in range(7)] == [whole[i].path for i in (0, 1, 2, 4, 5, 6, 7)]
    assert json.loads(json.dumps(kept.fingerprint()))["quarantined"] == 1
    off = load_cfg(TINY, overrides=[*overrides, "DATA.QUARANTINE", "off"])
    assert len(build_records(off, "val")) == 8
    nowhere = load_cfg(TINY, overrides=[*overrides, "DATA.QUARANTINE", str(tmp_path / "no.txt")])
    with pytest.raises(ValueError, match=r"no.txt: expected a list of videos to leave out"):
        build_records(nowhere, "val")


def test_the_folder_of_the_videos_may_be_named_in_another_way(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out, and the hashes, are those of the files and not of a spelling."""
    for name in ("train/a/bad.mp4", "train/a/1.mp4", "train/b/2.mp4", "val/a/3.mp4"):
        (tmp_path / "v" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "v" / name).write_bytes(b"no" if "bad" in name else video.read_bytes())
    monkeypatch.chdir(tmp_path)
    config = Path(__file__).parents[2] / TINY
    keys = ["TRAIN.DATASET", "folder", "MODEL.NUM_CLASSES", "2", "DATA.VERIFY_CONTENT", "sha256"]

    def config_with(folder: str) -> Any:
        return load_cfg(config, overrides=[*keys, "DATA.PATH_TO_DATA_DIR", folder])

    entries = [Entry("*", path_in_lists("v/train/a/bad.mp4", prefix="", folder="./v"))]
    assert entries[0].path == "train/a/bad.mp4"
    write_quarantine(tmp_path / "v" / "quarantine.txt", entries)
    row = {"path": "train/a/1.mp4", "size": video.stat().st_size}
    row["sha256"] = hashlib.sha256(video.read_bytes()).hexdigest()
    write_manifest(tmp_path / "v" / "manifest.train.jsonl", [row])
    for folder in ("v", "./v/", str(tmp_path / "v")):
        dataset = build_dataset(config_with(folder), "train")
        names = [Path(dataset.records[row].path).name for row in range(len(dataset))]
        assert names == ["1.mp4", "2.mp4"]
        dataset.verify(dataset.records[0])
        with pytest.raises(ValueError, match=r"2.mp4: expected it in .*manifest.train.jsonl"):
            dataset.verify(dataset.records[1])


def test_lines_that_name_no_video_are_told(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("slowfast").propagate = True
    entries = [Entry("val", "x.mp4"), Entry("*", "of-train.mp4"), Entry("val", "./a.mp4")]
    assert len(leave_out(RECORDS, entries, "val", prefix="/videos", source="q.txt")) == 2
    told = "1 of the videos of val that q.txt leaves out are not in its list, such as x.mp4"
    assert told in caplog.text


@pytest.mark.parametrize(
    ("data_set", "video_dir", "prefix"),
    [("kinetics", "/clips", "/videos"), ("ava", "/clips", "/clips"), ("ava", "", "/frames")],
)
def test_videos_of_a_data_set_with_a_folder_of_its_own(
    data_set: str, video_dir: str, prefix: str
) -> None:
    values = {
        "TRAIN.DATASET": data_set,
        "DATA.MULTI_LABEL": data_set == "ava",
        "DATA.PATH_PREFIX": "/videos",
        "AVA.VIDEO_DIR": video_dir,
        "AVA.FRAME_DIR": "/frames",
    }
    assert prefix_from_cfg(with_values(get_cfg(), values), "train") == prefix
