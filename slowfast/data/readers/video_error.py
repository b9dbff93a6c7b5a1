"""The one error of all readers: this file is not a video that can be used, and why."""

from __future__ import annotations


class VideoError(ValueError):
    """``path: what was expected, what was found, what to do``."""
