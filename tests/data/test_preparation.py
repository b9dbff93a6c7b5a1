"""Mirrors slowfast/data/{reencode,preparation}.py and slowfast/cli/prepare_data.py."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from slowfast.cli.prepare_data import main
from slowfast.data.copy_names import copy_name, copy_names
from slowfast.data.datasets.kinetics import read_kinetics
from slowfast.data.datasets.label_sets import read_label_sets
from slowfast.data.preparation import Done, Job, Layout, unlisted, write_lists
from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.source import open_source
from slowfast.data.readers.video_error import VideoError
from slowfast.data.record import Record
from slowfast.data.reencode import Encoding, copy_size, write_copy

TINY = "configs/Motions/SLOWFAST_TINY.yaml"
FAST = ["--workers", "1", "--preset", "ultrafast", "--short-side", "32"]


@pytest.mark.parametrize(
    ("size", "short", "expected"),
    [
        ((240, 320), 256, (240, 320)),
        ((720, 1280), 256, (256, 456)),
        ((161, 121), 256, (160, 120)),
        ((1, 1), 256, (2, 2)),
    ],
)
def test_copies_are_even_and_never_larger(
    size: tuple[int, int], short: int, expected: tuple[int, int]
) -> None:
    assert copy_size(*size, short) == expected


def test_names_stay_inside_and_apart() -> None:
    names = [copy_name(p, "/v", pictures=False) for p in ("/v/a/b.mp4", "a.avi", "../../etc/x.mp4")]
    assert names == ["a/b.mp4", "a.avi.mp4", "up/up/etc/x.mp4"]
    assert copy_name("/v/s.tar#x.mp4", "/v", pictures=False) == "s.tar/x.mp4"
    assert copy_name("/v/s#1.webm", "/v", pictures=True) == "s_1.webm"


def test_no_two_copies_have_one_name() -> None:
    paths = ["/v/a#1.mp4", "/v/a_1.mp4", "/v/x.mkv", "/v/x.mkv.mp4", "/v/y.mp4"]
    names = copy_names(paths, "/v", pictures=False)
    assert len(set(names.values())) == len(paths)
    assert names["/v/y.mp4"] == "y.mp4"
    assert copy_names(paths[::-1], "/v", pictures=False) == names
    moved = copy_names([path.replace("/v", "/w") for path in paths], "/w", pictures=False)
    assert list(moved.values()) == list(names.values())


@pytest.mark.parametrize("name", ["n\nl.mp4", "c\rr.mp4", "x.mp4 x.mp4", "end "])
def test_a_list_can_say_the_name_of_a_copy(name: str, tmp_path: Path) -> None:
    copy = copy_name(name, "", pictures=True)
    (tmp_path / "l.csv").write_text(f"frames/{copy} 3\n")
    record = read_kinetics(tmp_path / "l.csv")[0]
    assert (record.path, record.label) == (f"frames/{copy}", 3)
    assert copy_name("a b.mp4", "", pictures=False) == "a b.mp4"


@pytest.mark.parametrize(
    "ticks", [None, [t * t + 7 * t for t in range(40)]], ids=["constant rate", "bursts"]
)
def test_a_copy_has_the_same_frames_at_the_same_times(
    ticks: list[int] | None,
    make_video: Callable[..., Path],
    turn_video: Callable,
    read_numbers: Callable,
    tmp_path: Path,
) -> None:
    path = make_video(tmp_path / "v.mp4", ticks=ticks, audio=ticks is None)
    if ticks is None:
        turn_video(path, (-1, 0, 0, -1))
    before = path.read_bytes()
    copy = write_copy(Record(str(path)), tmp_path / "c.mp4", Encoding(short_side=48, gop=8))
    with open_video(path) as old, open_video(tmp_path / "c.mp4") as new:
        assert copy.frames == new.num_frames == old.num_frames == 40
        assert (copy.height, copy.width) == (48, 72)
        torch.testing.assert_close(new.times - new.times[0], old.times - old.times[0])
        assert new.fps == old.fps
        frames = new.read(range(40))
        shown = frames.flip(1, 2) if ticks is None else frames  # turned, like the original
        assert read_numbers(shown) == list(range(40))
    assert copy.psnr > 25
    assert path.read_bytes() == before


def test_the_same_original_makes_the_same_bytes(video: Path, tmp_path: Path) -> None:
    encoding = Encoding(short_side=48)
    first, *others = (
        write_copy(Record(str(video)), tmp_path / f"{i}.mp4", encoding) for i in range(6)
    )
    assert all(each == first for each in others)
    assert first.sha256 == hashlib.sha256((tmp_path / "0.mp4").read_bytes()).hexdigest()


def test_a_bad_copy_is_refused_and_leaves_nothing(video: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "c.mp4"
    with pytest.raises(VideoError, match=r"forty.mp4: its copy differs by [\d.]+ dB, less than"):
        write_copy(Record(str(video)), target, Encoding(crf=51, least_psnr=60))
    assert list(target.parent.iterdir()) == []
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:-300])
    with pytest.raises(VideoError, match=r"cut.mp4: expected \d+ bytes by its own headers"):
        write_copy(Record(str(tmp_path / "cut.mp4")), target, Encoding())
    assert list(target.parent.iterdir()) == []


@pytest.fixture(scope="module")
def lists(motions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos, one of them in both lists, and one that is missing."""
    folder = tmp_path_factory.mktemp("lists")
    train = (motions / "train.csv").read_text().splitlines()[:4]
    val = (motions / "val.csv").read_text().splitlines()[:2]
    (folder / "train.csv").write_text("\n".join([*train, "missing.mp4 1"]) + "\n")
    (folder / "val.csv").write_text("\n".join([*val, train[0]]) + "\n")
    return folder


