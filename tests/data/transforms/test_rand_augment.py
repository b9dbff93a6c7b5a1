"""Mirrors slowfast/data/transforms/rand_augment.py and picture_ops.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from slowfast.data.transforms.picture_ops import PICTURE_OPS, Canvas
from slowfast.data.transforms.rand_augment import (
    LEVELS,
    NAMES,
    WEIGHTS,
    DrawnOp,
    RandAugment,
    apply_ops,
    parse_rand_augment,
)
from slowfast.randomness import generator_for

CANVAS = Canvas((115, 116, 117), "bilinear")


def frames(count: int = 3, height: int = 20, width: int = 30) -> Tensor:
    """Smooth pictures: what moves can be told, and resampling changes little."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = [60 + 5 * x, 250 - 9 * y, 40 + 3 * x + 4 * y]
    picture = torch.stack(planes, dim=-1).clamp(0, 255)
    picture[5:9, 10:14] = torch.tensor([200, 30, 90])  # an edge
    return torch.stack([(picture + 3 * i).clamp(0, 255) for i in range(count)]).to(torch.uint8)


def parse(text: str) -> RandAugment:
    return parse_rand_augment(text, canvas=CANVAS)


def test_the_text_of_public_recipes() -> None:
    assert parse("rand-m9-mstd0.5-inc1") == RandAugment(9, 2, 0.5, True, canvas=CANVAS)
    assert parse("rand-m7-n4-mstd0.5-inc1") == RandAugment(7, 4, 0.5, True, canvas=CANVAS)
    assert parse("rand") == RandAugment(10, 2, 0.0, False, canvas=CANVAS)
    assert parse("rand-w0-p1.0-n3-inc0") == RandAugment(
        layers=3, weighted=True, probability=1.0, canvas=CANVAS
    )
    assert parse("rand-m5-mstdinf").deviation == float("inf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("augmix-m3", "begins with 'augmix', which is another augmentation than 'rand'"),
        ("rand-m9-k3", "'k3' is none of its parts. Write 'rand' and parts joined by '-'"),
        ("rand-m", "'m' is none of its parts"),
        ("rand-m9-m8", "'m' is there twice"),
        ("rand-m11", "m is 11, but must be a magnitude from 0 to 10"),
        ("rand-n0", "n is 0, but must be a whole number of operations from 1"),
        ("rand-n1.5", "n is 1.5, but must be a whole number"),
        ("rand-inc2", "inc is 2, but must be 0 or 1"),
        ("rand-w1", "w is 1, but must be 0, the only set of weights"),
        ("rand-p2", "p is 2, but must be a probability from 0 to 1"),
        ("rand-w0-n14", "n is 14, but w0 draws each of 13 operations once"),
    ],
)
def test_errors_name_the_part(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^AUG.AA_TYPE is '{text}'") as caught:
        parse(text)
    assert message in str(caught.value)
    assert "leave it empty for none" in str(caught.value)


def affine(*data: float) -> Callable[[Image.Image], Image.Image]:
    """Pillow's own: the picture at (x, y) is taken from (ax + by + c, dx + ey + f)."""

    def apply(picture: Image.Image) -> Image.Image:
        how = Image.Resampling.BILINEAR
        return picture.transform(
            picture.size, Image.Transform.AFFINE, data, how, fillcolor=CANVAS.fill
        )

    return apply


REFERENCES: dict[str, tuple[float, Callable[[Image.Image], Image.Image]]] = {
    "auto_contrast": (0.0, ImageOps.autocontrast),
    "equalize": (0.0, ImageOps.equalize),
    "invert": (0.0, ImageOps.invert),
    "rotate": (
        17.0,
        lambda p: p.rotate(17.0, Image.Resampling.BILINEAR, fillcolor=CANVAS.fill),
    ),
    "posterize": (3, lambda p: ImageOps.posterize(p, 3)),
    "solarize": (120, lambda p: ImageOps.solarize(p, 120)),
    "color": (1.6, lambda p: ImageEnhance.Color(p).enhance(1.6)),
    "contrast": (0.4, lambda p: ImageEnhance.Contrast(p).enhance(0.4)),
    "brightness": (1.3, lambda p: ImageEnhance.Brightness(p).enhance(1.3)),
    "sharpness": (1.8, lambda p: ImageEnhance.Sharpness(p).enhance(1.8)),
    "shear_x": (0.2, affine(1, 0.2, 0, 0, 1, 0)),
    "shear_y": (-0.3, affine(1, 0, 0, -0.3, 1, 0)),
    "translate_x": (0.2, affine(1, 0, -6, 0, 1, 0)),
    "translate_y": (-0.25, affine(1, 0, 0, 0, 1, 5)),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_an_operation_equals_pillows_own(name: str) -> None:
    value, reference = REFERENCES[name]
    (picture,) = frames(1)
    wanted = np.array(reference(Image.fromarray(picture.numpy())))
    (found,) = apply_ops(picture[None], [DrawnOp(name, value)], CANVAS)
    assert np.abs(found.numpy().astype(int) - wanted).max() <= 1
    assert not torch.equal(found, picture)


def test_solarize_add_brightens_what_is_dark() -> None:
    picture = torch.tensor([[[0, 100, 127], [128, 200, 255]]], dtype=torch.uint8)
    (found,) = apply_ops(picture[None], [DrawnOp("solarize_add", 60)], CANVAS)
    assert found.tolist() == [[[60, 160, 187], [128, 200, 255]]]


def test_every_operation_has_a_level_and_a_function() -> None:
    assert list(PICTURE_OPS) == list(LEVELS)
    assert len(NAMES) == 15
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "plain", "increasing"),
    [
        ("rotate", [0, 15, 30], [0, 15, 30]),
        ("shear_x", [0, 0.15, 0.3], [0, 0.15, 0.3]),
        ("translate_y", [0, 0.225, 0.45], [0, 0.225, 0.45]),
        ("posterize", [1, 2, 4], [4, 2, 1]),
        ("solarize", [0, 128, 256], [256, 128, 0]),
        ("solarize_add", [0, 55, 110], [0, 55, 110]),
        ("contrast", [0.1, 1.0, 1.9], [1.0, 1.45, 1.9]),
    ],
)
def test_values_at_magnitudes_0_5_and_10(name: str, plain: list, increasing: list) -> None:
    for wanted, grows in ((plain, False), (increasing, True)):
        assert [LEVELS[name](m / 10, grows) for m in (0, 5, 10)] == pytest.approx(wanted)


