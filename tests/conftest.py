"""Fixtures that several tests share: a small copy of the built-in data set and its config."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Networks of the tests are too small for threads to pay, and machines that run tests are shared:
# threads that wait for each other there cost a hundred times what they save.
os.environ["OMP_NUM_THREADS"] = "1"  # read by PyTorch here and in the processes that tests start

# PyTorch is imported by what needs it: pytest-xdist's first process, which only hands out tests,
# need not, and the others wait for it.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a time limit of their own are the longest: last, they would run alone."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A run sends the log to its console and its files, which are not those of the next test."""
    log = logging.getLogger("slowfast")
    before = log.handlers[:], log.level, log.propagate
    yield
    for handler in log.handlers:
        if handler not in before[0]:
            handler.close()
    log.handlers[:], log.level, log.propagate = before


@pytest.fixture(scope="session")
def motions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 training, 8 validation and 12 test clips of `motions`."""
    from slowfast.data.datasets.motions import make_motions

    folder = tmp_path_factory.mktemp("motions")
    make_motions(folder, sizes=(24, 8, 12), workers=0)
    return folder


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training and 6 validation clips with up to three objects, and their frames."""
    from slowfast.data.datasets.motions_objects import make_motion_objects

    folder = tmp_path_factory.mktemp("objects")
    return make_motion_objects(folder, sizes=(12, 6), most=3, pictures=True, workers=0)


@pytest.fixture(scope="session")
def tiny_in(motions: Path) -> Callable[[Path], list[str]]:
    """The overrides of `tiny` for another folder than that of one test."""
    settings = {
        "DATA.PATH_TO_DATA_DIR": motions,
        "DATA.PATH_PREFIX": motions,
        "DATA.TRAIN_CROP_SIZE": 32,
        "DATA.TRAIN_JITTER_SCALES": [32, 40],
        "DATA.TEST_CROP_SIZE": 32,
        "DATA_LOADER.NUM_WORKERS": 0,
        "LOG_MODEL_INFO": False,
        "LOG_PERIOD": 1,
        "RESNET.WIDTH_PER_GROUP": 8,
        "SOLVER.MAX_EPOCH": 2,
        "SOLVER.WARMUP_EPOCHS": 0.5,
        "TEST.NUM_ENSEMBLE_VIEWS": 2,
        "TRAIN.BATCH_SIZE": 4,
        "TRAIN.CHECKPOINT_PERIOD": 1,
        "TRAIN.EVAL_PERIOD": 1,
        "TRAIN.MIXED_PRECISION": False,
        "TEST.MIXED_PRECISION": False,
    }
    shared = [str(part) for pair in settings.items() for part in pair]
    return lambda folder: [*shared, "OUTPUT_DIR", str(folder)]


@pytest.fixture
def tiny_boxes(tiny: list[str], objects: Path) -> list[str]:
    """The same for configs/Motions/SLOWFAST_TINY_DETECTION.yaml."""
    settings = {
        "AVA.ANNOTATION_DIR": objects / "boxes",
        "AVA.VIDEO_DIR": objects / "videos",
        "DATA.TRAIN_CROP_SIZE": 48,
        "DATA.TRAIN_JITTER_SCALES": [48, 56],
        "DATA.TEST_CROP_SIZE": 48,
        "SOLVER.MAX_EPOCH": 1,
    }
    return [*tiny, *(str(part) for pair in settings.items() for part in pair)]


@pytest.fixture
def tiny(tiny_in: Callable[[Path], list[str]], tmp_path: Path) -> list[str]:
    """Overrides that make configs/Motions/SLOWFAST_TINY.yaml a matter of seconds."""
    return tiny_in(tmp_path / "run")