def run(lists: Path, motions: Path, out: Path, *more: str) -> int:
    keys = ["DATA.PATH_TO_DATA_DIR", str(lists), "DATA.PATH_PREFIX", str(motions)]
    return main(["--cfg", TINY, "--out", str(out), *FAST, *more, *keys])


def content(folder: Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*") if p.is_file() and p.parent.name != "journal"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_lists_are_prepared_and_point_to_the_copies(
    lists: Path, motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lists, motions, tmp_path) == 1
    out = capsys.readouterr().out
    assert f"{tmp_path / 'train'}.csv: 4 videos, 1 left out" in out
    assert "6 of 7 videos: " in out
    assert "left out: " in out
    assert "missing.mp4: expected a video file, found nothing" in out
    old = read_kinetics(lists / "train.csv", prefix=str(motions))
    new = read_kinetics(tmp_path / "train.csv", prefix=str(tmp_path))
    assert new.labels.tolist() == old.labels.tolist()[:4]
    with open_video(old[0].path) as original, open_video(new[0].path) as copy:
        assert copy.num_frames == original.num_frames
        assert copy.height == 32
    rows = [json.loads(line) for line in (tmp_path / "copies.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows][:4] == [old[i].path for i in range(4)]
    assert (tmp_path / rows[0]["copy"]).stat().st_size == rows[0]["size"]
    assert run(lists, motions, tmp_path) == 1  # goes on: only the failure is tried again
    assert "6 of 7 videos were done before" in capsys.readouterr().out


def test_machines_that_share_the_work_write_the_same(
    lists: Path, motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    for out, shares in ((one, ["0/1"]), (many, ["1/2", "0/2"])):
        codes = [run(lists, motions, out, "--shards", "3", "--shard", each) for each in shares]
        assert codes == [0] * (len(shares) - 1) + [1]
    assert "of 7 videos are done; the lists wait for the other machines" in capsys.readouterr().out
    assert content(one) == content(many)
    shards = [str(p.relative_to(one)) for p in sorted((one / "shards").iterdir())]
    assert shards[:2] == ["shards/shard-000000.tar", "shards/shard-000000.tar.idx"]
    manifest = read_kinetics(one / "val.csv", prefix=str(one))
    for row in range(len(manifest)):
        with open_source(manifest[row]) as source:
            assert source.num_frames == 26
    assert run(lists, motions, one, "--shards", "3") == 1  # nothing is left to do, or redone
    assert "7 of 7 videos were done before" in capsys.readouterr().out


def test_pictures(motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = sorted((motions / "val").iterdir())[0]
    source = folder if folder.is_dir() else motions / "val"
    assert main(["--videos", str(source), "--out", str(tmp_path), *FAST, "--frames"]) == 0
    manifest = read_kinetics(tmp_path / "videos.csv", prefix=str(tmp_path))
    with open_source(manifest[0]) as pictures:
        assert pictures.num_frames == 26
        assert next(pictures.frames([3])).shape == (32, 42, 3)


def test_mistakes_are_explained(
    lists: Path, motions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lists, motions, lists) == 2
    assert "expected another folder than the one of the originals" in capsys.readouterr().err
    assert run(lists, motions, tmp_path, "--shard", "3/3") == 2
    assert "--shard 3/3: expected i/n with i from 0 to n - 1" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "prepare.json").write_text('{"crf": 30}')
    assert run(lists, motions, tmp_path / "other") == 2
    assert "was begun with short_side None (now 32)" in capsys.readouterr().err
    assert main(["--videos", str(tmp_path / "no"), "--out", str(tmp_path)]) == 2
    assert "expected a folder, found none" in capsys.readouterr().err
    assert main(["--videos", str(lists), "--out", str(tmp_path)]) == 2
    assert "expected videos in it, found none" in capsys.readouterr().err
    assert run(lists, motions, tmp_path, "--frames", "--shards", "2") == 2
    assert "a shard holds videos, not pictures" in capsys.readouterr().err


def test_a_copy_never_replaces_another_original(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy of ``x.mkv`` would be ``x.mkv.mp4``, which is an original too."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("x.mkv", "x.mkv.mp4"):
        shutil.copy(video, folder / name)
    before = content(folder)
    assert main(["--videos", str(folder), "--out", str(tmp_path), *FAST]) == 2
    assert "x.mkv: lies in" in capsys.readouterr().err
    assert content(folder) == before


def test_copies_below_the_originals_are_no_originals(video: Path, tmp_path: Path) -> None:
    shutil.copy(video, tmp_path / "a.mp4")
    for _ in range(2):
        assert main(["--videos", str(tmp_path), "--out", str(tmp_path / "small"), *FAST]) == 0
    assert (tmp_path / "small" / "videos.csv").read_text() == "videos/a.mp4 0\n"


def test_copies_stay_when_originals_are_away(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is not mounted must not cost the copies, in shards or not."""
    folder, away = tmp_path / "raw", tmp_path / "away"
    folder.mkdir()
    (tmp_path / "train.csv").write_text("a.mp4 0\nb.mp4 1\n")
    for name in "ab":
        shutil.copy(video, folder / f"{name}.mp4")
    before = {}
    for out, more in ((tmp_path / "files", []), (tmp_path / "shards", ["--shards", "2"])):
        assert run(tmp_path, folder, out, "--split", "train", *more) == 0
        before[out] = content(out)
    folder.rename(away)
    assert run(tmp_path, folder, tmp_path / "files", "--split", "train") == 0
    assert run(tmp_path, folder, tmp_path / "shards", "--split", "train", "--shards", "2") == 0
    assert {out: content(out) for out in before} == before
    folder.mkdir()
    (folder / "a.mp4").write_bytes((away / "a.mp4").read_bytes() + b"\0" * 8)
    assert run(tmp_path, folder, tmp_path / "shards", "--split", "train", "--shards", "2") == 2
    assert "b.mp4 is not there; put it back, or delete the shard" in capsys.readouterr().err
    assert content(tmp_path / "shards") == before[tmp_path / "shards"]


def test_a_kill_while_a_shard_is_packed_is_made_up_for(video: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "raw", tmp_path / "out"
    folder.mkdir()
    shutil.copy(video, folder / "a.mp4")
    (tmp_path / "train.csv").write_text("a.mp4 0\n")
    assert run(tmp_path, folder, out, "--split", "train", "--shards", "2") == 0
    before = content(out)
    (out / "shards" / "shard-000000.tar.idx").unlink()
    (out / ".parts-000000").mkdir()
    (out / ".parts-000000" / "a.mp4").write_bytes(b"left behind")
    (out / "journal" / "0-of-1.jsonl").open("a").write('{"name": "half')
    assert run(tmp_path, folder, out, "--split", "train", "--shards", "2") == 0
    assert content(out) == before


def test_a_full_disk_ends_in_one_line(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    shutil.copy(video, folder / "a.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "videos").write_text("in the way")  # as good as a full disk
    assert main(["--videos", str(folder), "--out", str(tmp_path / "out"), *FAST]) == 2
    said = capsys.readouterr().err
    assert "out: cannot be written to ([Errno" in said
    assert "the same command goes on" in said


def test_names_of_a_table_go_with_the_lists(motions: Path, tmp_path: Path) -> None:
    """Lists of copies have numbers, whatever the classes were told by."""
    table, out = tmp_path / "table", tmp_path / "out"
    table.mkdir()
    path, _ = (motions / "train.csv").read_text().splitlines()[0].rsplit(" ", 1)
    (table / "train.csv").write_text(f"path,label\n{path},sit|run fast\n")
    keys = ["TRAIN.DATASET", "csv", "TEST.DATASET", "csv", "DATA.MULTI_LABEL", "True"]
    keys += ["MODEL.NUM_CLASSES", "2", "MODEL.LOSS_FUNC", "bce_logit", "MODEL.HEAD_ACT", "sigmoid"]
    assert run(table, motions, out, "--split", "train", *keys) == 0
    assert (out / "classes.txt").read_text() == "run fast\nsit\n"
    listed = read_label_sets(out / "train.csv", num_classes=2)
    assert listed[0].label.tolist() == [1.0, 1.0]


def test_labels_of_frames_are_said_to_have_no_list(tmp_path: Path) -> None:
    row = Record("v", label=torch.tensor([0.0, 1.0]), frames=("v/1.jpg",))
    assert unlisted({"train": [row], "val": [Record("v.mp4", label=1)], "test": []}) == ["train"]  # type: ignore[dict-item, list-item]
    done = {"v": Done("v", "v", (1, 1), "")}
    jobs = [Job(row, "v")]
    (said,) = write_lists(Layout(tmp_path, 0, False), {"train": [row]}, jobs, done)  # type: ignore[dict-item]
    assert said == "train: labels of frames; see copies.jsonl for where copies are"
    assert not (tmp_path / "train.csv").exists()
