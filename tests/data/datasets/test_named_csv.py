"""Mirrors slowfast/data/datasets/named_csv.py and label_names.py: tables with names of classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slowfast.data.datasets.build import build_dataset, build_loader, class_names_from_cfg
from slowfast.data.datasets.label_names import numbers_of_names
from slowfast.data.datasets.named_csv import names_in, read_named_csv

YAML = "Kinetics/SLOW_4x16_R50.yaml"
KEYS = {"TRAIN__DATASET": "csv", "TEST__DATASET": "csv", "MODEL__NUM_CLASSES": 2}


@pytest.fixture
def cfg(tmp_path: Path, videos: list[Path], recipe: Callable[..., Any]) -> Any:
    for split, chosen in (("train", videos[:4]), ("val", videos[4:6]), ("test", videos[6:7])):
        lines = [f'{v.name},"swim, crawl",x' if i % 2 else f"{v.name},dive,x"
                 for i, v in enumerate(chosen)]  # fmt: skip
        (tmp_path / f"{split}.csv").write_text("\n".join(["path,label,note", *lines, ""]))
    return recipe(YAML, **KEYS, DATA__PATH_TO_DATA_DIR=tmp_path,
                  DATA__PATH_PREFIX=videos[0].parent)  # fmt: skip


def test_train_val_and_test_through_the_loaders(cfg: Any, tmp_path: Path) -> None:
    (*_, batch) = build_loader(cfg, "train")
    assert batch.clips.shape == (2, 8, 32, 32, 3)
    assert batch.labels.tolist() == [row % 2 for row in batch.videos.tolist()]
    assert [batch.labels.tolist() for batch in build_loader(cfg, "val")] == [[0, 1]]
    # The test table has one of the classes only, which keeps its number.
    (tmp_path / "test.csv").write_text('label;path\n"swim, crawl";6.mp4\n')
    (sample,) = build_loader(cfg, "test")
    assert sample.label == 1
    assert class_names_from_cfg(cfg) == ["dive", "swim, crawl"]
    (tmp_path / "classes.txt").write_text("swim, crawl\ndive\n")
    assert build_dataset(cfg, "test").records[0].label == 0


def test_numbers_are_sorted_by_value(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("path\tlabel\na.mp4\t10\nb.mp4\t9\n\nc.mp4\t9\n")
    assert names_in(path) == ["9", "10"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a.mp4 3\n",
            r"train.csv:1: expected a header with the columns path and label, .*'kinetics",
        ),
        ("path,label\na.mp4\n", r"train.csv:2: expected a path and a label, found 'a.mp4'; quote"),
        (
            "path,label\na,running, fast\n",
            r"train.csv:2: expected 2 columns, found 'a,running,fast'",
        ),
        ('path,label\n"a.mp4,running\nb.mp4,running\n', r"train.csv:2: expected quotes around"),
        ("path,label\n\na.mp4, \n", r"train.csv:3: expected a path and a label"),
        ("path,label\na.mp4,runing\n", r"train.csv:2: .* found 'runing'; did you mean running\?"),
        ("path,label\n", r"train.csv: expected one video a line after the header, found none"),
    ],
)
def test_malformed_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_named_csv(path, {"running": 0, "swimming": 1})


def test_tables_that_are_missing_and_names_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"none.csv: expected a table with the header 'path,label'"
    ):
        read_named_csv(tmp_path / "none.csv", {})
    with pytest.raises(ValueError, match=r"list: expected each class once, found 'a' twice"):
        numbers_of_names(["a", "b", "a"], 3, "list")
    with pytest.raises(
        ValueError, match=r"list: found 2 classes \(a, b\), .* set MODEL.NUM_CLASSES 2"
    ):
        numbers_of_names(["a", "b"], 400, "list")


def test_several_labels_in_a_cell_are_not_taken_for_one_class(cfg: Any, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("path,label\na.mp4,dive|swim\nb.mp4,dive\nc.mp4,run\n")
    told = r"found 3 classes, such as 'dive\|swim', but .* set DATA.MULTI_LABEL True"
    with pytest.raises(ValueError, match=told):
        build_dataset(cfg, "train")