def test_all_values_can_be_applied() -> None:
    pictures = frames(1)
    for name in NAMES:
        for magnitude in (0.0, 0.5, 1.0):
            for increasing in (False, True):
                op = DrawnOp(name, LEVELS[name](magnitude, increasing))
                assert apply_ops(pictures, [op], CANVAS).shape == pictures.shape


def test_all_frames_get_the_same() -> None:
    """One frame repeated stays one frame repeated; the others are changed as it is."""
    augment = parse("rand-m9-n4-p1-mstd0.5-inc1")
    one = frames(1)
    for epoch in range(20):
        found = augment(one.expand(4, -1, -1, -1), generator_for(0, epoch))
        assert (found == found[:1]).all()
        ops = augment.draw(generator_for(0, epoch))
        assert torch.equal(found[:1], apply_ops(one, ops, CANVAS))


def test_the_generator_alone_decides() -> None:
    augment = parse("rand-m9-mstd0.5-inc1")
    drawn = [augment.draw(generator_for("a", i)) for i in range(50)]
    assert drawn == [augment.draw(generator_for("a", i)) for i in range(50)]
    assert len({str(ops) for ops in drawn}) > 25
    before = frames()
    kept = before.clone()
    augment(before, generator_for(0))
    assert torch.equal(before, kept)


def draws(text: str, count: int = 2000) -> list[DrawnOp]:
    augment = parse(text)
    return [op for i in range(count) for op in augment.draw(generator_for(text, i))]


def test_probabilities() -> None:
    assert draws("rand-p0", 50) == []
    assert len(draws("rand-n3-p1", 50)) == 150
    share = len(draws("rand-n4")) / 8000
    assert share == pytest.approx(0.5, abs=0.02)
    counts = Counter(op.name for op in draws("rand-n4-p1", 1000))
    assert set(counts) == set(NAMES)
    assert min(counts.values()) > 4000 / 15 * 0.7


def test_weighted_draws_take_each_operation_once() -> None:
    augment = parse("rand-w0-n5-p1")
    for i in range(100):
        names = [op.name for op in augment.draw(generator_for(i))]
        assert len(set(names)) == 5
        assert not {"posterize", "invert"} & set(names)
    counts = Counter(op.name for op in draws("rand-w0-n1-p1"))
    assert counts["rotate"] / 2000 == pytest.approx(0.3, abs=0.04)


def test_sides_and_deviations() -> None:
    by_name: dict[str, list[float]] = {}
    for op in draws("rand-m5-n8-p1-mstd0.5-inc1", 600):
        by_name.setdefault(op.name, []).append(op.value)
    angles, factors = np.array(by_name["rotate"]), np.array(by_name["color"])
    assert np.mean(angles > 0) == pytest.approx(0.5, abs=0.1)
    assert np.abs(angles).mean() == pytest.approx(15, abs=0.5)
    assert np.abs(angles).std() == pytest.approx(1.5, abs=0.3)
    assert np.mean(factors > 1) == pytest.approx(0.5, abs=0.1)
    assert np.abs(factors - 1).mean() == pytest.approx(0.45, abs=0.02)
    even = [abs(op.value) for op in draws("rand-m6-n8-p1-mstdinf", 300) if op.name == "rotate"]
    assert max(even) <= 18
    assert np.mean(even) == pytest.approx(9, abs=1.5)
    assert all(abs(op.value) <= 30 for op in draws("rand-m10-mstd5", 300) if op.name == "rotate")


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "random"])
def test_interpolations(interpolation: str) -> None:
    canvas = Canvas((1, 2, 3), interpolation)
    augment = parse_rand_augment("rand-m9-n3-p1-w0", canvas=canvas)
    found = {str(augment(frames(1), generator_for(i)).sum().item()) for i in range(10)}
    assert len(found) == 10


def test_what_comes_in_from_outside_has_the_colour_of_the_canvas() -> None:
    found = apply_ops(frames(2), [DrawnOp("translate_x", 0.5)], CANVAS)
    assert (found[:, :, :14] == torch.tensor(CANVAS.fill)).all()
    assert torch.equal(found[:, :, 15:], frames(2)[:, :, :15])


def test_one_picture_is_a_clip_too() -> None:
    options: Any = parse("rand-m9-n6-mstd0.5-inc1")
    assert options(frames(1), generator_for(0)).shape == (1, 20, 30, 3)
