"""Mirrors slowfast/viz/report.py and its sections."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slowfast.data.datasets.motions import Settings, draw_clip, encode
from slowfast.viz.report import write_report

WriteRun = Callable[..., Path]
VOID = {"meta", "img", "source", "line", "rect", "circle", "polyline"}


class Outline(HTMLParser):
    """Checks that tags nest, and collects what a page shows and links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.alts: list[str] = []
        self.words = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("href", "src", "srcset")]
        self.alts += [v or "" for k, v in attrs if k == "alt"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "


def read(path: Path) -> Outline:
    return Outline(path.read_text(encoding="utf-8"))


def test_it_shows_the_figures_of_the_run(write_run: WriteRun) -> None:
    folder = write_run()
    path = write_report(folder)
    assert path == folder / "report.html"
    words = re.sub(r"\s+", " ", read(path).words)
    for figure in (
        "SlowFast on motions",
        "66.7 % top-1 accuracy",
        "100.0 % top-5 accuracy",
        "6 test videos",
        "30 views of each, counted once",
        "33.6 M parameters",
        "65.7 GFLOPs a view",
        "3.0 min training",
        "12,345",
        "abababababababab…",
        "SOLVER.BASE_LR 0.25",
        "2 of 2 mistakes among 6 videos",
        "right 1 (50%)",
    ):
        assert figure in words, figure


def test_nothing_comes_from_outside_and_text_is_escaped(write_run: WriteRun) -> None:
    page = read(write_report(write_run()))
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "rock <&> roll" in page.words
    assert "a <b>.mp4" in page.words


def test_starvation_for_data_is_called_by_its_name(write_run: WriteRun) -> None:
    words = read(write_report(write_run())).words
    assert "The input was the limit: 50% of the time the network waited for data" in words
    assert "DATA_LOADER.NUM_WORKERS is 2" in words


def test_unreadable_and_left_out_videos_are_listed(write_run: WriteRun) -> None:
    words = re.sub(r"\s+", " ", read(write_report(write_run())).words)
    assert "torn.mp4 torn.mp4: cut short video 7" in words
    assert "lost.mp4 lost.mp4: found no frames left out" in words
    assert "1 videos left out, unreadable" in words


def test_keyframes_that_were_left_out_are_named_with_their_seconds(write_run: WriteRun) -> None:
    folder = write_run()
    results = json.loads((folder / "test_results.json").read_text())
    results["left_out"] = [{"video": "lost.mp4", "second": 902.5, "cause": "found no frames"}]
    (folder / "test_results.json").write_text(json.dumps(results))
    torn = {"path": "torn.mp4", "second": 904, "cause": "cut short", "epoch": 0}
    lines = [torn | {"replaced_by": 7}, torn | {"replaced_by": None, "second": 905}]
    (folder / "bad_samples.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    words = re.sub(r"\s+", " ", read(write_report(folder)).words)
    assert "1 keyframes left out, unreadable" in words
    assert "Keyframes that could not be read (3)" in words
    assert "torn.mp4 at 904 s cut short keyframe 7" in words
    assert "torn.mp4 at 905 s cut short left out" in words
    assert "lost.mp4 at 902.5 s found no frames left out" in words


def test_mistakes_are_animated_most_confident_first(write_run: WriteRun, tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    encode(video, draw_clip(Settings(0, (1, 0, 0), ("left",), 32, 32, 12, 30), "train", 0), fps=30)
    page = read(write_report(write_run(video=str(video))))
    films = [alt for alt in page.alts if alt.startswith("Clip of")]
    assert films == ["Clip of left, taken for right", "Clip of right, taken for rock <&> roll"]
    assert sum(link.startswith("data:image/webp") for link in page.links) == 4  # moving and still
    once = read(write_report(tmp_path / "run", num_mistakes=1))
    assert [alt for alt in once.alts if alt.startswith("Clip of")] == films[:1]


def test_a_video_that_is_gone_costs_its_picture_only(write_run: WriteRun) -> None:
    words = read(write_report(write_run())).words
    assert "gone/a <b>.mp4: expected a video file" in words
    assert "taken for" in words


@pytest.mark.parametrize(
    "absent",
    [
        ("config.yaml",),
        ("model.json", "data.json"),
        ("metrics.jsonl",),
        ("test_results.json", "predictions.jsonl"),
        ("config.yaml", "metrics.jsonl", "predictions.jsonl", "data.json", "model.json"),
    ],
)
def test_absent_files_are_named(write_run: WriteRun, absent: tuple[str, ...]) -> None:
    words = read(write_report(write_run(*absent))).words
    for name in absent:
        assert name in words
    assert "What this report lacks" in words


def test_a_run_without_a_test_shows_its_best_validation(write_run: WriteRun) -> None:
    words = read(write_report(write_run("test_results.json", "predictions.jsonl"))).words
    assert re.search(r"76\.7 %\s+best top-1 on val", words)


def test_names_can_be_given_and_settings_marked(write_run: WriteRun) -> None:
    folder = write_run()
    text = write_report(folder, class_names=["a", "b", "c"], changed=["SOLVER.BASE_LR"]).read_text()
    assert "rock" not in text
    assert "<div class=changed><dt>SOLVER.BASE_LR</dt><dd>0.25</dd></div>" in text
    with pytest.raises(ValueError, match="a name for each of 3 classes, got 2"):
        write_report(folder, class_names=["a", "b"])


def test_a_damaged_file_is_told_and_no_more(write_run: WriteRun) -> None:
    folder = write_run()
    (folder / "test_results.json").write_text('{"top1": 5')
    (folder / "config.yaml").write_text("A: [")
    words = read(write_report(folder)).words
    assert "test_results.json" in words
    assert words.count("cannot be read") == 2


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"OUTPUT_DIR of a run, found none of config\.yaml"):
        write_report(tmp_path)
    with pytest.raises(ValueError, match="OUTPUT_DIR of a run, found no folder"):
        write_report(tmp_path / "nowhere")


def test_a_file_name_that_is_no_text(write_run: WriteRun) -> None:
    """It ends in the report, not the run."""
    path = write_report(write_run(video="gone/caf\udce9.mp4"))
    assert "caf\\udce9.mp4" in path.read_text(encoding="utf-8")
