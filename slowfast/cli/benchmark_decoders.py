"""Other libraries' decoders at the work of a training item, where they are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slowfast.data.transforms.spatial import resize
from slowfast.data.window import Window


@dataclass(frozen=True)
class Request:
    """A training clip.

    Attributes:
        indices: its frames, increasing.
        first: the key frame before them, where decoding begins.
        window: what is kept of each.
    """

    indices: Sequence[int]
    first: int
    window: Window


Item = Callable[[Request], None]


def rival_items(
    path: Path, size: int, *, probe: Request
) -> tuple[dict[str, Item], list[tuple[str, str]]]:
    """Training items of other libraries by name, and (name, why) of those that cannot run.

    Args:
        probe: read once; some find out late that they cannot.
    """
    items: dict[str, Item] = {}
    missing: list[tuple[str, str]] = []
    for name, module, make in RIVALS:
        try:
            item = make(import_module(module), path, size)
            item(probe)
            items[name] = item
        except ImportError:
            missing.append((name, "not installed"))
        except (RuntimeError, OSError) as error:  # its libraries do not fit this machine
            missing.append((name, f"does not run here: {str(error).splitlines()[0][:60]}"))
    return items, missing


def _cut(frames: Tensor, window: Window, size: int) -> Tensor:
    """Crop before scale, as fast as it goes: on whole pixels, wherever the window lies."""
    rows, columns = window.rows, window.columns
    top, left = round(rows.start), round(columns.start)
    bottom = round(rows.start + rows.count * rows.step)
    right = round(columns.start + columns.count * columns.step)
    return resize(frames[:, top:bottom, left:right], (size, size))


def _decord(module: Any, path: Path, size: int) -> Item:
    def item(request: Request) -> None:
        reader = module.VideoReader(str(path), num_threads=1)
        frames = torch.from_numpy(reader.get_batch(list(request.indices)).asnumpy())
        _cut(frames, request.window, size)

    return item


def _torchcodec(module: Any, path: Path, size: int) -> Item:
    def item(request: Request) -> None:
        decoder = module.VideoDecoder(str(path), num_ffmpeg_threads=1, dimension_order="NHWC")
        _cut(decoder.get_frames_at(list(request.indices)).data, request.window, size)

    return item


def _opencv(module: Any, path: Path, size: int) -> Item:
    module.setNumThreads(1)

    def item(request: Request) -> None:
        options = [module.CAP_PROP_N_THREADS, 1]
        video = module.VideoCapture(str(path), module.CAP_FFMPEG, options)
        video.set(module.CAP_PROP_POS_FRAMES, request.indices[0])
        wanted, frames = set(request.indices), []
        for number in range(request.indices[0], request.indices[-1] + 1):
            video.grab()
            if number in wanted:
                frames.append(torch.from_numpy(video.retrieve()[1][..., ::-1].copy()))
        video.release()
        _cut(torch.stack(frames), request.window, size)

    return item


RIVALS: tuple[tuple[str, str, Callable[[Any, Path, int], Item]], ...] = (
    ("decord", "decord", _decord),
    ("torchcodec", "torchcodec.decoders", _torchcodec),
    ("OpenCV", "cv2", _opencv),
)
