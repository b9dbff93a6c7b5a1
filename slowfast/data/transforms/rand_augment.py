"""RandAugment (1909.13719) of whole frames, written as ``rand-m9-mstd0.5-inc1``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from slowfast.data.transforms.picture_ops import PICTURE_OPS, Canvas

HIGHEST = 10.0  # of the magnitudes
INTERPOLATIONS = ("bilinear", "bicubic")  # that "random" draws from
PARTS = "m (magnitude), n (operations), mstd (its deviation), inc (0 or 1), w (0), p (probability)"

# (share of the highest magnitude, whether effects grow with it) -> value of an operation.
Level = Callable[[float, bool], float]


def _enhance(share: float, increasing: bool) -> float:
    """Factor of a blend with the plain picture, which 1 leaves as it is."""
    return 1 + 0.9 * share if increasing else 0.1 + 1.8 * share


def _posterize(share: float, increasing: bool) -> float:
    bits = int(4 * share)
    return max(4 - bits if increasing else bits, 1)  # none would be a black picture


def _solarize(share: float, increasing: bool) -> float:
    threshold = int(256 * share)
    return 256 - threshold if increasing else threshold


LEVELS: dict[str, Level] = {
    "auto_contrast": lambda share, increasing: 0.0,
    "equalize": lambda share, increasing: 0.0,
    "invert": lambda share, increasing: 0.0,
    "rotate": lambda share, increasing: 30 * share,  # degrees
    "posterize": _posterize,  # bits that are kept
    "solarize": _solarize,  # pixels from there on are inverted
    "solarize_add": lambda share, increasing: int(110 * share),
    "color": _enhance,
    "contrast": _enhance,
    "brightness": _enhance,
    "sharpness": _enhance,
    "shear_x": lambda share, increasing: 0.3 * share,  # pixels aside per row
    "shear_y": lambda share, increasing: 0.3 * share,
    "translate_x": lambda share, increasing: 0.45 * share,  # of the width
    "translate_y": lambda share, increasing: 0.45 * share,
}
NAMES = tuple(LEVELS)
MIRRORED = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")  # to either side
ENHANCED = ("color", "contrast", "brightness", "sharpness")  # to either side of 1, if increasing
# Weights that "w0" stands for; what is missing is never drawn.
WEIGHTS = {
    "rotate": 0.3,
    "shear_x": 0.2,
    "shear_y": 0.2,
    "translate_x": 0.1,
    "translate_y": 0.1,
    "color": 0.025,
    "sharpness": 0.025,
    "auto_contrast": 0.025,
    "solarize": 0.005,
    "solarize_add": 0.005,
    "contrast": 0.005,
    "brightness": 0.005,
    "equalize": 0.005,
}


@dataclass(frozen=True)
class DrawnOp:
    """An operation of `PICTURE_OPS` with its value."""

    name: str
    value: float


@dataclass(frozen=True)
class RandAugment:
    """Operations drawn at random, the same with the same values for all frames of a clip.

    Args:
        magnitude: 0..10.
        layers: operations drawn for a clip.
        deviation: standard deviation of the magnitude; infinite: uniform from 0 to `magnitude`.
        increasing: effects grow with the magnitude, for all operations.
        weighted: draw by `WEIGHTS`, each operation once at most; else evenly, and again.
        probability: that a drawn operation is applied.
        canvas: how pictures are moved; interpolation "random" draws one for each clip.
    """

    magnitude: float = HIGHEST
    layers: int = 2
    deviation: float = 0.0
    increasing: bool = False
    weighted: bool = False
    probability: float = 0.5
    canvas: Canvas = field(default_factory=Canvas)

    def __call__(self, frames: Tensor, generator: Generator) -> Tensor:
        """uint8 (F, H, W, 3) -> the same shape."""
        ops, canvas = self.draw(generator), self.canvas
        if canvas.interpolation == "random":
            which = int(torch.randint(len(INTERPOLATIONS), (), generator=generator))
            canvas = replace(canvas, interpolation=INTERPOLATIONS[which])
        return apply_ops(frames, ops, canvas) if ops else frames

    def draw(self, generator: Generator) -> list[DrawnOp]:
        """What is done to a clip, in this order."""
        kinds = self._kinds(generator)
        # All numbers are drawn whether they are needed or not: one layer never moves the next.
        chances = torch.rand(self.layers, 3, generator=generator).tolist()
        normals = torch.randn(self.layers, generator=generator).tolist()
        ops = []
        for name, (chance, side, level), normal in zip(kinds, chances, normals, strict=True):
            if chance < self.probability:
                magnitude = self._magnitude(normal, level)
                ops.append(DrawnOp(name, self._value(name, magnitude, mirrored=side < 0.5)))
        return ops

    def _kinds(self, generator: Generator) -> list[str]:
        if self.weighted:
            weights = torch.tensor([WEIGHTS.get(name, 0.0) for name in NAMES])
            drawn = torch.multinomial(weights, self.layers, generator=generator)
        else:
            drawn = torch.randint(len(NAMES), (self.layers,), generator=generator)
        return [NAMES[i] for i in drawn.tolist()]

    def _magnitude(self, normal: float, level: float) -> float:
        if self.deviation == float("inf"):
            return level * self.magnitude
        return min(max(self.magnitude + self.deviation * normal, 0.0), HIGHEST)

    def _value(self, name: str, magnitude: float, *, mirrored: bool) -> float:
        value = LEVELS[name](magnitude / HIGHEST, self.increasing)
        if mirrored and name in MIRRORED:
            return -value
        if mirrored and self.increasing and name in ENHANCED:
            return 2 - value  # as far below 1 as it was above
        return value


def apply_ops(frames: Tensor, ops: list[DrawnOp], canvas: Canvas) -> Tensor:
    """The same operations on each frame, uint8 (F, H, W, 3)."""
    return torch.stack([_apply(frame, ops, canvas) for frame in frames])


def _apply(frame: Tensor, ops: list[DrawnOp], canvas: Canvas) -> Tensor:
    picture = Image.fromarray(frame.numpy())
    for op in ops:
        picture = PICTURE_OPS[op.name](picture, op.value, canvas)
    return torch.from_numpy(np.array(picture))


def parse_rand_augment(text: str, *, canvas: Canvas) -> RandAugment:
    """The RandAugment that AUG.AA_TYPE describes.

    Raises:
        ValueError: the text is of another kind, or a part of it means nothing.
    """
    kind, *parts = text.split("-")
    if kind != "rand":
        raise _error(text, f"it begins with {kind!r}, which is another augmentation than 'rand'")
    numbers: dict[str, float] = {}
    for part in parts:
        found = re.fullmatch(r"(mstd|inc|m|n|w|p)(inf|\d+(?:\.\d*)?)", part)
        if not found:
            raise _error(text, f"{part!r} is none of its parts")
        name, value = found[1], float(found[2])
        if name in numbers:
            raise _error(text, f"{name!r} is there twice")
        numbers[name] = value
    _check(text, numbers)
    return RandAugment(
        magnitude=numbers.get("m", HIGHEST),
        layers=int(numbers.get("n", 2)),
        deviation=numbers.get("mstd", 0.0),
        increasing=bool(numbers.get("inc", 0)),
        weighted="w" in numbers,
        probability=numbers.get("p", 0.5),
        canvas=canvas,
    )


def _check(text: str, numbers: dict[str, float]) -> None:
    most = len(WEIGHTS) if "w" in numbers else float("inf")
    rules = {
        "m": (lambda v: v <= HIGHEST, f"a magnitude from 0 to {HIGHEST:g}"),
        "n": (lambda v: v in range(1, 100), "a whole number of operations from 1"),
        "inc": (lambda v: v in (0, 1), "0 or 1"),
        "w": (lambda v: v == 0, "0, the only set of weights there is"),
        "p": (lambda v: v <= 1, "a probability from 0 to 1"),
    }
    for name, (holds, rule) in rules.items():
        if name in numbers and not holds(numbers[name]):
            raise _error(text, f"{name} is {numbers[name]:g}, but must be {rule}")
    if numbers.get("n", 2) > most:
        raise _error(text, f"n is {numbers['n']:g}, but w0 draws each of {most} operations once")


def _error(text: str, what: str) -> ValueError:
    return ValueError(
        f"AUG.AA_TYPE is {text!r}: {what}. Write 'rand' and parts joined by '-', such as "
        f"rand-m9-mstd0.5-inc1: {PARTS}; or leave it empty for none"
    )
