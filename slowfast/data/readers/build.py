"""A config -> what opens the videos of its lists."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch

from slowfast.data.readers.pyav import open_video
from slowfast.data.readers.source import OpenFile, OpenSource, open_source
from slowfast.data.readers.torchcodec import open_torchcodec, torchcodec_fault
from slowfast.log import LOGGER


def open_source_from_cfg(cfg: Any) -> OpenSource:
    """Opens the frames of a record with the decoder that DATA.DECODING_BACKEND names.

    Raises:
        ValueError: DATA.DECODE_DEVICE asks for what is not there.
    """
    return partial(
        open_source,
        max_pixels=cfg.DATA.MAX_PIXELS,
        picture_fps=cfg.DATA.PICTURE_FPS,
        open_file=_open_file_from_cfg(cfg),
    )


def _open_file_from_cfg(cfg: Any) -> OpenFile:
    backend, device = cfg.DATA.DECODING_BACKEND, cfg.DATA.DECODE_DEVICE
    if device == "cuda":
        _check_cuda_from_cfg(cfg)
    if backend != "torchcodec":
        return open_video
    fault = torchcodec_fault(device)
    if fault and device == "cuda":
        raise ValueError(
            f"DATA.DECODE_DEVICE is 'cuda', but torchcodec does not work there: {fault}; set it "
            "to 'cpu'"
        )
    if fault:
        _say(
            f"DATA.DECODING_BACKEND is 'torchcodec', which does not work here: {fault}. PyAV reads "
            "the videos instead, with the same frames (docs/readers.md)"
        )
        return open_video
    _say("torchcodec decodes H.264 and HEVC of 8 bits in MP4 and Matroska, PyAV other videos")
    return partial(open_torchcodec, device=device)


def _check_cuda_from_cfg(cfg: Any) -> None:
    key = "DATA.DECODE_DEVICE is 'cuda'"
    if cfg.DATA.DECODING_BACKEND != "torchcodec":
        raise ValueError(
            f"{key}, but DATA.DECODING_BACKEND is {cfg.DATA.DECODING_BACKEND!r}, which decodes on "
            "the CPU; set it to 'torchcodec'"
        )
    if not torch.cuda.is_available():
        raise ValueError(f"{key}, but PyTorch finds no CUDA device; set it to 'cpu'")
    if cfg.DATA_LOADER.NUM_WORKERS:
        raise ValueError(
            f"{key}, but DATA_LOADER.NUM_WORKERS is {cfg.DATA_LOADER.NUM_WORKERS}: worker "
            "processes can't use CUDA; set it to 0"
        )


@cache
def _say(line: str) -> None:
    """Once a process, although each split has its data set."""
    LOGGER.info(line)
