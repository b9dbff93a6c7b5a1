"""Mirrors slowfast/data/datasets/motions.py and motions_scene.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from slowfast.cli.data import main
from slowfast.data.datasets.motions import (
    CLASSES,
    Settings,
    clip_path,
    draw_clip,
    encode,
    make_motions,
)
from slowfast.data.datasets.motions_scene import (
    DIRECTIONS,
    SWINGS,
    TURNS_PER_FRAME,
    draw_motion,
    trajectory,
)

WIDTH, HEIGHT, SPACING = 64, 48, 24.0
SLOW = np.array([0.0, 5.0, 10.0, 15.0])  # of 16 frames at ALPHA 4: linspace(0, 15, 4)
SETTINGS = Settings(0, (12, 0, 0), CLASSES, WIDTH, HEIGHT, frames=26, fps=30)


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames)


def motions(count: int, seed: int = 0) -> list:
    random = np.random.default_rng(seed)
    return [draw_motion(random, SPACING) for _ in range(count)]


@pytest.mark.parametrize("swing", SWINGS)
def test_the_two_rates_coincide_at_every_slow_frame(swing: str) -> None:
    """For each start and phase there is a phase of the other rate with the same Slow frames."""
    lag = 2 * np.pi * (TURNS_PER_FRAME["slow"] - TURNS_PER_FRAME["fast"])
    for motion in motions(20):
        for start in range(11):
            other = replace(motion, phase=motion.phase + lag * start)
            slow = trajectory(f"{swing}_slow", start + SLOW, motion)
            fast = trajectory(f"{swing}_fast", start + SLOW, other)
            np.testing.assert_allclose(slow, fast, atol=1e-9)
            between = start + SLOW[:-1, None] + np.arange(1, 5)
            for frames in between:
                apart = trajectory(f"{swing}_slow", frames, motion)
                apart -= trajectory(f"{swing}_fast", frames, other)
                assert np.abs(apart).max() > 0.1  # what the Fast pathway is for


@pytest.mark.parametrize("swing", SWINGS)
def test_ten_test_clips_together_show_the_same_slow_frames(swing: str) -> None:
    """Clips start at 0, 1, .. 9: each phase of a swing comes once, whatever its rate."""
    for motion in motions(20):
        views = [
            np.stack([trajectory(f"{swing}_{rate}", s + SLOW, motion) for s in range(10)])
            for rate in TURNS_PER_FRAME
        ]
        slow, fast = (view.reshape(10, -1) for view in views)
        distance = np.abs(slow[:, None] - fast[None]).max(-1)
        assert distance.min(0).max() < 1e-9
        assert distance.min(1).max() < 1e-9


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Largest gap between the two empirical distributions (Kolmogorov-Smirnov)."""
    at = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(side), at, "right") / len(side) for side in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


@pytest.mark.parametrize(
    "frame", [0.0, *(pytest.param(frame, marks=pytest.mark.slow) for frame in (13.0, 25.0))]
)
def test_a_single_frame_tells_nothing_of_the_class(frame: float) -> None:
    """Position, size and angle are distributed alike in each class, at each time."""
    count = 4000
    states = {}
    for number, name in enumerate(CLASSES):
        drawn = motions(count, seed=number)
        state = np.stack([trajectory(name, np.array([frame]), m)[0] for m in drawn])
        states[name] = np.mod(state, [SPACING, SPACING, np.inf, 2 * np.pi])
    everything = np.concatenate(list(states.values()))
    limit = 1.95 * np.sqrt(1 / count + 1 / len(everything))  # passed by chance once in 1000
    for name, state in states.items():
        for component, label in enumerate(("x", "y", "radius", "angle")):
            gap = ks_distance(state[:, component], everything[:, component])
            assert gap < limit, f"{label} of {name}"
        corners = np.corrcoef(state.T)[np.triu_indices(4, 1)]
        assert np.abs(corners).max() < 5 / np.sqrt(count), f"components of {name} go together"


def test_frame_0_is_the_same_picture_in_every_class_that_shares_a_start() -> None:
    def first(name: str) -> np.ndarray:
        return draw_clip(replace(SETTINGS, classes=(name,)), "train", 0)[0]

    left = first("left")
    assert all(np.array_equal(first(name), left) for name in DIRECTIONS)
    for swing in SWINGS:
        assert np.array_equal(first(f"{swing}_slow"), first(f"{swing}_fast"))


def test_directions_are_what_they_say() -> None:
    for name, (right, down) in DIRECTIONS.items():
        (motion,) = motions(1)
        moved = np.diff(trajectory(name, np.arange(3.0), motion), axis=0)
        expected = [right * motion.speed, down * motion.speed, 0, 0]
        np.testing.assert_allclose(moved, [expected, expected], atol=1e-9)


def test_files_show_what_was_drawn(tmp_path: Path) -> None:
    """But for the colour planes, which H.264 halves: edges between colours blur by a pixel."""
    for index in range(3):
        drawn = draw_clip(SETTINGS, "train", index)
        encode(tmp_path / "a.mp4", drawn, fps=30)
        found = decode(tmp_path / "a.mp4")
        assert found.shape == (26, HEIGHT, WIDTH, 3)
        halved = np.stack([halve_colours(frame) for frame in drawn])
        assert np.abs(found.astype(int) - halved).mean() < 4
        grey = np.abs(found.mean(-1) - drawn.mean(-1))
        assert np.quantile(grey, 0.99) < 40


