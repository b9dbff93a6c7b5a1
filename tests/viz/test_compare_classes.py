"""Mirrors slowfast/viz/compare_classes.py and class_figures.py, and `slowfast compare`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slowfast.cli.main import main
from slowfast.viz.class_figures import ClassFigures, read_class_figures
from slowfast.viz.compare_classes import compare, table_text

SLOW = {"walk": 20.0, "run": 0.5, "sit": 50.0, "eat": 10.0, "fly": None}
FAST = {"walk": 40.0, "run": 30.0, "sit": 45.0, "eat": 25.0, "fly": None}
COUNTS = {"walk": 5, "run": 9, "sit": 300, "eat": 7, "fly": 0}


def figures(title: str, values: dict[str, float | None]) -> ClassFigures:
    return ClassFigures(title, "AP", 12.5, values, COUNTS, "boxes")


def write(folder: Path, values: dict[str, float | None], key: str = "ap") -> Path:
    folder.mkdir()
    per_class = [{"name": n, key: v, "boxes": COUNTS[n]} for n, v in values.items()]
    text = json.dumps({"map": 12.5, "top1": 12.5, "per_class": per_class})
    (folder / "test_results.json").write_text(text)
    return folder


def test_the_most_frequent_comes_first_and_gains_are_marked() -> None:
    found = compare(figures("slow", SLOW), figures("fast", FAST))
    assert [row.name for row in found.rows] == ["sit", "run", "eat", "walk"]  # nothing flies
    assert found.absolute == ("run", "walk", "eat")  # sit lost
    assert found.relative == ("eat", "walk")  # 0.5 % is too little to divide by
    lines = table_text(found).splitlines()
    assert lines[0].split() == ["class", "boxes", "slow", "fast", "gain", "ratio"]
    assert lines[1].split() == ["sit", "300", "50.00", "45.00", "-5.00", "0.90"]
    assert lines[2].split() == ["run", "9", "0.50", "30.00", "+29.50", "absolute"]
    assert lines[3].split()[-2:] == ["absolute,", "relative"]
    assert lines[5].split() == ["mAP", "12.50", "12.50", "+0.00"]


def test_the_command_reads_runs_and_ava_eval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = write(tmp_path / "slow", SLOW), tmp_path / "fast.json"
    shares = {name: None if value is None else value / 100 for name, value in FAST.items()}
    other.write_text(json.dumps({"mAP": 0.3, "per_class": shares, "boxes": COUNTS}))
    out = tmp_path / "charts" / "a.png"
    assert main(["compare", str(run), str(other), "--out", str(out), "--names", "A", "B"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2].split() == ["mAP", "12.50", "30.00", "+17.50"]
    assert printed[-1] == str(out)
    picture = np.asarray(Image.open(out).convert("RGB"))
    for colour in ([0x8F, 0xA3, 0xBD], [0x2E, 0x6F, 0xDB]):  # bars of both
        assert (picture == colour).all(2).any()
    other.write_text(json.dumps({"mAP": 0.3, "per_class": shares, "boxes": COUNTS | {"sit": 8}}))
    assert main(["compare", str(run), str(other)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("1 classes have other numbers of examples in fast, which was tested on")
    assert last.endswith("sit has 300 and 8.")


def test_accuracy_of_classes_is_compared_too(tmp_path: Path) -> None:
    found = read_class_figures(write(tmp_path / "slow", SLOW, key="accuracy"))
    assert (found.title, found.metric, found.values["sit"]) == ("slow", "accuracy", 50.0)
    assert "top-1 accuracy" in table_text(compare(found, found))


def test_runs_are_called_by_the_names_of_their_folders(tmp_path: Path) -> None:
    runs = [write(tmp_path / name, SLOW) for name in ("lr0.1", "lr0.01")]
    assert [read_class_figures(run).title for run in runs] == ["lr0.1", "lr0.01"]
    assert read_class_figures(runs[0] / "test_results.json").title == "lr0.1"
    assert read_class_figures(runs[0], title="mine").title == "mine"


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path / "slow", SLOW)
    other = write(tmp_path / "other", {"walk": 1.0, "eat": 2.0})
    untested = tmp_path / "untested"
    untested.mkdir()
    (untested / "config.yaml").write_text("{}")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    plain = tmp_path / "plain.json"
    plain.write_text('{"mAP": 1}')
    for words, message in (
        ([run, other], "of 5 in slow and 2 in other, 3 are in one only: fly, run, sit"),
        ([run, untested], f"slowfast run --cfg {untested / 'config.yaml'} TRAIN.ENABLE False"),
        ([run, tmp_path / "none"], "give the OUTPUT_DIR of a tested run, or the JSON of slowfast"),
        ([run, broken], "broken.json: expected test results as JSON, found"),
        ([run, plain], "expected figures by class (per_class), found none"),
        ([run, run, "--out", "a.xyz"], "a.xyz: expected the name of a picture that ends with .png"),
    ):
        assert main(["compare", *map(str, words)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    accuracy = write(tmp_path / "accuracy", SLOW, key="accuracy")
    with pytest.raises(ValueError, match="slow has the AP of classes and accuracy their accuracy"):
        compare(read_class_figures(run), read_class_figures(accuracy))
    plain.write_text('{"per_class": [5]}')
    with pytest.raises(ValueError, match=r"expected figures by class \(per_class\), found none"):
        read_class_figures(plain)
    plain.write_text("[]")
    with pytest.raises(ValueError, match="expected test results, found a JSON list"):
        read_class_figures(plain)
    nothing = figures("slow", {"walk": None})
    with pytest.raises(ValueError, match="expected a class with examples in both"):
        compare(nothing, nothing)


def test_letters_without_a_font_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    name = "".join(map(chr, range(0xE000, 0xE005)))  # for private use, and in no font
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        content = {"map": 1.0, "per_class": [{"name": name, "ap": 1.0, "videos": 3}]}
        (tmp_path / side / "test_results.json").write_text(json.dumps(content))
    runs = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["compare", *runs, "--out", str(tmp_path / "x.png")]) == 0
    assert caplog.text.count("5 letters of names are in no font here") == 1
    assert not [each for each in recwarn if "Glyph" in str(each.message)]
