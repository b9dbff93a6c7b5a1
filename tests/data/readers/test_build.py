"""Mirrors slowfast/data/readers/build.py: which decoder a config gets, and what it is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.config import get_cfg
from slowfast.data.readers import build
from slowfast.data.readers.build import open_source_from_cfg
from slowfast.data.readers.pyav import PyavSource, open_video
from slowfast.data.readers.torchcodec import open_torchcodec
from slowfast.data.record import Record


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    build._say.cache_clear()
    yield
    build._say.cache_clear()


def configure(**data: Any) -> Any:
    cfg = get_cfg()
    cfg.DATA.update(data)
    cfg.DATA_LOADER.NUM_WORKERS = 0
    return cfg


@pytest.mark.parametrize("backend", ["torchvision", "pyav", "decord"])
def test_public_names_stand_for_pyav(backend: str, video: Path) -> None:
    open_source: Any = open_source_from_cfg(configure(DECODING_BACKEND=backend))
    assert open_source.keywords["open_file"] is open_video
    with open_source(Record(str(video))) as source:
        assert isinstance(source, PyavSource)


def test_settings_reach_the_readers() -> None:
    open_source: Any = open_source_from_cfg(configure(MAX_PIXELS=1234, PICTURE_FPS=12.0))
    assert open_source.keywords["max_pixels"] == 1234
    assert open_source.keywords["picture_fps"] == 12.0


def test_torchcodec_is_used_where_it_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(build, "torchcodec_fault", lambda device: "")
    with caplog.at_level(logging.INFO, "slowfast"):
        open_source: Any = open_source_from_cfg(configure(DECODING_BACKEND="torchcodec"))
    assert open_source.keywords["open_file"].func is open_torchcodec
    assert open_source.keywords["open_file"].keywords == {"device": "cpu"}
    assert "torchcodec decodes H.264 and HEVC of 8 bits" in caplog.text


def test_without_it_one_line_says_why_and_pyav_reads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(build, "torchcodec_fault", lambda device: "no such library")
    with caplog.at_level(logging.INFO, "slowfast"):
        for _ in range(3):  # train, val and test
            opened: Any = open_source_from_cfg(configure(DECODING_BACKEND="torchcodec"))
            assert opened.keywords["open_file"] is open_video
    (line,) = caplog.messages
    assert "which does not work here: no such library. PyAV reads the videos instead" in line


def test_cuda_is_refused_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"DATA\.DECODING_BACKEND is 'torchvision'"):
        open_source_from_cfg(configure(DECODE_DEVICE="cuda"))
    cfg = configure(DECODE_DEVICE="cuda", DECODING_BACKEND="torchcodec")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no CUDA device; set it to 'cpu'"):
        open_source_from_cfg(cfg)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(build, "torchcodec_fault", lambda device: f"nothing on {device}")
    with pytest.raises(ValueError, match="torchcodec does not work there: nothing on cuda; set"):
        open_source_from_cfg(cfg)
    monkeypatch.setattr(build, "torchcodec_fault", lambda device: "")
    opened: Any = open_source_from_cfg(cfg)
    assert opened.keywords["open_file"].keywords == {"device": "cuda"}
    cfg.DATA_LOADER.NUM_WORKERS = 2
    with pytest.raises(ValueError, match="NUM_WORKERS is 2: worker processes can't use CUDA"):
        open_source_from_cfg(cfg)