def halve_colours(frame: np.ndarray) -> np.ndarray:
    picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
    return picture.reformat(format="yuv420p").to_ndarray(format="rgb24")


def test_coding_leaves_no_trace_of_other_frames(tmp_path: Path) -> None:
    """Else a Slow frame could carry the movement between the Slow frames."""
    one, other = draw_clip(SETTINGS, "train", 0), draw_clip(SETTINGS, "train", 5)
    other[13] = one[13]
    for name, frames in (("one", one), ("other", other)):
        encode(tmp_path / f"{name}.mp4", frames, fps=30)
    assert np.array_equal(decode(tmp_path / "one.mp4")[13], decode(tmp_path / "other.mp4")[13])


def test_lists_name_balanced_classes_and_files_that_exist(tmp_path: Path) -> None:
    make_motions(tmp_path, sizes=(14, 12, 0), workers=0)
    assert (tmp_path / "classes.txt").read_text().split() == list(CLASSES)
    rows = [line.rsplit(" ", 1) for line in (tmp_path / "train.csv").read_text().splitlines()]
    assert [int(label) for _, label in rows] == [*range(12), 0, 1]
    for path, label in rows:
        assert (tmp_path / path).is_file()
        assert CLASSES[int(label)] in path
    assert (tmp_path / "test.csv").read_text() == ""
    assert len(list((tmp_path / "val").iterdir())) == 12


def test_a_clip_depends_on_seed_split_and_number_only(tmp_path: Path) -> None:
    """Not on the processes, nor on how many others there are; splits share no clip."""
    size = {"size": (32, 32), "frames": 4, "classes": ("left", "rock_fast")}
    a = make_motions(tmp_path / "a", sizes=(4, 4, 0), workers=2, **size)
    b = make_motions(tmp_path / "b", sizes=(2, 0, 0), workers=0, fps=30, **size)
    c = make_motions(tmp_path / "c", sizes=(2, 0, 0), workers=0, seed=1, **size)
    files = {path.relative_to(a): path.read_bytes() for path in a.rglob("*.mp4")}
    assert len(files) == len(set(files.values())) == 8
    for path in b.rglob("*.mp4"):
        assert path.read_bytes() == files[path.relative_to(b)]
        assert (c / path.relative_to(b)).read_bytes() not in files.values()


def test_what_is_there_is_used_again_and_what_is_missing_made(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    small = {"sizes": (3, 0, 0), "size": (32, 32), "frames": 3, "workers": 0}
    make_motions(tmp_path, **small, progress=lambda *count: done.append(count))
    assert done == [(1, 3), (2, 3), (3, 3)]
    lost = tmp_path / clip_path(SETTINGS, "train", 1)
    content = lost.read_bytes()
    kept = (tmp_path / clip_path(SETTINGS, "train", 0)).stat().st_mtime_ns
    lost.unlink()
    done.clear()
    make_motions(tmp_path, **small, progress=lambda *count: done.append(count))
    assert done == [(1, 1)]
    assert lost.read_bytes() == content
    assert (tmp_path / clip_path(SETTINGS, "train", 0)).stat().st_mtime_ns == kept
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_holds_one_set(tmp_path: Path) -> None:
    small = {"sizes": (1, 0, 0), "size": (32, 32), "frames": 3, "workers": 0}
    make_motions(tmp_path, **small)
    with pytest.raises(ValueError, match=r"set made with \{'seed': 7\}, found one made with .*0"):
        make_motions(tmp_path, seed=7, **small)
    with pytest.raises(ValueError, match=r"'fps': 30\}; choose another folder, or delete this"):
        make_motions(tmp_path, fps=15, **small)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": ("left", "spin")}, r"classes from left, .*, each once; got left, spin"),
        ({"classes": ("left", "left")}, "each once; got left, left"),
        ({"classes": ()}, "got none"),
        ({"size": (33, 32)}, "even width and height of at least 16 pixels, got 33x32"),
        ({"frames": 0}, r"fps of at least 1, got sizes \(960, 240, 240\), frames 0"),
        ({"sizes": (1, 2)}, r"three sizes, of train, val and test, got \(1, 2\)"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_motions(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_the_command_makes_what_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["motions", "--out", str(tmp_path), "--sizes", "2", "0", "0", "--workers", "0"]
    options = ["--classes", "up", "left", "--picture", "96", "--frames", "9", "--fps", "12"]
    assert main([*line, *options]) == 0
    assert "2 clips (train, val, test: 2, 0, 0)" in capsys.readouterr().out
    assert (tmp_path / "classes.txt").read_text() == "up\nleft\n"
    assert decode(tmp_path / "train" / "00001_left.mp4").shape == (9, 96, 96, 3)
    with av.open(str(tmp_path / "train" / "00000_up.mp4")) as container:
        assert container.streams.video[0].average_rate == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--classes", "lft"], "got lft. Did you mean left for 'lft'?"),
        (["--classes", "up", "up"], "each once; got up, up"),
        (["--picture", "64", "47"], "even width and height of at least 16 pixels, got 64x47"),
        (["--picture", "8"], "even width and height of at least 16 pixels, got 8x8"),
        (["--picture", "64", "48", "3"], "--picture: expected a width and a height, or one number"),
        (["--frames", "0"], "frames and fps of at least 1"),
        (["--fps", "-5"], "frames and fps of at least 1"),
        (["--sizes", "-1", "0", "0"], "expected sizes of at least 0"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["motions", "--out", str(tmp_path / "set"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "set").exists()
