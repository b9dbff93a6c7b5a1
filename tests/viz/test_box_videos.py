"""Mirrors slowfast/viz/box_clips.py and box_videos.py, engine/keyframe_boxes.py, `draw-boxes`."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from slowfast.cli.main import main
from slowfast.engine.keyframe_boxes import Moment, boxes_of_lists, boxes_of_run
from slowfast.viz.box_clips import shots


def moments(*times: float) -> list[Moment]:
    return [Moment(900 + time, time, (), ()) for time in times]


def decoded(path: Path) -> tuple[str, list[np.ndarray]]:
    with av.open(str(path)) as container:
        name = container.streams.video[0].codec_context.name
        return name, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture
def lists(objects: Path, tmp_path: Path) -> dict[str, Path]:
    """Perfect detections of the built-in objects, beside a label that is wrong."""
    boxes = objects / "boxes"
    rows = (boxes / "val.csv").read_text().splitlines()
    found = [",".join([*row.split(",")[:7], "0.9"]) for row in rows]
    found += [",".join([*row.split(",")[:6], "12", "0.4"]) for row in rows]
    (tmp_path / "found.csv").write_text("\n".join(found) + "\n")
    return {
        "--detections": tmp_path / "found.csv",
        "--gt": boxes / "val.csv",
        "--videos": objects / "videos",
        "--labelmap": boxes / "actions.pbtxt",
    }


def test_each_frame_belongs_to_the_nearest_keyframe() -> None:
    times = torch.arange(100, dtype=torch.float64) / 10
    found = shots(moments(1, 2, 6), times, fps=10)
    assert [shot.key for shot in found] == [10, 20, 60]
    assert found[0].frames == tuple(range(5, 16))
    assert found[1].frames == tuple(range(16, 26))
    assert found[2].frames == tuple(range(55, 66))
    (end,) = shots(moments(10.2), times, fps=10)  # a second late at most
    assert (end.key, end.frames[-1]) == (99, 99)
    (sparse,) = shots(moments(1), times, fps=5)
    assert sparse.frames == (6, 8, 10, 12, 14)
    with pytest.raises(ValueError, match=r"within its 10\.0 s, found second 912"):
        shots(moments(12), times, fps=10)
    one, other = shots(moments(1, 1.01), times, fps=10)  # the same frame, with the boxes of each
    assert (one.key, other.key) == (10, 10)
    assert one.frames == tuple(range(5, 11))
    assert other.frames == tuple(range(10, 16))


def test_frames_are_found_by_their_own_times() -> None:
    """A second of 20 frames, then seconds of 4: the mean rate points at other frames."""
    slow = 1 + torch.arange(12, dtype=torch.float64) / 4
    times = torch.cat([torch.arange(20, dtype=torch.float64) / 20, slow])
    early, late = shots(moments(0.5, 2), times, fps=8)
    assert (early.key, late.key) == (10, 24)
    assert early.frames == (0, 2, 5, 7, 10, 12, 15, 17, 20)
    assert late.frames == (22, 22, 23, 23, 24, 25, 25, 26)


def test_boxes_with_their_labels_by_keyframe(lists: dict[str, Path]) -> None:
    words = [lists[key] for key in ("--detections", "--gt", "--videos")]
    sure = boxes_of_lists(*words, label_map=lists["--labelmap"])
    assert len(sure.moments) == 6
    (moment,) = sure.moments["val_00000"]
    assert (moment.second, moment.time) == (1.0, 1.0)
    assert [b.corners for b in moment.found] == [b.corners for b in moment.annotated]
    assert [b.labels for b in moment.found] == [b.labels for b in moment.annotated]
    assert moment.found[0].scores == (0.9,)
    every = boxes_of_lists(*words, threshold=0.3, start_second=0.5)
    (moment,) = every.moments["val_00000"]
    assert (moment.second, moment.time) == (1.0, 0.5)
    for found, there in zip(moment.found, moment.annotated, strict=True):
        assert set(found.labels) == {*there.labels, "12"}  # numbers, without a label map
        assert found.scores[0] == 0.9


def test_the_command_writes_a_film_a_clip(
    lists: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(word) for pair in lists.items() for word in pair]
    out = tmp_path / "films"
    assert main(["draw-boxes", *words, "--out", str(out), "--clips", "1", "--hold", "0.4"]) == 0
    assert "1 of 6 clips in" in capsys.readouterr().out
    (path,) = out.iterdir()
    assert path.name == "val_00000.mp4"
    codec, frames = decoded(path)
    assert codec == "h264"
    # Half a second at 15 fps on both sides of the keyframe, which stays for six frames.
    assert len(frames) == 7 + 6 + 7
    assert frames[0].shape == (508, 640, 3)
    still = [np.abs(frames[7 + i].astype(int) - frames[8 + i]).mean() for i in range(5)]
    assert max(still) < 0.7
    bright = [(frame[:480, :, 1].astype(int) - frame[:480, :, 0]).max() for frame in frames]
    assert bright[8] > 100  # the green of found boxes


def test_errors(lists: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(word) for pair in lists.items() for word in pair]
    out, empty = ["--out", str(tmp_path / "films")], tmp_path / "empty"
    empty.mkdir()
    nothing = tmp_path / "nothing.csv"
    nothing.write_text("")
    for changed, message in (
        (words[:4], "expected the OUTPUT_DIR of a tested run, or lists and videos; found no --vid"),
        ([*words, "--videos", str(empty)], "expected video 'val_00000', of which there are boxes"),
        ([*words, "--videos", str(empty / "x")], "expected a folder of videos or of folders of"),
        ([*words, "--start-second", "900"], "val_00000: expected keyframes within its"),
        (
            [*words, "--gt", str(nothing), "--detections", str(nothing)],
            "expected keyframes with boxes, found none: the lists are empty",
        ),
        ([str(empty)], "expected the OUTPUT_DIR of a run of detection, found no config.yaml"),
        ([str(empty), *words, "--fps", "5"], "videos, found both (--videos, --labelmap, --fps);"),
    ):
        assert main(["draw-boxes", *changed, *out]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_a_run_that_has_no_boxes(tiny_boxes: list[str], tmp_path: Path) -> None:
    from slowfast.config import dump_cfg, load_cfg

    configs = Path(__file__).parents[2] / "configs" / "Motions"
    config = tmp_path / "config.yaml"
    config.write_text(dump_cfg(load_cfg(configs / "SLOWFAST_TINY.yaml", [])))
    with pytest.raises(ValueError, match="expected a run of detection"):
        boxes_of_run(tmp_path)
    cfg = load_cfg(configs / "SLOWFAST_TINY_DETECTION.yaml", tiny_boxes)
    config.write_text(dump_cfg(cfg))
    with pytest.raises(ValueError, match="boxes of a test, found no such file; test the run with"):
        boxes_of_run(tmp_path)
