"""Mirrors slowfast/data/datasets/frame_list.py."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.data.datasets.frame_list import HEADER, read_frame_list

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(*lines: str, header: str = HEADER) -> Path:
        path = tmp_path / "train.csv"
        path.write_text("\n".join([header, *lines, ""]))
        return path

    return save


def test_runs_of_numbered_files(write: Write) -> None:
    """Gaps, other widths, names without numbers and videos whose rows are apart."""
    paths = ["a/01.jpg", "a/02.jpg", "b/9.png", "b/10.png", "a/04.jpg", "a/x.jpg", "a/y%d 1.jpg"]
    lines = [f'{p[0]} {p[0]} {i} {p} ""' for i, p in enumerate(paths[:-1])]
    lines.append('a a 9 "a/y%d 1.jpg" ""')
    videos = read_frame_list(write(*lines), prefix="/root")
    assert [videos.names[i] for i in range(len(videos))] == ["a", "b"]
    wanted = [f"/root/{p}" for p in paths]
    a, b = videos.paths(0), videos.paths(1)
    assert list(a) == [*wanted[:2], *wanted[4:]]
    assert list(b) == wanted[2:4]
    assert (len(a), a[-1], a[1:3]) == (5, wanted[-1], (wanted[1], wanted[4]))
    assert pickle.loads(pickle.dumps(a)) == a
    with pytest.raises(IndexError):
        a[5]
    assert len(videos.first) == 5  # 01-02, 9-10, 04, and a run for each name that goes on nothing


def test_many_regular_lines(write: Write) -> None:
    """Lines that only count on are not taken apart; the result is the same."""
    lines = [f'v{v} v{v} {i} v{v}/f_{i + 7:05d}.jpg "{i // 30},5"'
             for v in range(3) for i in range(100)]  # fmt: skip
    videos = read_frame_list(write(*lines), num_classes=6)
    assert videos.counts.tolist() == [100] * 3
    assert list(videos.paths(2)) == [f"v2/f_{i + 7:05d}.jpg" for i in range(100)]
    labels = videos.frame_labels(1, 6)
    assert [row.nonzero().flatten().tolist() for row in labels] == [
        sorted({i // 30, 5}) for i in range(100)
    ]
    assert len(videos.first) == 3
    assert len(videos.span_first) == 12


def test_labels_in_every_form(write: Write) -> None:
    texts = ['"0,2"', '""', '""""', "1", '"2"']
    lines = [f"v v {i} v/{i}.jpg {text}" for i, text in enumerate(texts)]
    labels = read_frame_list(write(*lines), num_classes=3).frame_labels(0, 3)
    assert labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_several_lists_and_a_fingerprint(write: Write, tmp_path: Path) -> None:
    first = write("v v 0 v/0.jpg")
    second = tmp_path / "more.csv"
    second.write_text(f"{HEADER}\r\nv v 1 v/1.jpg\r\nw w 0 w/0.jpg\r\n")
    videos = read_frame_list(first, second)
    assert list(videos.paths(0)) == ["v/0.jpg", "v/1.jpg"]
    found = videos.fingerprint()
    assert (found["videos"], found["frames"]) == (2, 3)
    assert found["content_sha256"] != read_frame_list(first).fingerprint()["content_sha256"]


def test_what_is_no_frame_list(write: Write, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.csv: expected a list of frames .* found nothing"):
        read_frame_list(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"train.csv:1: expected the header 'original_vido_id "):
        read_frame_list(write(header="a.mp4 3"))
    # The annotations that Charades is published with.
    with pytest.raises(ValueError, match=r"found 'id,actions'; write one line a frame below that"):
        read_frame_list(write("46GP8,c092 11.90 21.20", header="id,actions"))
    with pytest.raises(ValueError, match=r"train.csv: expected one frame a line, found no line"):
        read_frame_list(write())
    with pytest.raises(ValueError, match=r"train.csv:3: expected 'original_vido_id .*'v v 1'"):
        read_frame_list(write("v v 0 v/0.jpg", "v v 1"))
    for text in ('"3"', '"1,x"', '"-1"'):
        with pytest.raises(ValueError, match=r"csv:2: expected labels from 0 to 2.*NUM_CLASSES"):
            read_frame_list(write(f"v v 0 v/0.jpg {text}"), num_classes=3)


def test_labels_that_are_asked_for_are_there(write: Write) -> None:
    """A frame without the column would be one that has no label."""
    without = HEADER.removesuffix(" labels")
    assert len(read_frame_list(write("v v 0 v/0.jpg", header=without))) == 1
    with pytest.raises(ValueError, match=r"train.csv:1: expected the header .* path labels'"):
        read_frame_list(write("v v 0 v/0.jpg", header=without), num_classes=3)
    with pytest.raises(ValueError, match=r'train.csv:3: expected .*jpg\'; .* "" for no labels'):
        read_frame_list(write('v v 0 v/0.jpg "1"', "v v 1 v/1.jpg"), num_classes=3)


def test_quotes_that_swallow_a_column(write: Write) -> None:
    for classes in (None, 3):
        with pytest.raises(ValueError, match=r"train.csv:2: expected .* quote what holds a space"):
            read_frame_list(write('v v 0 "a b/0.jpg "1"', 'v v 1 v/1.jpg "2"'), num_classes=classes)
    with pytest.raises(ValueError, match=r"train.csv:2: expected labels .*quote a path that holds"):
        read_frame_list(write('v v 0 my v/0.jpg ""'))


def test_videos_that_share_a_folder_are_told_apart(write: Write) -> None:
    lines = ["v v 0 all/v_1.jpg", "w w 0 all/w_1.jpg", "x x 0 y2/a.jpg", "z z 0 y3/a.jpg"]
    videos = read_frame_list(write(*lines), prefix="/p")
    assert [videos.folder(i) for i in range(3)] == ["/p/all/v", "/p/all/w", "/p/y2"]


@pytest.mark.parametrize(
    ("numbers", "told"), [((1, 10, 2, 3), "A/2.jpg"), ((1, 2, 2), "A/2.jpg"), ((8, 9, 10, 12), "")]
)
def test_frames_that_are_not_in_the_order_of_time_are_told(
    numbers: tuple[int, ...], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a list that was sorted by name."""
    rows = [f'A 0 {row} A/{number}.jpg "1"' for row, number in enumerate(numbers)]
    (tmp_path / "train.csv").write_text("\n".join([HEADER, *rows, ""]))
    listed = read_frame_list(tmp_path / "train.csv", num_classes=2)
    assert list(listed.paths(0)) == [f"A/{number}.jpg" for number in numbers]
    said = f"frames of 1 videos are not in the order of their numbers, such as {told}"
    assert (said in caplog.text) == bool(told)
