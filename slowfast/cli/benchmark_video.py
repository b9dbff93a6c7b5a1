"""Writes a file like those of Kinetics, so that a benchmark needs no data."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_benchmark_video(
    path: Path,
    *,
    width: int,
    height: int,
    seconds: int = 10,
    fps: int = 30,
    gop: int = 250,
    tune: str = "",
) -> None:
    """H.264 in MP4 with B-frames: a textured background that drifts, and noise.

    Args:
        gop: frames from one key frame to the next.
        tune: what x264 is to favour, such as "fastdecode".
    """
    random = np.random.default_rng(0)
    texture = random.integers(0, 256, (height // 8 + 16, width // 8 + 64, 3), dtype=np.uint8)
    texture = texture.repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        options = {"g": str(gop), "crf": "23", "preset": "medium", "threads": "2"}
        options |= {"tune": tune} if tune else {}
        stream = container.add_stream("libx264", rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(seconds * fps):
            shift = t % 64
            picture = texture[shift : shift + height, 2 * shift : 2 * shift + width].astype(int)
            picture += random.integers(-6, 7, (height, width, 1))
            frame = av.VideoFrame.from_ndarray(
                picture.clip(0, 255).astype(np.uint8), format="rgb24"
            )
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
