"""Pictures -> an H.264 file that browsers and players show, one picture in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

X264 = {"crf": "20", "preset": "veryfast", "x264-params": "threads=1"}


def write_video(path: Path, pictures: Iterable[Image.Image], *, fps: float) -> int:
    """Write pictures of one size, with even sides, whole or not at all.

    Returns:
        The number of pictures.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream("libx264", rate=rate, options=X264)
            stream.pix_fmt = "yuv420p"
            for picture in pictures:
                if not count:
                    stream.width, stream.height = picture.size
                frame = av.VideoFrame.from_image(picture)
                container.mux(stream.encode(frame))
                count += 1
            if count:
                container.mux(stream.encode(None))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count
