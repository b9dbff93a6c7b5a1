"""What a clip of `motions` with several objects shows: each has a movement of its own, and a box.

The movements are those of `motions_scene`, one object each where that has a lattice: four frames
that lie five apart tell what an object does, but not how fast it shakes, rocks or pulses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slowfast.data.datasets.motions_scene import (
    DIRECTIONS,
    LUMA,
    SHAPES,
    Array,
    Motion,
    draw_motion,
    draw_texture,
    shape_cover,
    trajectory,
)

ROOM = 28.0  # pixels that an object has to itself; as the spacing of a lattice
_TRIES = 200  # of places, before a clip has an object less
_REACH = 1.45  # radii from the centre of the largest shape to its corners


@dataclass(frozen=True)
class Thing:
    """One object: what it does, how it looks."""

    action: str
    motion: Motion  # its x and y are those of the keyframe
    shape: str
    colour: Array  # RGB in 0..255

    def states(self, frames: Array, keyframe: int) -> Array:
        """x, y, radius and angle (T, 4) in `frames`, (T,)."""
        return trajectory(self.action, frames - keyframe, self.motion)

    def box(self, keyframe: int) -> Array:
        """x1, y1, x2, y2 in pixels, around all of it whatever its angle."""
        x, y, radius, _ = self.states(np.array([float(keyframe)]), keyframe)[0]
        return np.array([x, y, x, y]) + _REACH * radius * np.array([-1, -1, 1, 1])


@dataclass(frozen=True)
class Scene:
    """Objects before a ground; those that come later in the list are drawn over the others."""

    things: tuple[Thing, ...]
    background: Array  # float64 (H, W, 3)
    noise: float = 2.0  # standard deviation of what each frame adds anew


def draw_scene(
    random: np.random.Generator,
    actions: Sequence[str],
    *,
    width: int,
    height: int,
    span: int,
) -> Scene:
    """A ground with an object for each action, which stay within the picture and apart.

    Args:
        span: frames before and after the keyframe in which they do so.
    """
    ground = random.uniform(10, 130, 3)
    background = ground + draw_texture(random, width=width, height=height)
    things: list[Thing] = []
    for action in actions:
        for _ in range(_TRIES):
            motion = draw_motion(random, ROOM)
            across, down = DIRECTIONS.get(action, (0, 0))
            margin = 0.45 * ROOM
            ways = [margin + abs(side) * motion.speed * span for side in (across, down)]
            if min(width - 2 * ways[0], height - 2 * ways[1]) <= 0:
                continue
            x = random.uniform(ways[0], width - ways[0])
            y = random.uniform(ways[1], height - ways[1])
            if all(math.hypot(x - o.motion.x, y - o.motion.y) > 1.1 * ROOM for o in things):
                shape = list(SHAPES)[int(random.integers(len(SHAPES)))]
                place = replace(motion, x=x, y=y)
                things.append(Thing(action, place, shape, _bright(random, ground)))
                break
    return Scene(tuple(things), background)


def render_scene(
    scene: Scene, frames: int, keyframe: int, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Uint8 RGB (frames, H, W, 3), edges anti-aliased."""
    height, width, _ = scene.background.shape
    out = np.repeat(scene.background[None].astype(np.float32), frames, axis=0)
    for thing in scene.things:
        states = thing.states(np.arange(frames, dtype=np.float64), keyframe)
        x, y, radius, angle = (states[:, i, None, None] for i in range(4))
        across = np.arange(width) + 0.5 - x  # (T, 1, W)
        along = np.arange(height)[:, None] + 0.5 - y  # (T, H, 1)
        cover = shape_cover(thing.shape, across, along, radius, angle)[..., None]
        out += cover * (thing.colour.astype(np.float32) - out)
    noise = random.standard_normal((frames, height, width, 1), dtype=np.float32)
    return np.clip(out + scene.noise * noise + 0.5, 0, 255).astype(np.uint8)


def _bright(random: np.random.Generator, ground: Array) -> Array:
    colour = random.uniform(90, 255, 3)
    while (colour - ground) @ LUMA < 80:
        colour = random.uniform(90, 255, 3)
    return colour
