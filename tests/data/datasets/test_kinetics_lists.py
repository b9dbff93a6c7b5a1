"""Mirrors slowfast/data/datasets/kinetics_lists.py and slowfast/cli/kinetics_lists.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.cli.data import main
from slowfast.data.datasets.kinetics import read_kinetics
from slowfast.data.datasets.kinetics_lists import make_kinetics_lists, read_annotations
from slowfast.data.datasets.label_sets import read_label_sets
from slowfast.data.datasets.named_csv import names_in

HEADER = "label,youtube_id,time_start,time_end,split"
TRAIN = """\
zumba,-aa,4,14,train
"bobsledding, two",bb,10,20,train
playing guitar,cc,121,131,train
playing guitar,gone,0,10,train
"""
VAL = "playing guitar,dd,7,17,validate\nzumba,-aa,4,14,validate\n"
FILES = (
    "train/zumba/-aa_000004_000014.mp4",
    "train/bobsledding, two/bb_000010_000020.MKV",
    "train/playing_guitar/cc_000121_000131.webm",
    "val/zumba/-aa_000004_000014.mp4",
    "dd_000007_000017.mp4",
    "dd_000008_000018.mp4",
    "read me.txt",
)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def table(text: str, name: str = "t.csv", header: str = HEADER) -> Path:
        (tmp_path / name).write_text(f"{header}\n{text}")
        return tmp_path / name

    return table


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    return tmp_path / "videos"


def rows(path: Path) -> list[tuple[str, int]]:
    listed = read_kinetics(path, num_classes=3)
    return [(listed[i].path, listed[i].label) for i in range(len(listed))]


def test_lists_of_the_videos_that_are_there(
    write: Write, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clip of both splits is the file of each."""
    tables = [str(write(TRAIN)), str(write(VAL, "v.csv"))]
    out = tmp_path / "lists"
    assert main(["kinetics-lists", *tables, "--videos", str(videos), "--out", str(out)]) == 0
    assert rows(out / "train.csv") == [(FILES[0], 2), (FILES[1], 0), (FILES[2], 1)]
    assert rows(out / "val.csv") == [(FILES[4], 1), (FILES[3], 2)]
    assert (out / "test.csv").read_text() == (out / "val.csv").read_text()
    assert (out / "classes.txt").read_text() == "bobsledding, two\nplaying guitar\nzumba\n"
    assert (out / "missing.csv").read_text() == f"{HEADER}\nplaying guitar,gone,0,10,train\n"
    assert capsys.readouterr().out.splitlines() == [
        f"{out}/train.csv: 3 of 4 videos",
        f"  missing: 1, such as gone_000000_000010.mp4; all are in {out}/missing.csv",
        f"{out}/val.csv: 2 of 2 videos",
        f"{out}/test.csv: the same as val.csv",
        f"note: 1 video(s) in {videos} are in no table",
        f"{out}/classes.txt: 3 classes, numbered from 0 in this order",
        f"keys that read them: DATA.PATH_TO_DATA_DIR {out} DATA.PATH_PREFIX {videos} "
        "MODEL.NUM_CLASSES 3",
    ]


def test_the_order_of_published_weights(write: Write, videos: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("zumba\nplaying guitar\n")
    with pytest.raises(ValueError, match=r"names.txt: expected all classes .* no 'bobsledding, tw"):
        make_kinetics_lists([write(TRAIN)], videos, tmp_path, class_names=names)
    names.write_text("zumba\nplaying guitar\nbobsledding, two\n")
    made = make_kinetics_lists([write(TRAIN)], videos, tmp_path / "out", class_names=names)
    assert [label for _, label in rows(tmp_path / "out/train.csv")] == [0, 2, 1]
    assert (made.test_is_val, [len(each.missing) for each in made.splits]) == (False, [1])


def test_a_test_split_without_labels(write: Write, videos: Path, tmp_path: Path) -> None:
    """Its list has paths only, which are predicted."""
    table = write("dd,7,17,test\n", "test.csv", "youtube_id,time_start,time_end,split")
    made = make_kinetics_lists([write(TRAIN), table], videos, tmp_path / "out")
    assert not made.test_is_val
    assert (tmp_path / "out/test.csv").read_text() == f"{FILES[4]}\n"


@pytest.mark.parametrize(
    ("text", "header", "message"),
    [
        ("", "path,label", r"t\.csv:1: expected a header with the columns label,youtube_id,"),
        ("zumba,x,4,train\n", HEADER, r"t\.csv:2: expected 5 columns, found 'zumba,x,4,train'"),
        ("zumba,x,4,a,train\n", HEADER, r"t\.csv:2: expected seconds .* found '4' and 'a'; corre"),
        ("zumba,x,4,inf,train\n", HEADER, r"t\.csv:2: expected seconds .* found '4' and 'inf'"),
        ("zumba,x,4,9,dev\n", HEADER, r"t\.csv:2: expected a split of train, .* found 'dev'"),
        (",x,4,9,train\n", HEADER, r"t\.csv:2: expected a label of 'x', found none; correct"),
    ],
)
def test_what_is_no_table_of_kinetics(write: Write, text: str, header: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_annotations(write(text, header=header)))


def test_videos_that_are_elsewhere(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"none.csv: expected a table of Kinetics, found nothing"):
        make_kinetics_lists([tmp_path / "none.csv"], tmp_path, tmp_path)
    words = ["--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "out")]
    assert main(["kinetics-lists", str(write(TRAIN)), *words]) == 2
    said = capsys.readouterr().err
    assert "expected videos of train such as -aa_000004_000014.mp4, found none of 4; set" in said
    assert not (tmp_path / "out").exists()


def test_a_table_given_as_a_list_is_told_what_makes_one(write: Write) -> None:
    table = write(TRAIN)
    for read in (read_kinetics, names_in):
        with pytest.raises(ValueError, match=r"t\.csv:1: .*slowfast data kinetics-lists"):
            read(table)
    with pytest.raises(ValueError, match=r"t\.csv:1: .*slowfast data kinetics-lists"):
        read_label_sets(table, num_classes=3)


def test_rows_that_come_again_are_listed_once_and_leaks_are_told(
    write: Write, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = "zumba,dd,7,17,train\nzumba,dd,7.0,17.0,train\nzumba,cc,121,131,train\n"
    table, out = write(again + "zumba,dd,7,17,val\n"), tmp_path / "lists"
    line = ["kinetics-lists", str(table), "--videos", str(videos), "--out", str(out)]
    assert main(line) == 0
    assert rows(out / "train.csv") == [(FILES[4], 0), (FILES[2], 0)]
    assert rows(out / "val.csv") == [(FILES[4], 0)]
    said = "note: 1 video(s) are listed more than once, in several splits or classes, such as dd_"
    assert said in capsys.readouterr().out


def test_tables_without_rows_and_names_that_are_there_twice_are_refused(
    write: Write, videos: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected a row a video below the header, found none"):
        make_kinetics_lists([write("")], videos, tmp_path / "lists")
    names = tmp_path / "names.txt"
    names.write_text("zumba\nplaying guitar\nzumba\n")
    with pytest.raises(ValueError, match="expected each class once, found 'zumba' twice"):
        make_kinetics_lists([write(VAL)], videos, tmp_path / "lists", class_names=names)
