"""Looks over the videos of a list before anything is trained on them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from functools import partial

from slowfast.data.manifest import Manifest
from slowfast.data.readers.pyav import MAX_PIXELS, open_video
from slowfast.data.readers.video_error import VideoError


def check_videos(
    manifest: Manifest, *, workers: int = 1, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[str, str]]:
    """(path, cause) of each video, decoded from beginning to end; no cause: it can be read."""
    paths = (manifest[i].path for i in range(len(manifest)))
    check = partial(_check, max_pixels=max_pixels)
    if workers <= 1:
        yield from map(check, paths)
        return
    # A fresh interpreter a process: a forked one may inherit locks of threads it does not have.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(check, paths, chunksize=4)


def _check(path: str, *, max_pixels: int) -> tuple[str, str]:
    try:
        with open_video(path, max_pixels=max_pixels) as source:
            for _ in source.frames(range(source.num_frames)):
                pass
    except VideoError as error:
        return path, error.fault
    return path, ""
