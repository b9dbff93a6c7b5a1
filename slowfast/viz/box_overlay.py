"""Boxes with labels in a picture: what was found green and on top, what is annotated red, below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from PIL import Image, ImageDraw

from slowfast.engine.keyframe_boxes import LabelledBox
from slowfast.viz.text_font import text_font

FOUND, ANNOTATED = (22, 130, 62), (196, 36, 36)  # white text reads on both
BRIGHT = {FOUND: (72, 232, 128), ANNOTATED: (255, 84, 84)}  # lines, on pictures of any colour
PAPER, INK = (20, 24, 30), (226, 230, 236)
TINT = 215  # of 255, how much a label hides of the picture
MOST_LINES = 6  # labels of a box; how many more there are is said below
WIDEST = 0.45  # of the picture, a label

Place = tuple[float, float, float, float]  # x1, y1, x2, y2, pixels


@dataclass(frozen=True)
class Label:
    """Lines of text of a box, and how high each is.

    Args:
        corners: of the box, pixels.
        above: whether it belongs on the upper edge.
    """

    lines: tuple[str, ...]
    corners: Place
    above: bool
    width: float
    line_height: float

    @property
    def height(self) -> float:
        return self.line_height * len(self.lines)


def draw_boxes(
    picture: Image.Image,
    found: Sequence[LabelledBox],
    annotated: Sequence[LabelledBox],
    *,
    outline: float = 1.0,
) -> Image.Image:
    """A copy of the picture with boxes, and their labels where they hide the least of each other.

    Labels of found boxes are on the upper edge, with their scores; those of annotated boxes on
    the lower one; all of them inside of the picture.

    Args:
        outline: how much the boxes, not their labels, hide of the picture, from 0 to 1.
    """
    size = text_size(picture.size)
    width = max(2, round(size / 6))
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    labels = []
    for boxes, colour, above in ((annotated, ANNOTATED, False), (found, FOUND, True)):
        for box in boxes:
            corners = _pixels(box.corners, picture.size)
            # Side by side where they agree, so that neither hides the other.
            area = _inside(corners, width if above else 0)
            draw.rectangle(area, outline=(*BRIGHT[colour], round(255 * outline)), width=width)
            labels.append(_label(box, corners, picture.size, size=size, above=above))
    for label, (x, y) in zip(labels, place_labels(labels, picture.size), strict=True):
        if not label.lines:
            continue
        end = (x + label.width - 1, y + label.height - 1)
        draw.rectangle((x, y, *end), fill=(*(FOUND if label.above else ANNOTATED), TINT))
        for i, text in enumerate(label.lines):
            place = (x + size / 3, y + (i + 0.5) * label.line_height)
            draw.text(place, text, fill="white", font=text_font(size), anchor="lm")
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def add_caption(picture: Image.Image, caption: str, threshold: float) -> Image.Image:
    """A strip below the picture: what it is of, and what the colours mean."""
    size = text_size(picture.size)
    strip = round(1.9 * size) // 2 * 2
    canvas = Image.new("RGB", (picture.width, picture.height + strip), PAPER)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    middle, font = picture.height + strip / 2, text_font(size)
    right = picture.width - size / 2
    for text, colour in (("annotated", ANNOTATED), (f"found, {threshold:g} and over", FOUND)):
        draw.text((right, middle), text, fill=INK, font=font, anchor="rm")
        right -= font.getlength(text) + size / 2
        square = (right - 0.7 * size, middle - 0.35 * size, right, middle + 0.35 * size)
        draw.rectangle(square, fill=colour)
        right -= 1.6 * size
    draw.text((size / 2, middle), _cut(caption, size, right), fill=INK, font=font, anchor="lm")
    return canvas


def text_size(size: tuple[int, int]) -> int:
    """Of labels in a picture, pixels."""
    return max(11, round(min(size) / 32))


def place_labels(labels: Sequence[Label], size: tuple[int, int]) -> list[tuple[float, float]]:
    """Upper left corners, inside of a picture of that size, with as little overlap as may be."""
    taken: list[Place] = []
    places = []
    for label in labels:
        best, least = (0.0, 0.0), float("inf")
        for rank, (x, y) in enumerate(_candidates(label)):
            x = min(max(x, 0), max(size[0] - label.width, 0))
            y = min(max(y, 0), max(size[1] - label.height, 0))
            area = (x, y, x + label.width, y + label.height)
            # An earlier place is a better one, but not as good as one that hides nothing.
            cost = sum(_shared(area, other) for other in taken) + rank * 1e-3
            if cost < least:
                best, least = (x, y), cost
        places.append(best)
        taken.append((*best, best[0] + label.width, best[1] + label.height))
    return places


def _candidates(label: Label) -> Iterator[tuple[float, float]]:
    """Outside of the edge that it belongs to, inside of it, then away from it."""
    x1, y1, x2, y2 = label.corners
    step = label.line_height
    if label.above:
        heights = [y1 - label.height, y1, y1 + step, y1 - label.height - step, y1 + 2 * step]
    else:
        heights = [y2, y2 - label.height, y2 - label.height - step, y2 + step, y2 + 2 * step]
    across = [x1, x2 - label.width, (x1 + x2 - label.width) / 2]
    for y, x in product(heights, across):
        yield x, y


def _shared(a: Place, b: Place) -> float:
    """Square pixels that both cover."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def _label(
    box: LabelledBox, corners: Place, picture: tuple[int, int], *, size: int, above: bool
) -> Label:
    shown = MOST_LINES if len(box.labels) <= MOST_LINES else MOST_LINES - 1
    widest = WIDEST * picture[0]
    lines = []
    for name, score in zip(box.labels[:shown], box.scores, strict=False):
        number = f" {score:.2f}" if above else ""
        lines.append(_cut(name, size, widest - text_font(size).getlength(number)) + number)
    if len(box.labels) > shown:
        lines.append(f"+ {len(box.labels) - shown} more")
    width = max((text_font(size).getlength(line) for line in lines), default=0.0) + size * 2 / 3
    return Label(tuple(lines), corners, above, width, round(1.3 * size))


def _cut(text: str, size: int, width: float) -> str:
    """As much of a text as there is room for."""
    if text_font(size).getlength(text) <= width:
        return text
    while text and text_font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _pixels(corners: tuple[float, ...], size: tuple[int, int]) -> Place:
    """Inside of the picture: detectors reach a little over its edge."""
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in corners)
    right, bottom = size[0] - 1, size[1] - 1
    return round(x1 * right), round(y1 * bottom), round(x2 * right), round(y2 * bottom)


def _inside(corners: Place, by: float) -> Place:
    """Smaller on each side, if there is enough of it."""
    x1, y1, x2, y2 = corners
    by = max(min(by, (x2 - x1) / 2 - 1, (y2 - y1) / 2 - 1), 0)
    return x1 + by, y1 + by, x2 - by, y2 - by
