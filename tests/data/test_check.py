"""Mirrors slowfast/data/{check,findings,check_report}.py and the command that shows them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch

from slowfast.cli.check_data import _clip_seconds, main
from slowfast.cli.data import main as data_main
from slowfast.config import load_cfg
from slowfast.data.boxes import GivenBoxes
from slowfast.data.check import Journal, Listed, list_videos
from slowfast.data.findings import find_faults, to_leave_out
from slowfast.data.inspection import Facts, inspect
from slowfast.data.manifest import Manifest
from slowfast.data.record import Record


def repack(source: Path, target: Path) -> Path:
    """The same pictures in another container."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    return target


@pytest.fixture(scope="module")
def lists(
    motions: Path, tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> Path:
    """Lists with one of each fault."""
    folder = tmp_path_factory.mktemp("lists")
    good = sorted((motions / "train").rglob("*.mp4"))[:4]
    for i, path in enumerate(good):
        shutil.copy(path, folder / f"good{i}.mp4")
    (folder / "cut.mp4").write_bytes(good[0].read_bytes()[:-400])
    shutil.copy(good[1], folder / "copy.mp4")
    repack(good[2], folder / "repacked.mkv")
    make_video(folder / "two_frames.mp4", range(2))
    (folder / "train.csv").write_text(
        "good0.mp4 0\ngood1.mp4 1\ngood2.mp4 1\ncut.mp4 1\ntwo_frames.mp4 0\ngood2.mp4 0\n"
        "missing.mp4 0\n"
    )
    (folder / "val.csv").write_text("good3.mp4 0\ncopy.mp4 1\nrepacked.mkv 1\n")
    return folder


def run(lists: Path, *more: str) -> int:
    keys = ["DATA.PATH_TO_DATA_DIR", str(lists), "DATA.PATH_PREFIX", str(lists)]
    keys += ["MODEL.NUM_CLASSES", "3"]
    return main(["--cfg", "configs/Motions/SLOWFAST_TINY.yaml", "--workers", "1", *more, *keys])


@pytest.fixture(scope="module")
def checked(lists: Path) -> dict[str, list[dict]]:
    assert run(lists) == 1
    report = json.loads((lists / "check-data.json").read_text())
    found: dict[str, list[dict]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["kind"], []).append(finding)
    assert report["counts"] == {k: len(found.get(k, [])) for k in report["counts"]}
    return found


def names(findings: list[dict]) -> list[str]:
    return [Path(finding["path"]).name for finding in findings]


def test_what_cannot_be_read_is_named_with_its_cause(checked: dict[str, list[dict]]) -> None:
    assert names(checked["unreadable"]) == ["cut.mp4", "missing.mp4"]
    cut, missing = (finding["what"] for finding in checked["unreadable"])
    assert "bytes by its own headers, found" in cut
    assert "missing.mp4: expected a video file, found nothing" in missing


def test_leaks_are_found_by_bytes_and_by_pictures(checked: dict[str, list[dict]]) -> None:
    assert names(checked["leak"]) == ["good1.mp4", "good2.mp4"]
    bytes_, pictures = (finding["what"] for finding in checked["leak"])
    assert "copy.mp4 of val byte by byte" in bytes_
    assert "repacked.mkv of val by its pictures" in pictures
    assert all(finding["split"] == "train" for finding in checked["leak"])


def test_labels_and_lengths_are_looked_at(checked: dict[str, list[dict]]) -> None:
    assert any("good2.mp4: has the labels 0, 1" in f["what"] for f in checked["labels"])
    assert names(checked["short"])[-1] == "two_frames.mp4"
    assert "two_frames.mp4: 2 frames, 0.07 s; a clip spans" in checked["short"][-1]["what"]
    assert [f["what"] for f in checked["classes"]] == ["1 of 3: 2"]


def test_the_report_is_for_people_too(
    lists: Path, checked: dict[str, list[dict]], capsys: pytest.CaptureFixture[str]
) -> None:
    text = (lists / "check-data.txt").read_text()
    assert text.startswith("9 videos (train 7, val 3), 0.0 hours")
    assert "2 cannot be read to the end:" in text
    assert "test was not checked:" in text
    assert "can be left out of runs: repeat the command with --fix" in text


def test_nothing_is_decoded_twice_and_fix_writes_the_quarantine(
    lists: Path, checked: dict[str, list[dict]], capsys: pytest.CaptureFixture[str]
) -> None:
    journal = (lists / "check-data.journal.jsonl").read_bytes()
    assert run(lists, "--fix") == 1
    out = capsys.readouterr().out
    assert "9 of 9 videos were checked before and have not changed" in out
    assert (lists / "check-data.journal.jsonl").read_bytes() == journal
    assert f"4 videos added to {lists / 'quarantine.txt'}" in out
    lines = (lists / "quarantine.txt").read_text().splitlines()
    entries = [line.split("\t")[:2] for line in lines if not line.startswith("#")]
    assert entries == [
        ["*", "cut.mp4"],
        ["*", "missing.mp4"],
        ["train", "good1.mp4"],
        ["train", "good2.mp4"],
    ]
    assert run(lists, "--fix") == 1  # nothing is added twice
    assert (lists / "quarantine.txt").read_text().splitlines() == lines
    rows = [json.loads(line) for line in (lists / "manifest.val.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == ["good3.mp4", "copy.mp4", "repacked.mkv"]
    assert rows[0]["frames"] == 26


def test_a_list_alone_and_the_old_name(
    motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--workers", "1", "--prefix", str(motions), "--out", str(tmp_path)]
    assert data_main(["check", "--list", str(motions / "val.csv"), *line]) == 0
    out = capsys.readouterr().out
    assert out.startswith("8 videos (val 8)")
    assert (tmp_path / "manifest.val.jsonl").is_file()


def test_a_missing_list_is_named_as_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, found in (("none.csv", "nothing"), ("", "a folder")):
        assert main(["--list", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert f"--list {tmp_path / name}: expected a file with one 'path label' a line" in said
        assert said.endswith(f"found {found}\n")


def test_a_list_alone_has_one_label_a_video_and_no_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "val.csv").write_text("a.mp4 3,17\n")
    assert main(["--list", str(tmp_path / "val.csv")]) == 2
    assert "Check such lists with --cfg, not with --list" in capsys.readouterr().err
    assert main(["--list", str(tmp_path / "val.csv"), "DATA.MULTI_LABEL", "True"]) == 2
    assert "--list reads no settings, found DATA.MULTI_LABEL True" in capsys.readouterr().err


def test_a_broken_list_is_a_fault_and_a_missing_one_that_is_asked_for_an_error(
    motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.csv").write_text("nonsense\n")
    (tmp_path / "val.csv").write_text("missing.mp4 1\n")
    assert run(tmp_path) == 1
    assert "train.csv:1: expected 'path label'" in capsys.readouterr().out
    assert run(tmp_path, "--split", "test") == 2
    assert "test.csv: expected a list of videos, found nothing" in capsys.readouterr().err


def test_a_journal_survives_a_kill_and_notices_a_change(video: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(video, tmp_path / "v.mp4"))
    file, record = tmp_path / "journal.jsonl", Record(str(copy))
    facts = inspect(record)
    assert (facts.frames, facts.width, facts.height, facts.fault) == (40, 96, 64, "")
    assert list(Journal(file).add([(record, facts)])) == [(record, facts)]
    file.write_bytes(file.read_bytes() + b'{"path": "ha')  # killed while it wrote
    assert Journal(file).get(record) == facts
    list(Journal(file).add([(Record("other"), Facts("gone"))]))
    assert Journal(file).get(Record("other")) == Facts("gone")
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert Journal(file).get(record) is None


def test_a_file_that_changes_while_it_is_read_is_looked_at_again(
    video: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(video, tmp_path / "v.mp4"))
    journal, record = Journal(tmp_path / "journal.jsonl"), Record(str(copy))
    for each in journal.begin([record]):
        facts = inspect(each)
        copy.write_bytes(copy.read_bytes() + b"\0")
        ((_, told),) = journal.add([(each, facts)])
    assert told.fault == f"{copy}: was changed while it was read; check it again"
    assert Journal(journal.file).get(record) is None


@pytest.mark.parametrize("line", ["[1]", '"text"', '{"path": "v.mp4"}', "{}"])
def test_a_journal_passes_over_what_it_did_not_write(line: str, tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text(line + "\n")
    assert Journal(tmp_path / "j.jsonl").get(Record("v.mp4")) is None
    entry = {"path": "v.mp4", "state": [], "facts": {"unknown": 1}}
    (tmp_path / "j.jsonl").write_text(json.dumps(entry) + "\n")
    assert Journal(tmp_path / "j.jsonl").get(Record("v.mp4")) is None


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    assert inspect(Record(str(tmp_path / "pipe.mp4"))).fault.endswith("found a named pipe")
    assert inspect(Record(str(tmp_path / "zero.mp4"))).fault.endswith("found a device")


def test_rows_of_several_labels_and_repeated_videos_are_listed_once() -> None:
    train = Manifest.from_rows([("a.mp4", 1), ("b.mp4", 2), ("a.mp4", 1)])
    videos = list_videos({"train": train})
    assert videos["a.mp4"].labels == (("train", 1), ("train", 1))
    many = Listed(Record("c", torch.ones(3)), (("train", None),))
    facts = {path: Facts(frames=30, fps=30) for path in ("a.mp4", "b.mp4", "c")}
    found = find_faults({**videos, "c": many}, facts)
    assert [each.what for each in found] == ["a.mp4: is 2 times in the list of train"]
    assert to_leave_out(found) == []


def test_a_header_that_lies_about_the_length_is_a_remark() -> None:
    videos = list_videos({"train": Manifest.from_rows([("a.mp4", 0)])})
    found = find_faults(videos, {"a.mp4": Facts(frames=60, fps=30, declared=10.0)})
    assert [f.what for f in found] == ["a.mp4: expected 10.00 s by its header, found 2.00 s"]
    assert to_leave_out(found) == []


def test_classes_of_boxes_are_not_those_of_videos() -> None:
    """The label of a keyframe is 0, whatever its persons do."""
    boxes = GivenBoxes(torch.zeros(1, 4), torch.ones(1, 3), torch.ones(1))
    videos = list_videos({"train": [Record("a.mp4", 0, boxes=boxes, keyframe=2.0)]})
    assert videos["a.mp4"].labels == (("train", None),)
    assert find_faults(videos, {}, num_classes=3) == []


def test_only_clips_that_have_a_length_can_be_too_short() -> None:
    spans = {
        name: _clip_seconds(load_cfg(f"configs/{name}.yaml"))
        for name in ("SSv2/SLOWFAST_16x8_R50", "ImageNet/RES_R50", "Charades/SLOWFAST_16x8_R50")
    }
    assert list(spans.values()) == [0, 0, pytest.approx(64 * 2 / 30)]


def found_in(labels: dict[str, tuple[tuple[str, int | None], ...]], **more: object) -> list[str]:
    videos = {name: Listed(Record(name, **more), rows) for name, rows in labels.items()}  # type: ignore[arg-type]
    facts = {name: Facts(size=1, sha256="same", frames=9, fps=3.0) for name in videos}
    return [f"{each.kind} {each.what}" for each in find_faults(videos, facts)]


def test_the_same_video_in_validation_and_test_is_told() -> None:
    """Only under another name: many data sets take one list for both."""
    val, test = (("val", 1),), (("test", 1),)
    assert found_in({"v.mp4": val, "t.mp4": test}) == [
        "shared v.mp4: is the same as t.mp4 of test byte by byte"
    ]
    assert found_in({"v.mp4": val + test}) == []


def test_a_leak_names_all_splits_and_a_long_group_not_all_names() -> None:
    rows = {"t.mp4": (("train", 1),), "a.mp4": (("val", 1), ("test", 1)), "b.mp4": (("test", 1),)}
    assert found_in(rows)[0] == (
        "leak t.mp4: is the same as a.mp4, b.mp4 of test and val byte by byte"
    )
    many = {f"{i}.mp4": (("train", 1),) for i in range(100)}
    assert found_in(many) == [
        "copy 0.mp4: is the same as 1.mp4, 2.mp4, 3.mp4, 4.mp4, 5.mp4 and 94 more byte by byte"
    ]


def test_one_file_listed_twice_is_told_unless_rows_are_keyframes() -> None:
    rows = {"a.mp4": (("train", 1), ("train", 1), ("train", 1))}
    assert found_in(rows) == ["copy a.mp4: is 3 times in the list of train"]
    assert found_in(rows, keyframe=1.0) == []
