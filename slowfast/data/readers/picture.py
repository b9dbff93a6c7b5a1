"""A decoded frame -> RGB as displayed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from torch import Tensor

# PyAV starts threads for the conversion where it can; older versions have no such argument.
_ONE_THREAD = {"threads": 1} if "threads" in (VideoReformatter.reformat.__doc__ or "") else {}


class Converter:
    """Converts the frames of one video: full-resolution RGB, turned the way they are displayed.

    Phones store what their sensor sees and note the turn; so a decoded frame may lie on its side.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._turn: tuple[bool, bool, bool] | None = None  # transpose, mirror x, mirror y

    def __call__(self, frame: Any) -> Tensor:
        """uint8 (H, W, 3); a view of memory that the result keeps alive."""
        if self._turn is None:
            self._turn = display_turn(frame)
        rgb = self._reformatter.reformat(frame, format="rgb24", **_ONE_THREAD)
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        image = rows[: rgb.height, : rgb.width * 3].reshape(rgb.height, rgb.width, 3)
        transpose, mirror_x, mirror_y = self._turn
        if transpose:
            image = image.transpose(1, 0, 2)
        if mirror_x:
            image = image[:, ::-1]
        if mirror_y:
            image = image[::-1]
        return torch.from_numpy(np.ascontiguousarray(image) if any(self._turn) else image)


def display_turn(frame: Any) -> tuple[bool, bool, bool]:
    """(transpose, then mirror in x, mirror in y) that the frame's display matrix asks for.

    The matrix (a b u, c d v, x y w) takes column p and row q to a p + c q and b p + d q
    (ISO/IEC 14496-12, Sec. 6.2.2); other angles than right ones are rounded to the nearest.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return False, a < 0, d < 0
            return True, c < 0, b < 0
    return False, False, False
