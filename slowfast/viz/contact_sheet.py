"""Clips of a batch as one picture, a row of frames each: to look at what a network is shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from slowfast.data.batch import Batch
from slowfast.viz.text_font import text_font

MOST_FRAMES = 8  # in a row
GAP = 4  # pixels between frames
CAPTION = 20  # pixels above a row
HIDDEN = 0.25  # brightness that is left of hidden patches
PAPER, INK = (250, 250, 248), (40, 40, 40)


def contact_sheet(
    batches: Sequence[Batch], *, count: int, class_names: Sequence[str] = ()
) -> Image.Image:
    """Frames of each clip, evenly spread, below the name of its file and its label.

    Args:
        batches: clips (N, T, S, S, 3), from 0 to 255; what lies outside is cut off.
        count: clips to show, if there are so many.
        class_names: numbers stand for classes that have none.

    Raises:
        ValueError: there is no clip.
    """
    clips = [(batch, n) for batch in batches for n in range(len(batch))][:count]
    if not clips:
        raise ValueError("there is no clip to show: no video of these batches can be read")
    rows = [_frames(batch, n) for batch, n in clips]
    size = rows[0].shape[1]
    width = len(rows[0]) * (size + GAP) + GAP
    sheet = Image.new("RGB", (width, len(rows) * (size + CAPTION) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = text_font(11)
    for row, (frames, (batch, n)) in enumerate(zip(rows, clips, strict=True)):
        top = row * (size + CAPTION)
        draw.text((GAP, top + GAP), _caption(batch, n, class_names), fill=INK, font=font)
        for column, frame in enumerate(frames):
            place = (GAP + column * (size + GAP), top + CAPTION)
            sheet.paste(Image.fromarray(frame.numpy()), place)
    return sheet


def write_contact_sheet(sheet: Image.Image, path: str | os.PathLike[str]) -> None:
    """Save as the kind of picture that the name ends with.

    Raises:
        ValueError: the name ends with no kind of picture.
    """
    try:
        sheet.save(path)
    except ValueError as error:
        raise ValueError(
            f"{os.fspath(path)}: expected the name of a picture such as clips.png; {error}"
        ) from error


def _frames(batch: Batch, n: int) -> Tensor:
    """Some frames of clip ``n``, uint8 (F, S, S, 3) on the CPU."""
    clip = batch.clips[n].float().cpu()
    if batch.masks is not None:
        mask = batch.masks[n].float().cpu()
        hidden = F.interpolate(mask[None, None], size=clip.shape[:3], mode="nearest")[0, 0]
        clip = clip * (1 - (1 - HIDDEN) * hidden[..., None])
    shown = min(len(clip), MOST_FRAMES)
    index = torch.linspace(0, len(clip) - 1, shown).round().long()
    return clip[index].round().clamp(0, 255).to(torch.uint8)


def _caption(batch: Batch, n: int, names: Sequence[str]) -> str:
    def name(label: int) -> str:
        return names[label] if label < len(names) else str(label)

    file = PurePath(batch.paths[n]).name
    label = batch.labels[n].cpu()
    if label.ndim == 0:
        return f"{file}  {name(int(label))}"
    shares, classes = label.topk(min(2, len(label)))
    parts = [
        f"{name(k)} {share:.2f}"
        for share, k in zip(shares.tolist(), classes.tolist(), strict=True)
        if share > label.min()  # more than what smoothing gives to every class
    ]
    return f"{file}  {' + '.join(parts)}"
