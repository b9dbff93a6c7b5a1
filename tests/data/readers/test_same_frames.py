"""All readers give the same frames for the same request, whatever kind of file they lie in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.source import open_source
from slowfast.data.readers.tar_writer import write_shard
from slowfast.data.readers.torchcodec import open_torchcodec, torchcodec_fault
from slowfast.data.record import Record

REQUESTS = 20
LEVELS = 3  # of 255 that decoders may differ by


def requests(name: str, num_frames: int) -> list[list[int]]:
    """Random increasing frame numbers, one to eight at a time."""
    generator = Generator().manual_seed(crc32(name.encode()))
    drawn = []
    for _ in range(REQUESTS):
        size = int(torch.randint(1, min(8, num_frames) + 1, (1,), generator=generator))
        drawn.append(torch.randperm(num_frames, generator=generator)[:size].sort()[0].tolist())
    return drawn


@pytest.fixture(scope="module")
def whole(odd_video: Any) -> Callable[[str], Tensor]:
    """Name of a kind -> all its frames by PyAV, from the first to the last."""
    decoded: dict[str, Tensor] = {}

    def get(name: str) -> Tensor:
        if name not in decoded:
            with open_video(odd_video(name).path) as source:
                decoded[name] = source.read(range(source.num_frames))
        return decoded[name]

    return get


def test_frames_of_odd_files_are_right(
    odd_name: str, odd_video: Any, whole: Callable[[str], Tensor], read_numbers: Callable
) -> None:
    video, frames = odd_video(odd_name), whole(odd_name)
    assert (frames.shape[2], frames.shape[1]) == video.size
    assert read_numbers(video.as_stored(frames)) == video.numbers


def file_of(path: Path, folder: Path) -> Any:
    return open_source(Record(str(path)))


def shard_of(path: Path, folder: Path) -> Any:
    write_shard(folder / "shard.tar", [("other", Path(__file__)), (f"a/{path.name}", path)])
    return open_source(Record(f"{folder}/shard.tar#a/{path.name}"))


def torchcodec_of(path: Path, folder: Path) -> Any:
    return open_source(Record(str(path)), open_file=open_torchcodec)


def torchcodec_shard_of(path: Path, folder: Path) -> Any:
    shard_of(path, folder)
    return open_source(Record(f"{folder}/shard.tar#a/{path.name}"), open_file=open_torchcodec)


READERS: dict[str, Callable[[Path, Path], Any]] = {"file": file_of, "shard": shard_of}
if not torchcodec_fault():
    READERS |= {"torchcodec": torchcodec_of, "torchcodec from a shard": torchcodec_shard_of}


@pytest.mark.parametrize("reader", READERS)
def test_any_frames_are_those_of_the_whole_video(
    odd_name: str,
    reader: str,
    odd_video: Any,
    whole: Callable[[str], Tensor],
    tmp_path: Path,
) -> None:
    expected = whole(odd_name)
    levels = LEVELS if "torchcodec" in reader else 0
    with READERS[reader](odd_video(odd_name).path, tmp_path) as source:
        assert source.num_frames == len(expected)
        for wanted in requests(odd_name, len(expected)):
            found = torch.stack(list(source.frames(wanted)))
            assert found.shape == expected[wanted].shape
            difference = (found.int() - expected[wanted].int()).abs().max()
            assert difference <= levels, wanted


PICTURES = ("jpg", "png", "webp", "bmp")


@pytest.mark.parametrize("suffix", PICTURES)
def test_pictures_of_a_video_are_its_frames(
    suffix: str, odd_video: Any, whole: Callable[[str], Tensor], tmp_path: Path, read_numbers: Any
) -> None:
    name = "full_chroma.mkv"
    expected = whole(name)
    for number, frame in enumerate(expected):
        Image.fromarray(frame.numpy()).save(tmp_path / f"{number + 1}.{suffix}", quality=95)
    with open_source(Record(str(tmp_path))) as source:
        assert source.num_frames == len(expected)
        for wanted in requests(name, len(expected)):
            found = torch.stack(list(source.frames(wanted)))
            assert read_numbers(found) == [odd_video(name).numbers[i] for i in wanted]
            error = (found.float() - expected[wanted].float()).abs().mean()
            assert error <= (2.5 if suffix in ("jpg", "webp") else 0)
