"""Mirrors slowfast/data/datasets/motions_objects.py and objects_scene.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slowfast.cli.data import main
from slowfast.config import load_cfg
from slowfast.data.datasets.ava import ava_from_cfg, ava_names_from_cfg
from slowfast.data.datasets.box_rows import read_box_rows
from slowfast.data.datasets.motions_objects import (
    ObjectSettings,
    draw_object_clip,
    make_motion_objects,
    scene_of,
)
from slowfast.data.datasets.motions_scene import CLASSES
from slowfast.data.datasets.objects_scene import ROOM, Scene, draw_scene, render_scene

CONFIGS = Path(__file__).parents[2] / "configs" / "Motions"
SETTINGS = ObjectSettings(0, (20, 5), CLASSES, 4, 96, 72, fps=15, pictures=False)


def scenes() -> list[Scene]:
    return [scene_of(SETTINGS, "train", i) for i in range(20)]


def test_objects_are_apart_and_in_the_picture_around_the_keyframe() -> None:
    frames = np.arange(SETTINGS.keyframe - 8, SETTINGS.keyframe + 9, dtype=np.float64)
    for scene in scenes():
        assert 1 <= len(scene.things) <= 4
        places = [thing.states(frames, SETTINGS.keyframe)[:, :2] for thing in scene.things]
        for each in places:
            assert (each > 0).all()
            assert (each < [96, 72]).all()
        centres = [each[8] for each in places]
        for i, a in enumerate(centres):
            for b in centres[:i]:
                assert np.hypot(*(a - b)) > 0.5 * ROOM


def test_a_box_is_around_all_of_an_object_and_little_else() -> None:
    for scene in scenes():
        for thing in scene.things:
            alone = Scene((thing,), np.zeros_like(scene.background), noise=0.0)
            frame = render_scene(alone, 30, SETTINGS.keyframe, np.random.default_rng(0))
            rows, columns = np.nonzero(frame[SETTINGS.keyframe].max(-1) > 40)
            x1, y1, x2, y2 = thing.box(SETTINGS.keyframe)
            assert x1 - 1 <= columns.min()
            assert columns.max() <= x2 + 1
            assert y1 - 1 <= rows.min()
            assert rows.max() <= y2 + 1
            side = max(np.ptp(columns), np.ptp(rows))
            assert x2 - x1 < 2.2 * side


def test_what_has_no_room_is_left_out() -> None:
    random = np.random.default_rng(0)
    crowded = draw_scene(random, ["pulse_slow"] * 30, width=96, height=72, span=8)
    assert 3 <= len(crowded.things) < 12
    assert draw_scene(random, ["left"], width=48, height=48, span=30).things == ()


def test_each_clip_depends_on_seed_split_and_number_only() -> None:
    one = draw_object_clip(SETTINGS, "train", 3)
    assert one.shape == (30, 72, 96, 3)
    fewer = ObjectSettings(0, (4, 0), CLASSES, 4, 96, 72, fps=15, pictures=True)
    assert (draw_object_clip(fewer, "train", 3) == one).all()
    assert (draw_object_clip(SETTINGS, "val", 3) != one).any()


def test_lists_fit_the_scenes(objects: Path) -> None:
    """In the files of AVA and of Charades; detected boxes are near the annotated ones."""
    rows = read_box_rows(objects / "boxes" / "train.csv", detected=False)
    settings = ObjectSettings(0, (12, 6), CLASSES, 3, 96, 72, fps=15, pictures=True)
    things = [thing for i in range(12) for thing in scene_of(settings, "train", i).things]
    assert [CLASSES[label - 1] for label in rows.label] == [thing.action for thing in things]
    assert set(rows.second.tolist()) == {1.0}
    labels = (objects / "labels" / "val.csv").read_text().splitlines()
    assert len(labels) == 1 + 6 * 30
    present = sorted({CLASSES.index(t.action) for t in scene_of(settings, "val", 0).things})
    assert labels[1] == f'val_00000 0 0 val_00000/00001.jpg "{",".join(map(str, present))}"'
    cfg = load_cfg(
        CONFIGS / "SLOWFAST_TINY_DETECTION.yaml",
        ["AVA.ANNOTATION_DIR", str(objects / "boxes"), "AVA.VIDEO_DIR", str(objects / "videos")],
    )
    assert tuple(ava_names_from_cfg(cfg)) == CLASSES
    train, val = ava_from_cfg(cfg, "train"), ava_from_cfg(cfg, "val")
    assert (len(train), len(val)) == (12, 6)
    found = sum(len(val[row].boxes or ()) for row in range(6))
    wanted = len(read_box_rows(objects / "boxes" / "val.csv", detected=False))
    assert wanted - 3 <= found <= wanted + 3


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    make_motion_objects(tmp_path, sizes=(2, 1), workers=0)
    files = sorted((tmp_path / "videos").iterdir())
    assert [path.name for path in files] == [
        "train_00000.mp4",
        "train_00001.mp4",
        "val_00000.mp4",
    ]
    times = [path.stat().st_mtime_ns for path in files[1:]]
    files[0].unlink()
    make_motion_objects(tmp_path, sizes=(2, 1), workers=0)
    assert files[0].exists()
    assert [path.stat().st_mtime_ns for path in files[1:]] == times
    with pytest.raises(ValueError, match=r"expected a set made with \{'seed': 1\}, found one made"):
        make_motion_objects(tmp_path, seed=1, sizes=(2, 1), workers=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"sizes": (1, 2, 3)}, r"expected two sizes, of train and val, .* got sizes \(1, 2, 3\)"),
        ({"most": 0}, "1 to 8 objects a clip, got .* 0 objects; correct --sizes or --most"),
        ({"classes": ("lefts",)}, "Did you mean left .*for 'lefts'"),
        ({"size": (40, 72)}, "at least 48 pixels and fps of at least 9, got 40x72"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_motion_objects(tmp_path, workers=0, **setting)


def test_the_command_makes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["objects", "--out", str(tmp_path), "--sizes", "1", "1", "--workers", "0"]
    assert main([*words, "--most", "2"]) == 0
    assert "2 clips (train, val: 1, 1) with up to 2 objects in" in capsys.readouterr().out
    assert len(list((tmp_path / "videos").iterdir())) == 2
    assert not (tmp_path / "frames").exists()
