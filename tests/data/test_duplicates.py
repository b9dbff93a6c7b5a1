"""Mirrors slowfast/data/duplicates.py."""

from __future__ import annotations

from pathlib import Path

import av
import torch

from slowfast.data.duplicates import groups, look_alikes
from slowfast.data.inspection import brightness_steps, inspect
from slowfast.data.record import Record


def look(seed: int, *, flips: int = 0) -> str:
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(2, (8 * 64,), generator=generator)
    bits[torch.randperm(len(bits), generator=generator)[:flips]] ^= 1
    digits = "".join(map(str, bits.tolist()))
    return "".join(f"{int(digits[i : i + 64], 2):016x}" for i in range(0, 512, 64))


def test_groups_share_a_value() -> None:
    assert groups({"a": "1", "b": "2", "c": "1", "d": "", "e": ""}) == [["a", "c"]]


def test_copies_look_alike_and_others_do_not() -> None:
    looks = {"a": look(0), "b": look(1), "a again": look(0, flips=30), "far": look(0, flips=90)}
    assert list(look_alikes(looks)) == [("a", "a again")]


def test_pictures_without_content_say_nothing() -> None:
    assert list(look_alikes({"black": "0" * 128, "dark": "0" * 128})) == []
    assert brightness_steps(torch.full((48, 64, 3), 20, dtype=torch.uint8)) == 0


def film(path: Path, seed: int, *, size: tuple[int, int], crf: str) -> Path:
    """Light and shade that move, as in any filmed scene."""
    coarse = torch.rand(1, 1, 6, 8, 10, generator=torch.Generator().manual_seed(seed))
    width, height = size
    shade = torch.nn.functional.interpolate(coarse, (24, height, width), mode="trilinear")[0, 0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": crf})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in (shade * 255).byte():
            frame = av.VideoFrame.from_ndarray(picture.numpy(), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_a_smaller_copy_with_stronger_compression_is_found(tmp_path: Path) -> None:
    files = {
        "one": film(tmp_path / "1.mp4", 0, size=(160, 120), crf="20"),
        "copy": film(tmp_path / "2.mp4", 0, size=(96, 72), crf="32"),
        "other": film(tmp_path / "3.mp4", 1, size=(160, 120), crf="20"),
    }
    looks = {name: inspect(Record(str(path))).look for name, path in files.items()}
    assert list(look_alikes(looks)) == [("one", "copy")]
