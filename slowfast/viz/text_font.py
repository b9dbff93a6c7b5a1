"""The font of text in pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import ImageFont


@cache
def text_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, as charts have it: Pillow's own font has no letters beyond English ones.

    Args:
        size: pixels.
    """
    import matplotlib  # takes long to load, and few runs draw text

    return ImageFont.truetype(
        str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size
    )
