"""What a `motions` clip shows: a lattice of like objects, their movement in time, their pixels.

No single frame tells a class from another, and no four frames that lie five apart tell the two
rates of a movement apart. Both hold by construction:

- Position, size and angle have the same distribution in each frame of each class. A component
  that stands still in one class is drawn as the moving one is found at any time: on an endless
  lattice a uniform position stays uniform under any movement, and a size that pulses elsewhere
  is frozen here at a uniform phase. Objects of bounded paths would show where they come from.
- The rates are 1/10 and 3/10 of a turn a frame. Five frames later they are half a turn and one
  and a half turns on, which is the same place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
LUMA = np.array([0.299, 0.587, 0.114])  # brightness of RGB (BT.601)
SWINGS = ("shake_x", "shake_y", "rock", "pulse")
TURNS_PER_FRAME = {"slow": 1 / 10, "fast": 3 / 10}
CLASSES = (*DIRECTIONS, *(f"{swing}_{rate}" for swing in SWINGS for rate in TURNS_PER_FRAME))

# Solid parts of a shape, (left, right, top, bottom) in units of its radius; none looks the same
# after less than half a turn, so that rocking shows.
SHAPES = {
    "bar": ((-1.0, 1.0, -0.45, 0.45),),
    "ell": ((-0.9, 0.9, 0.1, 0.8), (-0.9, -0.2, -0.9, 0.8)),
    "tee": ((-0.9, 0.9, -0.9, -0.2), (-0.35, 0.35, -0.9, 0.9)),
    "pin": ((-1.0, 0.2, -0.3, 0.3), (0.1, 1.0, -0.65, 0.65)),
}


@dataclass(frozen=True)
class Motion:
    """How the objects move, apart from the class; every class draws all of it alike.

    Lengths are pixels, angles radians, times frames.
    """

    x: float  # of a centre, around which it shakes; at frame 0 if it travels
    y: float
    radius: float
    angle: float
    speed: float  # of a translation, pixels a frame
    reach: float  # of a shake, pixels to either side
    tilt: float  # of rocking, radians to either side
    growth: float  # of pulsing, share of the radius
    phase: float  # of the movement, at frame 0
    rest: float  # phase at which the size stands still if it does not pulse


@dataclass(frozen=True)
class Look:
    """Colours are RGB in 0..255; `texture` (H, W, 3) is added to the plain background."""

    shape: str
    colour: Array
    background: Array
    texture: Array
    spacing: float  # of the lattice, pixels
    noise: float  # standard deviation of what each frame adds anew


def trajectory(name: str, frames: Array, motion: Motion) -> Array:
    """State of the objects of class `name` in `frames` (T,): x, y, radius, angle as (T, 4).

    The position is that of one of them; the others lie whole spacings away.
    """
    state = np.tile([motion.x, motion.y, motion.radius, motion.angle], (len(frames), 1))
    state[:, 2] *= 1 + motion.growth * math.sin(motion.rest)
    if name in DIRECTIONS:
        right, down = DIRECTIONS[name]
        state[:, 0] += right * motion.speed * frames
        state[:, 1] += down * motion.speed * frames
        return state
    swing, _, rate = name.rpartition("_")
    wave = np.sin(motion.phase + 2 * math.pi * TURNS_PER_FRAME[rate] * frames)
    if swing == "shake_x":
        state[:, 0] += motion.reach * wave
    elif swing == "shake_y":
        state[:, 1] += motion.reach * wave
    elif swing == "rock":
        state[:, 3] += motion.tilt * wave
    else:
        state[:, 2] = motion.radius * (1 + motion.growth * wave)
    return state


def draw_motion(random: np.random.Generator, spacing: float) -> Motion:
    """A movement that fits a lattice of that spacing: neighbours never overlap."""
    turn = 2 * math.pi
    return Motion(
        x=random.uniform(0, spacing),
        y=random.uniform(0, spacing),
        radius=random.uniform(0.24, 0.28) * spacing,
        angle=random.uniform(0, turn),
        speed=random.uniform(0.045, 0.075) * spacing,
        reach=random.uniform(0.2, 0.25) * spacing,
        tilt=random.uniform(0.8, 1.1),
        growth=random.uniform(0.35, 0.4),
        phase=random.uniform(0, turn),
        rest=random.uniform(0, turn),
    )


def draw_look(random: np.random.Generator, *, width: int, height: int) -> Look:
    """Light objects on a darker ground with a soft texture, and a lattice.

    Its spacing lets each crop as wide as the shorter side show more than one object.
    """
    background = random.uniform(10, 130, 3)
    colour = random.uniform(90, 255, 3)
    while (colour - background) @ LUMA < 80:
        colour = random.uniform(90, 255, 3)
    texture = draw_texture(random, width=width, height=height)
    shape = list(SHAPES)[int(random.integers(len(SHAPES)))]
    spacing = random.uniform(28, 32) * min(width, height) / 48
    return Look(shape, colour, background, texture, spacing, noise=2.0)


def draw_texture(random: np.random.Generator, *, width: int, height: int) -> Array:
    """Soft waves around 0, (height, width, 3), to be added to a plain ground."""
    x = np.arange(width) / width
    y = np.arange(height)[:, None] / height
    texture = np.zeros((height, width, 3))
    for _ in range(6):
        across, along = random.integers(-3, 4, 2)
        wave = np.cos(2 * math.pi * (across * x + along * y + random.uniform()))
        texture += wave[..., None] * random.normal(0, 5, 3)
    return texture


def render(states: Array, look: Look, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the objects in each state: (T, 4) -> uint8 RGB (T, H, W, 3), edges anti-aliased.

    A frame shows an instant: there is no motion blur, which would give the rate away.
    """
    height, width, _ = look.texture.shape
    x, y, radius, angle = (states[:, i, None, None] for i in range(4))
    half = look.spacing / 2  # pixels are seen from the nearest object
    across = (np.arange(width) + 0.5 - x + half) % look.spacing - half  # (T, 1, W)
    along = (np.arange(height)[:, None] + 0.5 - y + half) % look.spacing - half  # (T, H, 1)
    cover = shape_cover(look.shape, across, along, radius, angle)[..., None]
    plain = (look.background + look.texture).astype(np.float32)
    frames = cover * (look.colour.astype(np.float32) - plain) + plain
    frames += look.noise * random.standard_normal(cover.shape, dtype=np.float32)
    return np.clip(frames + 0.5, 0, 255).astype(np.uint8)


def shape_cover(
    shape: str, across: Array, along: Array, radius: Array, angle: Array
) -> NDArray[np.float32]:
    """How much of each pixel a shape covers, float32 (T, H, W), 0 to 1.

    Args:
        across: (T, 1, W), of the pixel's centre from that of the shape, pixels to the right.
        along: (T, H, 1), downwards.
        radius: (T, 1, 1), pixels.
        angle: (T, 1, 1), radians.
    """
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
    u = (across * cos).astype(np.float32) + (along * sin).astype(np.float32)  # in radii
    v = (along * cos).astype(np.float32) - (across * sin).astype(np.float32)
    inside = np.full_like(u, -np.inf)  # distance to the nearest edge, in radii, > 0 inside
    for left, right, top, bottom in SHAPES[shape]:
        part = np.minimum(np.minimum(u - left, right - u), np.minimum(v - top, bottom - v))
        inside = np.maximum(inside, part)
    cover: NDArray[np.float32] = np.clip(inside * radius.astype(np.float32) + 0.5, 0, 1)
    return cover
