"""Where files are: one path manager, so that a path may also be a URL or a mounted store."""

from __future__ import annotations

from iopath.common.file_io import HTTPURLHandler, PathManager

PATHS = PathManager()
PATHS.register_handler(HTTPURLHandler())


def local_path(path: str) -> str:
    """The path itself, or the local copy of what a URL names (cached by iopath)."""
    return PATHS.get_local_path(path)
