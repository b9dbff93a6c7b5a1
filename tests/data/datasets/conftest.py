"""Public recipes on tiny data sets, and videos kept as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from slowfast.config import load_cfg

CONFIGS = Path(__file__).parents[3] / "configs"
SMALL = {
    "DATA.NUM_FRAMES": 8,
    "DATA.TEST_CROP_SIZE": 36,
    "DATA.TRAIN_CROP_SIZE": 32,
    "DATA.TRAIN_JITTER_SCALES": [40, 48],
    "DATA_LOADER.NUM_WORKERS": 0,
    "NUM_GPUS": 0,
    "RNG_SEED": 3,
    "TRAIN.BATCH_SIZE": 2,
}


@pytest.fixture
def recipe() -> Callable[..., Any]:
    """A YAML of configs/ at the size of the test videos; keyword SECTION__KEY sets a key."""

    def load(name: str, **keys: Any) -> Any:
        values = SMALL | {key.replace("__", "."): value for key, value in keys.items()}
        overrides = [str(part) for pair in values.items() for part in pair]
        return load_cfg(CONFIGS / name, overrides=overrides)

    return load


@pytest.fixture(scope="session")
def write_pictures(draw_number: Callable[[int], np.ndarray]) -> Callable[..., list[str]]:
    """Write frames with these numbers as pictures; returns their names."""

    def write(folder: Path, numbers: Sequence[int], pattern: str = "{:06d}.jpg") -> list[str]:
        folder.mkdir(parents=True)
        names = [pattern.format(i + 1) for i in range(len(numbers))]
        for name, number in zip(names, numbers, strict=True):
            Image.fromarray(draw_number(number)).save(folder / name, quality=95)
        return names

    return write
