"""The picture of the demo: what the Slow frames hide, and what that costs class by class."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from slowfast.data.datasets.motions_scene import Look, Motion, render, trajectory

INK, SOFT, LINE = "#1a2029", "#5b6675", "#dfe4ea"
COLOURS = ("#2e6fdb", "#d95a2c", "#12876f", "#8a94a2")  # one a run
SHAKES = {"slow": "#12876f", "fast": "#7a4fc4"}
RATES = tuple(SHAKES)
SEEN = "#f2c14e"  # frames that the Slow pathway takes
FRAMES, STEP = 16, 5


@dataclass(frozen=True)
class Run:
    """Test figures of one network, in percent."""

    title: str
    top1: float
    classes: dict[str, float]
    videos: int
    views: int


def write_comparison(run_dirs: Mapping[str, Path], out: str | os.PathLike[str]) -> Path:
    """Draw tested networks side by side, for a page 900 pixels wide.

    Args:
        run_dirs: title -> OUTPUT_DIR of a run on ``motions`` that was tested.
        out: picture to write; its ending (.png, .svg) says how.

    Raises:
        ValueError: a folder has no test results, or they are of other classes.
    """
    runs = [_read(title, Path(folder)) for title, folder in run_dirs.items()]
    if not runs:
        raise ValueError("comparison: expected at least one run, got none")
    for run in runs[1:]:
        if list(run.classes) != list(runs[0].classes):
            raise ValueError(
                f"comparison: expected the same classes in each run, but {run.title} has "
                f"{', '.join(run.classes)} and {runs[0].title} {', '.join(runs[0].classes)}"
            )
    figure = Figure(figsize=(9, 8.1), dpi=200, facecolor="white")
    _headline(figure, runs)
    _why(figure)
    _classes(figure, runs)
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _read(title: str, folder: Path) -> Run:
    path = folder / "test_results.json"
    if not path.exists():
        raise ValueError(f"{path}: expected the results of a test, found none; test {title} first")
    results = json.loads(path.read_text(encoding="utf-8"))
    classes = {entry["name"]: entry["accuracy"] or 0.0 for entry in results["per_class"]}
    return Run(title, results["top1"], classes, results["num_videos"], results["views_per_video"])


def _headline(figure: Figure, runs: list[Run]) -> None:
    for number, run in enumerate(runs):
        x, colour = 0.045 + 0.3 * number, COLOURS[number % len(COLOURS)]
        figure.text(x, 0.945, f"{run.top1:.1f} %", size=25, weight="bold", color=colour)
        figure.text(x, 0.917, run.title, size=12, weight="bold", color=INK)
    told = f"top-1 on {runs[0].videos} test clips,\n{runs[0].views} views each, same recipe"
    figure.text(0.965, 0.917, told, size=9.5, color=SOFT, ha="right", linespacing=1.5)


def _why(figure: Figure) -> None:
    """Two clips frame by frame around the curves of their positions, on one time axis."""
    left, width = 0.13, 0.835
    figure.text(
        0.045,
        0.875,
        "A slow shake and a fast one are the same in every frame that the Slow pathway sees",
        size=11,
        weight="bold",
        color=INK,
    )
    curves = figure.add_axes((left, 0.618, width, 0.125))
    # One band behind all three rows ties the Slow frames together.
    behind = figure.add_axes((left, 0.545, width, 0.304), zorder=-1)
    for axes in (curves, behind):
        axes.set_xlim(-0.5, FRAMES - 0.5)
        axes.patch.set_alpha(0)
        axes.set_axis_off()
    for frame in range(0, FRAMES, STEP):
        behind.axvspan(frame - 0.48, frame + 0.48, color=SEEN, alpha=0.35, lw=0)
        behind.text(frame, 0.955, f"{frame}", size=8, color=INK, ha="center", va="center",
                    transform=behind.get_xaxis_transform())  # fmt: skip
    time = np.linspace(0, FRAMES - 1, 600)
    motion = _shaking()
    for (rate, colour), bottom in zip(SHAKES.items(), (0.762, 0.552), strict=True):
        frames = _strip(motion, rate)
        for number, picture in enumerate(frames):
            cell = width / FRAMES
            axes = figure.add_axes((left + number * cell, bottom, cell, 0.062))
            axes.imshow(picture, interpolation="lanczos")
            _frame(axes, seen=number % STEP == 0)
        figure.text(left - 0.012, bottom + 0.031, f"{rate} shake", size=10, color=colour,
                    weight="bold", ha="right", va="center")  # fmt: skip
        path = trajectory(f"shake_x_{rate}", time, motion)[:, 0]
        curves.plot(time, path, color=colour, lw=1.6)
        at = np.arange(0.0, FRAMES)
        curves.plot(at, trajectory(f"shake_x_{rate}", at, motion)[:, 0], "o", color=colour, ms=2.6)
    seen = np.arange(0.0, FRAMES, STEP)
    meet = trajectory("shake_x_slow", seen, motion)[:, 0]
    curves.plot(seen, meet, "o", mfc=SEEN, mec=INK, mew=1.2, ms=8, zorder=5)
    curves.margins(y=0.16)
    figure.text(left - 0.012, 0.681, "position", size=9, color=SOFT, ha="right", va="center")
    figure.text(left + width, 0.53, "the Fast pathway sees all 16 frames of a clip, "
                "the Slow pathway the four in yellow", size=8.5, color=SOFT, ha="right",
                va="center")  # fmt: skip


def _frame(axes: Axes, *, seen: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(INK if seen else "white")
        spine.set_linewidth(1.6)


def _shaking() -> Motion:
    """A shake that is at its ends in the Slow frames, where it is easiest to see."""
    return Motion(
        x=24,
        y=24,
        radius=11,
        angle=np.pi / 2,
        speed=1,
        reach=8,
        tilt=1,
        growth=0,
        phase=np.pi / 2,
        rest=0,
    )


def _strip(motion: Motion, rate: str) -> NDArray[np.uint8]:
    look = Look(
        "bar",
        colour=np.array([245.0, 245.0, 240.0]),
        background=np.array([44.0, 56.0, 74.0]),
        texture=np.zeros((48, 48, 3)),
        spacing=48.0,
        noise=0.0,
    )
    states = trajectory(f"shake_x_{rate}", np.arange(float(FRAMES)), motion)
    return render(states, look, np.random.default_rng(0))[:, 4:44, 4:44]


def _classes(figure: Figure, runs: list[Run]) -> None:
    """Bars of each class; pairs that alias are marked with what chance leaves of them."""
    axes = figure.add_axes((0.075, 0.085, 0.89, 0.335))
    names = list(runs[0].classes)
    paired = [name for name in names if _twin(name) in names]
    figure.text(0.045, 0.463, "Accuracy by class, %", size=11, weight="bold", color=INK)
    width = 0.78 / len(runs)
    for number, run in enumerate(runs):
        place = np.arange(len(names)) + (number - (len(runs) - 1) / 2) * width
        values = [run.classes[name] for name in names]
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(place, values, width * 0.92, color=colour, label=run.title, zorder=3)
        for x, value in zip(place, values, strict=True):
            axes.text(x, value + 1.5, f"{value:.0f}", size=7.5, ha="center", color=INK, zorder=4)
    if paired:
        first, last = names.index(paired[0]), names.index(paired[-1])
        axes.axvspan(first - 0.5, last + 0.5, color=SEEN, alpha=0.18, lw=0, zorder=0)
        axes.plot([first - 0.5, last + 0.5], [50, 50], color=INK, lw=1, ls=(0, (4, 3)), zorder=5)
        axes.text((first + last) / 2, 117, "two rates that look alike in the Slow frames: a coin "
                  "toss, 50 % on average", size=8.8, ha="center", color=INK)  # fmt: skip
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(0, 126)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_xticks(range(len(names)), [_two_lines(name) for name in names])
    axes.tick_params(length=0, labelsize=8.8, colors=SOFT)
    axes.grid(axis="y", color=LINE, lw=0.8, zorder=1)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", bbox_to_anchor=(0.972, 0.487),
                  ncols=len(runs), frameon=False, fontsize=9.5, handlelength=1,
                  handleheight=1)  # fmt: skip


def _twin(name: str) -> str:
    """The same movement at the other rate."""
    movement, _, rate = name.rpartition("_")
    return f"{movement}_{RATES[1 - RATES.index(rate)]}" if rate in RATES else ""


def _two_lines(name: str) -> str:
    movement, _, rate = name.rpartition("_")
    return f"{movement.replace('_', ' ')}\n{rate}" if rate in RATES else name.replace("_", "\n")
