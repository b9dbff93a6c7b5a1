"""Mirrors slowfast/viz/text_font.py."""

from __future__ import annotations

import pytest

from slowfast.viz.text_font import text_font


@pytest.mark.parametrize("letter", list("üßéłŻяΩışđ…×"))
def test_letters_of_many_languages_are_drawn(letter: str) -> None:
    font = text_font(14)
    unknown, shown = font.getmask("\U0010fffe"), font.getmask(letter)
    assert (shown.size, bytes(shown)) != (unknown.size, bytes(unknown))
