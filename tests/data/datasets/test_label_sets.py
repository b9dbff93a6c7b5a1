"""Mirrors slowfast/data/datasets/label_sets.py: your own videos with any number of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.data.datasets.build import build_loader, class_names_from_cfg, list_records
from slowfast.data.datasets.label_sets import as_listed, read_label_sets
from slowfast.data.preparation import Done, Layout, plan_jobs, write_lists

SEVERAL = {
    "DATA__MULTI_LABEL": True,
    "MODEL__LOSS_FUNC": "bce_logit",
    "MODEL__HEAD_ACT": "sigmoid",
    "MODEL__NUM_CLASSES": 4,
}


def classes(label: Any) -> list[int]:
    return label.nonzero().flatten().tolist()


def labels_of(text: str, folder: Path, separator: str = " ") -> list[tuple[str, list[int]]]:
    path = folder / "list.csv"
    path.write_text(text)
    sets = read_label_sets(path, separator=separator, num_classes=20)
    return [(sets[row].path, classes(sets[row].label)) for row in range(len(sets))]


def test_lines_of_a_list(tmp_path: Path) -> None:
    text = '\ufeffa.mp4 3,17\r\nmy clip.mp4 5, 3\n\nnone.mp4 ""\nc.mp4 250 7,7\nq.mp4 "1,2" \n'
    assert labels_of(text, tmp_path) == [
        ("a.mp4", [3, 17]),
        ("my clip.mp4", [3, 5]),
        ("none.mp4", []),
        ("c.mp4", [7]),
        ("q.mp4", [1, 2]),
    ]
    assert labels_of('x,1.mp4,3,17\ny.mp4,""\n', tmp_path, ",") == [
        ("x,1.mp4", [3, 17]),
        ("y.mp4", []),
    ]


def test_rows_of_one_video_are_joined(tmp_path: Path) -> None:
    """A row a label is how tables of annotations are written; two videos it would be elsewhere."""
    assert labels_of("a.mp4 3\nb.mp4 0\na.mp4 1\n", tmp_path) == [("a.mp4", [1, 3]), ("b.mp4", [0])]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.mp4 20", r"list.csv:1: expected labels from 0 to 19, divided by commas, found '20'; s"),
        ("a.mp4 -1", r"expected labels from 0 to 19, divided by commas, found '-1'"),
        ("a.mp4", r"list.csv:1: expected 'path 3,17', or 'path \"\"' of a video without labels"),
        ("a.mp4 kick", r"got 'a.mp4 kick'. Set DATA.PATH_LABEL_SEPARATOR"),
        ("", r"list.csv: expected one 'path 3,17' a line, found no line"),
    ],
)
def test_lines_that_are_not_like_that(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        labels_of(f"{line}\n", tmp_path)


def test_through_the_loaders_and_back_into_a_list(
    videos: list[Path], tmp_path: Path, recipe: Callable[..., Any]
) -> None:
    for split in ("train", "val", "test"):
        rows = [f"{videos[0].name} 0,3", f'{videos[1].name} ""', f"{videos[2].name} 2"]
        (tmp_path / f"{split}.csv").write_text("\n".join(rows))
    folders = {"DATA__PATH_TO_DATA_DIR": tmp_path, "DATA__PATH_PREFIX": videos[0].parent}
    cfg = recipe("Kinetics/SLOW_4x16_R50.yaml", **SEVERAL, **folders)
    (batch,) = build_loader(cfg, "train")
    assert (batch.labels.shape, batch.labels.dtype) == ((2, 4), torch.float32)
    samples = list(build_loader(cfg, "test"))
    assert [classes(sample.label) for sample in samples] == [[0, 3], [], [2]]
    records = list_records(cfg, "val")
    found = records.fingerprint()
    assert (found["videos"], found["labels"], found["classes"]) == (3, 3, 3)
    jobs = plan_jobs({"val": records}, str(videos[0].parent), pictures=False)
    done = {job.name: Done(job.name, job.record.path, ()) for job in jobs}
    layout = Layout(tmp_path / "copies")
    layout.folder.mkdir()
    (said,) = write_lists(layout, {"val": records}, jobs, done)
    assert said.endswith("val.csv: 3 videos, 0 left out")
    copied = read_label_sets(layout.folder / "val.csv", num_classes=4)
    assert [as_listed(copied[row].label) for row in range(3)] == ["0,3", '""', "2"]


def test_a_table_of_names(tmp_path: Path, recipe: Callable[..., Any]) -> None:
    rows = ['a.mp4,kick|"run"', "b.mp4,", '"c.mp4","run | throw, overhead|kick"', "a.mp4,swim"]
    (tmp_path / "train.csv").write_text("\n".join(["path,label", rows[1], *rows[2:]]))
    (tmp_path / "val.csv").write_text("path,label\na.mp4,run|kick\nb.mp4,\n")
    words = {"TRAIN__DATASET": "csv", "TEST__DATASET": "csv", "DATA__PATH_TO_DATA_DIR": tmp_path}
    cfg = recipe("Kinetics/SLOW_4x16_R50.yaml", **SEVERAL, **words)
    assert class_names_from_cfg(cfg) == ["kick", "run", "swim", "throw, overhead"]
    records = list_records(cfg, "train")
    assert [classes(records[row].label) for row in range(3)] == [[], [0, 1, 3], [2]]
    assert [classes(list_records(cfg, "val")[row].label) for row in range(2)] == [[0, 1], []]
    (tmp_path / "val.csv").write_text("path,label\na.mp4,run|kik\n")
    with pytest.raises(ValueError, match=r"val.csv:2: expected one of the 4 classes .* 'kik'; did"):
        list_records(cfg, "val")
    (tmp_path / "val.csv").write_text("path,label\n,run\n")
    with pytest.raises(ValueError, match=r"val.csv:2: expected a path and a label, found ',run'"):
        list_records(cfg, "val")


def test_several_labels_without_the_key(tmp_path: Path, recipe: Callable[..., Any]) -> None:
    (tmp_path / "train.csv").write_text("a.mp4 3,17\n")
    cfg = recipe("Kinetics/SLOW_4x16_R50.yaml", DATA__PATH_TO_DATA_DIR=tmp_path)
    with pytest.raises(ValueError, match=r"several of them need DATA.MULTI_LABEL True"):
        list_records(cfg, "train")
