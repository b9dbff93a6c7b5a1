"""Mirrors slowfast/data/datasets/official_splits.py: UCF101 and HMDB51."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slowfast.data.datasets.build import build_loader, class_names_from_cfg
from slowfast.data.datasets.official_splits import read_hmdb51, read_ucf101

YAML = "Kinetics/SLOW_4x16_R50.yaml"


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    (tmp_path / "classInd.txt").write_text("1 ApplyEyeMakeup\r\n2 Archery\r\n")
    (tmp_path / "trainlist01.txt").write_text(
        "ApplyEyeMakeup/v_g08_c01.avi 1\nArchery/v_g08_c02.avi 2\n"
    )
    (tmp_path / "testlist01.txt").write_text("Archery/v_g01_c01.avi\n")
    return tmp_path


@pytest.fixture
def hmdb(tmp_path: Path) -> Path:
    (tmp_path / "wave_test_split1.txt").write_text("w#1 (a).avi 1 \nw2.avi 2 \nw3.avi 0 \n")
    (tmp_path / "brush_hair_test_split1.txt").write_text("b1.avi 2 \nb2.avi 1 \n")
    return tmp_path


def rows(manifest: Any) -> list[tuple[str, int]]:
    return [(manifest[i].path, manifest[i].label) for i in range(len(manifest))]


def place(names: list[tuple[str, int]], prefix: Path, make_video: Callable[..., Path]) -> None:
    for name, _ in names:
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(prefix / name, range(20), codec="mpeg4", format="avi")


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_through_the_loaders(
    name: str, request: pytest.FixtureRequest, recipe: Callable[..., Any],
    make_video: Callable[..., Path],
) -> None:  # fmt: skip
    folder = request.getfixturevalue("ucf" if name == "ucf101" else "hmdb")
    read = {"ucf101": read_ucf101, "hmdb51": read_hmdb51}[name]
    for split in ("train", "test"):
        place(rows(read(folder, split)), folder / "videos", make_video)
    cfg = recipe(
        YAML,
        TRAIN__DATASET=name,
        TEST__DATASET=name.upper(),
        MODEL__NUM_CLASSES=2,
        DATA__PATH_TO_DATA_DIR=folder,
        DATA__PATH_PREFIX=folder / "videos",
        DATA__USE_OFFSET_SAMPLING=True,
        TEST__NUM_ENSEMBLE_VIEWS=2,
    )
    (batch,) = build_loader(cfg, "train")
    assert sorted(batch.labels.tolist()) == [0, 1]
    expected = {"ucf101": [1], "hmdb51": [0, 1]}[name]
    assert [
        label for batch in build_loader(cfg, "val") for label in batch.labels.tolist()
    ] == expected
    assert [sample.label for sample in build_loader(cfg, "test")] == expected
    assert class_names_from_cfg(cfg) == {
        "ucf101": ["ApplyEyeMakeup", "Archery"], "hmdb51": ["brush_hair", "wave"]
    }[name]  # fmt: skip
    # Lists in the format of Kinetics are taken first.
    first = rows(read(folder, "train"))[0][0]
    (folder / "val.csv").write_text(f"{first} 1\n")
    assert [batch.labels.tolist() for batch in build_loader(cfg, "val")] == [[1]]


def test_lines_of_hmdb51(hmdb: Path) -> None:
    assert rows(read_hmdb51(hmdb, "train", prefix="/v")) == [
        ("/v/brush_hair/b2.avi", 0), ("/v/wave/w#1 (a).avi", 1)
    ]  # fmt: skip
    assert rows(read_hmdb51(hmdb, "val")) == [("brush_hair/b1.avi", 0), ("wave/w2.avi", 1)]
    with pytest.raises(ValueError, match=r"expected the split files <class>_test_split2.txt or"):
        read_hmdb51(hmdb, "train", number=2)
    (hmdb / "wave_test_split1.txt").write_text("w1.avi 3\n")
    with pytest.raises(
        ValueError, match=r"wave_test_split1.txt:1: expected 'video.avi' and 0, 1 or"
    ):
        read_hmdb51(hmdb, "train")


def test_lists_that_contradict_the_classes(
    ucf: Path, hmdb: Path, recipe: Callable[..., Any]
) -> None:
    (ucf / "trainlist02.txt").write_text("Archery/v.avi 2\nArchery/w \xe9.avi 1\n", "latin-1")
    with pytest.raises(ValueError, match=r"trainlist02.txt:2: expected the number 2 .*classInd"):
        read_ucf101(ucf, "train", number=2)
    (ucf / "trainlist02.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"trainlist02.txt: expected videos of the split, found"):
        read_ucf101(ucf, "train", number=2)
    (hmdb / "wave_test_split3.txt").write_text("w1.avi 0 \n")
    with pytest.raises(ValueError, match=r"_test_split3.txt: expected videos of the split, found"):
        read_hmdb51(hmdb, "train", number=3)
    for name in ("ucf101", "hmdb51"):
        keys = {"TRAIN__DATASET": name, "DATA__PATH_TO_DATA_DIR": ucf, "MODEL__NUM_CLASSES": 1}
        with pytest.raises(ValueError, match=r"found 2 classes, but .*; set MODEL.NUM_CLASSES 2"):
            build_loader(recipe(YAML, **keys), "train")


def test_lines_of_ucf101(ucf: Path) -> None:
    with pytest.raises(ValueError, match=r"trainlist03.txt: expected a split file .* or train.csv"):
        read_ucf101(ucf, "train", number=3)
    (ucf / "testlist01.txt").write_text("\nRowing/v.avi\n")
    with pytest.raises(
        ValueError, match=r"testlist01.txt:2: expected 'Class/video.avi' .*'Rowing/v"
    ):
        read_ucf101(ucf, "test")
    (ucf / "classInd.txt").write_text("ApplyEyeMakeup 1\n")
    with pytest.raises(ValueError, match=r"classInd.txt:1: expected '1 ApplyEyeMakeup'"):
        read_ucf101(ucf, "test")
    (ucf / "classInd.txt").write_text("2 Archery\n")
    with pytest.raises(ValueError, match=r"classInd.txt: expected the numbers 1 to 1"):
        read_ucf101(ucf, "test")
