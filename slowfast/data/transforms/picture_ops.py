"""Operations of RandAugment on one picture, by name; all through torchvision's functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

SOLARIZE_ADD_BELOW = 128  # of 255


@dataclass(frozen=True)
class Canvas:
    """How pictures are moved.

    Args:
        fill: colour of what comes into the picture from outside, 0..255.
        interpolation: "nearest", "bilinear" or "bicubic".
    """

    fill: tuple[int, int, int] = (128, 128, 128)
    interpolation: str = "bicubic"


PictureOp = Callable[[Image.Image, float, Canvas], Image.Image]


def _affine(
    picture: Image.Image,
    canvas: Canvas,
    *,
    translate: tuple[float, float] = (0.0, 0.0),
    shear: tuple[float, float] = (0.0, 0.0),
) -> Image.Image:
    """Move by pixels, or shear by degrees about the top left corner."""
    return F.affine(
        picture,
        angle=0.0,
        translate=list(translate),
        scale=1.0,
        shear=list(shear),
        interpolation=InterpolationMode(canvas.interpolation),
        fill=list(canvas.fill),
        center=[0.0, 0.0],
    )


def _rotate(picture: Image.Image, degrees: float, canvas: Canvas) -> Image.Image:
    how = InterpolationMode(canvas.interpolation)
    return F.rotate(picture, degrees, interpolation=how, fill=list(canvas.fill))


def _shear_x(picture: Image.Image, slope: float, canvas: Canvas) -> Image.Image:
    return _affine(picture, canvas, shear=(math.degrees(math.atan(slope)), 0.0))


def _shear_y(picture: Image.Image, slope: float, canvas: Canvas) -> Image.Image:
    return _affine(picture, canvas, shear=(0.0, math.degrees(math.atan(slope))))


def _translate_x(picture: Image.Image, share: float, canvas: Canvas) -> Image.Image:
    return _affine(picture, canvas, translate=(share * picture.width, 0.0))


def _translate_y(picture: Image.Image, share: float, canvas: Canvas) -> Image.Image:
    return _affine(picture, canvas, translate=(0.0, share * picture.height))


def _solarize_add(picture: Image.Image, added: float, canvas: Canvas) -> Image.Image:
    """Dark pixels made brighter; torchvision has no such function."""
    curve = [min(v + int(added), 255) if v < SOLARIZE_ADD_BELOW else v for v in range(256)]
    return picture.point(curve * len(picture.getbands()))


# Name -> (picture, value, canvas); what the value is stands in `rand_augment.LEVELS`.
PICTURE_OPS: dict[str, PictureOp] = {
    "auto_contrast": lambda picture, value, canvas: F.autocontrast(picture),
    "equalize": lambda picture, value, canvas: F.equalize(picture),
    "invert": lambda picture, value, canvas: F.invert(picture),
    "rotate": _rotate,
    "posterize": lambda picture, value, canvas: F.posterize(picture, int(value)),
    "solarize": lambda picture, value, canvas: F.solarize(picture, value),
    "solarize_add": _solarize_add,
    "color": lambda picture, value, canvas: F.adjust_saturation(picture, value),
    "contrast": lambda picture, value, canvas: F.adjust_contrast(picture, value),
    "brightness": lambda picture, value, canvas: F.adjust_brightness(picture, value),
    "sharpness": lambda picture, value, canvas: F.adjust_sharpness(picture, value),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
