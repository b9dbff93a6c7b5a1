"""Mirrors slowfast/data/quarantine.py, and how a run honours it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from slowfast.config import load_cfg
from slowfast.data.datasets.build import build_records
from slowfast.data.manifest import Manifest
from slowfast.data.quarantine import Entry, leave_out, read_quarantine, write_quarantine

TINY = "configs/Motions/SLOWFAST_TINY.yaml"
RECORDS = Manifest.from_rows([("a.mp4", 0), ("b c.mp4", 1), ("d.mp4", 2)], prefix="/videos")


def test_entries_come_back_as_written(tmp_path: Path) -> None:
    entries = [Entry("*", "a b.mp4", "cut off\nhere"), Entry("train", "c\udcff.mp4", "")]
    write_quarantine(tmp_path / "q.txt", entries)
    assert read_quarantine(tmp_path / "q.txt") == [
        Entry("*", "a b.mp4", "cut off here"),
        Entry("train", "c\udcff.mp4", ""),
    ]


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
