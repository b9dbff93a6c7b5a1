"""Mirrors slowfast/viz/report_precision.py, report_labels.py and report_boxes.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.config import dump_cfg, load_cfg
from slowfast.data.datasets.motions import CLASSES
from slowfast.viz.report import write_report

WriteRun = Callable[..., Path]
NAMES = ["sit", "walk", "rock <&> roll", "fly"]
CURVES = {
    "mean": [[0.0, 0.9], [1.0, 0.4]],
    "per_class": [{"name": name, "points": [[0.5, 1.0], [1.0, 0.5]]} for name in NAMES[:3]],
}


def words_of(page: str) -> str:
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def results(counted: str) -> dict:
    figures = zip(NAMES, (30.0, 90.0, 60.0, None), (5, 2, 40, 0), strict=True)
    return {"map": 60.0, "per_class": [{"name": n, "ap": ap, counted: c} for n, ap, c in figures]}


@pytest.fixture
def labels_run(write_run: WriteRun) -> Path:
    folder = write_run()
    lines = [
        {"video": f"gone/{i}.mp4", "labels": labels, "scores": scores}
        for i, (labels, scores) in enumerate(
            [([0], [0.9, 0.8, 0.1, 0.1]), ([1, 2], [0.3, 0.05, 0.7, 0.1]), ([], [0.1, 0.2, 0, 0])]
        )
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "predictions.jsonl").write_text(text)
    content = results("videos") | {"num_videos": 3, "views_per_video": 30}
    (folder / "test_results.json").write_text(json.dumps(content))
    pooled = {"pooled": [[0.5, 0.8], [1.0, 0.3]]}
    (folder / "pr_curves.json").write_text(json.dumps(CURVES | pooled))
    val = {"_type": "val_epoch", "epoch": 4, "map": 55.5}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("\n" + json.dumps(val) + "\n")
    return folder


def test_several_labels_are_shown_by_their_precision(labels_run: Path) -> None:
    page = write_report(labels_run).read_text()
    words = words_of(page)
    for figure in (
        "60.0 % mAP",
        "Validation mAP, %",
        "rock &lt;&amp;&gt; roll 60.0 % of 40 sit 30.0 % of 5 walk 90.0 % of 2",
        "Without videos, and in no figure: fly.",
        "mean of classes, AP 60.0",
        "all labels pooled",
        "walk, AP 90.0 rock &lt;&amp;&gt; roll, AP 60.0 sit, AP 30.0",
        "Of 3 videos",
    ):
        assert figure in words, figure
    assert "Confusion" not in words
    assert "frame-mAP" not in words
    # A class that is not there, then one that is and was hardly seen.
    first, second = (words.index(f"scored walk {score}") for score in ("80%", "5%"))
    assert first < words.index("but it is not there") < second < words.index("but it is there")


def test_without_a_test_the_best_precision_of_validation_is_the_headline(labels_run: Path) -> None:
    (labels_run / "test_results.json").unlink()
    (labels_run / "metrics.jsonl").write_text('{"_type": "val_epoch", "epoch": 4, "map": 55.5}')
    assert "55.5 % best mAP on val" in words_of(write_report(labels_run).read_text())


def test_many_classes_are_two_columns_of_thin_bars(labels_run: Path) -> None:
    content = json.loads((labels_run / "test_results.json").read_text())
    content["per_class"] = [{"name": f"c{i}", "ap": 1.0 * i, "videos": i} for i in range(30)]
    (labels_run / "test_results.json").write_text(json.dumps(content))
    assert write_report(labels_run).read_text().count('class="bars many"') == 2


def test_names_as_long_as_those_of_something_something_leave_room_for_bars_and_figures(
    labels_run: Path,
) -> None:
    name = "Pretending to put something behind something, but missing so that it falls"
    for file in ("test_results.json", "pr_curves.json"):
        text = (labels_run / file).read_text()
        (labels_run / file).write_text(text.replace('"walk"', json.dumps(name)))
    page = write_report(labels_run).read_text()
    assert "grid-template-columns: fit-content(55%) minmax(72px, 1fr) max-content" in page
    assert ">Pretending to put somethin…, AP 90.0<" in page  # below the chart
    assert f"<span>{name}</span>" in page  # beside the bar


def test_a_test_without_labels_is_said_to_have_no_precision(labels_run: Path) -> None:
    content = results("videos")
    content["map"] = None
    for entry in content["per_class"]:
        entry |= {"ap": None, "videos": 0}
    (labels_run / "test_results.json").write_text(json.dumps(content))
    curves = {"mean": [], "pooled": [], "per_class": [{"name": n, "points": []} for n in NAMES]}
    (labels_run / "pr_curves.json").write_text(json.dumps(curves))
    words = words_of(write_report(labels_run).read_text())
    assert "No class has videos in the test, so that there is no average precision." in words
    assert "Precision of labels of videos" not in words


@pytest.fixture
def boxes_run(write_run: WriteRun, tiny_boxes: list[str], objects: Path) -> Path:
    """Detections that are right in all videos but the first, where each has the next class."""
    folder = write_run("predictions.jsonl")
    config = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY_DETECTION.yaml"
    (folder / "config.yaml").write_text(dump_cfg(load_cfg(config, tiny_boxes)))
    found = []
    for row in (objects / "boxes" / "val.csv").read_text().splitlines():
        cells = row.split(",")
        wrong = cells[0] == "val_00003"
        label = int(cells[6]) % 12 + 1 if wrong else int(cells[6])
        found.append(",".join([*cells[:6], str(label), "0.8" if wrong else "0.95"]))
    (folder / "detections.csv").write_text("\n".join(found) + "\n")
    content = results("boxes") | {"num_boxes": 14, "num_keyframes": 6}
    (folder / "test_results.json").write_text(json.dumps(content))
    (folder / "pr_curves.json").write_text(json.dumps(CURVES))
    return folder


def test_boxes_are_shown_in_motion_the_surest_mistake_first(boxes_run: Path, objects: Path) -> None:
    page = write_report(boxes_run, num_mistakes=2).read_text()
    words = words_of(page)
    for figure in (
        "60.0 % frame-mAP at IoU 0.5",
        "14 boxes judged",
        "6 test keyframes",
        "Precision of boxes, at an IoU of 0.5",
        "1 of 6 keyframes have a label that no annotated box there has",
    ):
        assert figure in words, figure
    assert re.findall(r'alt="(val_\d+ at second 1)"', page) == [
        "val_00003 at second 1",
        "val_00000 at second 1",
    ]
    rows = [row.split(",") for row in (objects / "boxes" / "val.csv").read_text().splitlines()]
    label = next(int(row[6]) for row in rows if row[0] == "val_00003")
    said = f"taken for {CLASSES[label % 12]} 80% is {CLASSES[label - 1]} val_00003"
    assert said in words
    assert page.count("data:image/webp") == 4  # moving and still
    assert "data:image/webp" not in write_report(boxes_run, num_mistakes=0).read_text()


def test_keyframes_where_nothing_was_found_are_shown_last(boxes_run: Path) -> None:
    path = boxes_run / "detections.csv"
    unsure = [
        re.sub(r"[0-9.]+$", "0.4", row) if row.startswith(("val_00003", "val_00000")) else row
        for row in path.read_text().splitlines()
    ]
    path.write_text("\n".join(unsure) + "\n")
    page = write_report(boxes_run, num_mistakes=6).read_text()
    order = re.findall(r'alt="val_0000(\d) at second 1"', page)
    assert order == ["1", "2", "4", "5", "0", "3"]
    path.write_text("\n".join(re.sub(r"[0-9.]+$", "0.4", row) for row in unsure) + "\n")
    page = write_report(boxes_run, num_mistakes=2).read_text()
    assert "No box has such a score: what is annotated was missed." in words_of(page)
    assert page.count("data:image/webp") == 4


def test_lists_that_are_gone_cost_the_pictures_only(boxes_run: Path) -> None:
    (boxes_run / "detections.csv").unlink()
    words = words_of(write_report(boxes_run).read_text())
    assert "expected the boxes of a test, found no such file" in words
    assert "60.0 % frame-mAP at IoU 0.5" in words
