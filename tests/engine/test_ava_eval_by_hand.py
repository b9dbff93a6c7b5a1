"""Lists of boxes against the protocol of the challenge, followed one box at a time."""

from __future__ import annotations

import csv
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.engine.ava_eval import evaluate_lists

CLASSES = {1: "run", 2: "jump", 4: "sit", 9: "sleep"}  # 3 and 5 are in lists only
LABEL_MAP = "".join(f'item {{ name: "{name}" id: {key} }}\n' for key, name in CLASSES.items())
Corners = tuple[float, float, float, float]
# Grid points: overlaps of exactly a half, and equal ones with several boxes, are frequent.
CORNERS: list[Corners] = [
    (x1 / 4, y1 / 4, x2 / 4, y2 / 4)
    for x1, x2 in itertools.combinations(range(5), 2)
    for y1, y2 in [(0, 2), (0, 4), (1, 3)]
]


def overlap(a: Corners, b: Corners) -> float:
    wide = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    high = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area = sum((each[2] - each[0]) * (each[3] - each[1]) for each in (a, b))
    return wide * high / (area - wide * high) if area else 0


def read(path: Path, excluded: set[tuple[str, float]]) -> list[tuple]:
    """(keyframe, corners, label, score) of rows that count."""
    found = []
    for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
        key = row[0], float(row[1])
        if row[6] in ("", "-1") or int(row[6]) not in CLASSES or key in excluded:
            continue
        found.append((key, tuple(map(float, row[2:6])), int(row[6]), float(row[7])))
    return found


def slow_figures(truth: list[tuple], found: list[tuple]) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    appears = list(dict.fromkeys(key for key, *_ in found))
    for label, name in CLASSES.items():
        boxes = defaultdict(list)
        for key, corners, number, _ in truth:
            if number == label:
                boxes[key].append(corners)
        judged, taken = [], set()
        for at, (key, corners, number, score) in enumerate(found):
            if number != label or corners[0] >= corners[2] or corners[1] >= corners[3]:
                continue
            overlaps = [overlap(corners, box) for box in boxes[key]]
            best = max(overlaps, default=0)
            right = best >= 0.5 and (key, overlaps.index(best)) not in taken
            if right:
                taken.add((key, overlaps.index(best)))
            judged.append((score, appears.index(key), at, right))
        judged.sort(reverse=True)
        total = sum(map(len, boxes.values()))
        hits = list(itertools.accumulate(right for *_, right in judged))
        precision = [hit / (i + 1) for i, hit in enumerate(hits)]
        # Each right one raises recall by 1 / total, at the best precision from there on.
        gained = sum(max(precision[i:]) for i, each in enumerate(judged) if each[3])
        figures[name] = gained / total if total else None
    return figures


def write_lists(folder: Path, seed: int) -> None:
    draw = random.Random(seed)
    second: list[Callable[[int], str]] = [
        lambda s: f"{s:04d}", str, lambda s: f"{s}.0", lambda s: f" {s} "
    ]  # fmt: skip
    videos = ["a", "b,c", "zoë"][: draw.randint(1, 3)]
    ends = draw.choice(["\n", "\r\n"])

    def row(video: str, corners: Corners | str, label: int | str, last: object) -> str:
        place = corners if isinstance(corners, str) else ",".join(f"{v:.6g}" for v in corners)
        name = f'"{video}"' if "," in video or draw.random() < 0.2 else video
        return f"{name},{draw.choice(second)(draw.randint(902, 903))},{place},{label},{last}{ends}"

    pool = draw.sample(CORNERS, 5)
    truth = [
        row(draw.choice(videos), draw.choice(pool), draw.choice([1, 1, 2, 3, 4]), i)
        for i in range(draw.randint(1, 14))
    ] + [row(videos[0], pool[0], draw.choice([1, 9]), 0)]
    if draw.random() < 0.3:
        truth.append(row("a", ",,,", "", ""))
        truth.append(row("a", pool[0], draw.choice(["", -1]), 3))
        truth.append(row("a", (0.25, 0, 0.25, 1), 2, 3))  # without an area
    flat, turned = (0.5, 0.0, 0.5, 1.0), (0.5, 0.5, 0.25, 1.0)
    found = []
    for _ in range(draw.choice([0, 3, 12, 30])):
        corners = draw.choice([*pool, *pool, draw.choice(CORNERS), flat, turned])
        line = row(
            draw.choice([*videos, "stranger"]), corners, draw.choice([1, 1, 2, 4, 5]),
            draw.choice([0, 0.25, 0.5, "1e-1", 1]),
        )  # fmt: skip
        found += [line] * draw.choice([1, 1, 1, 2])
    # Excluded is another second of a video, never all that is annotated.
    (folder / "excluded").write_text(draw.choice(["", f"zoë,902{ends}", f"stranger,0903{ends}"]))
    (folder / "gt").write_text("".join(truth), encoding="utf-8", newline="")
    (folder / "det").write_text("".join(found), encoding="utf-8", newline="")
    (folder / "map").write_text(LABEL_MAP)


def test_random_lists(tmp_path: Path) -> None:
    some = 0
    for seed in range(120):
        write_lists(tmp_path, seed)
        rows = csv.reader((tmp_path / "excluded").read_text().splitlines())
        excluded = {(video, float(second)) for video, second in rows}
        expected = slow_figures(read(tmp_path / "gt", excluded), read(tmp_path / "det", excluded))
        lists = [tmp_path / name for name in ("gt", "det", "map")]
        found = evaluate_lists(*lists, exclusions=tmp_path / "excluded").summary()
        assert found["per_class"] == pytest.approx(expected, abs=1e-12), seed
        known = [value for value in expected.values() if value is not None]
        assert found["mAP"] == pytest.approx(sum(known) / len(known), abs=1e-12), seed
        some += 0 < found["mAP"] < 1
    assert some > 30, "cases that tell something"


def test_an_empty_list_of_detections_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "gt").write_text("video,second,x1,y1,x2,y2,action\na,1,0,0,1,1,1\n")
    (tmp_path / "det").touch()
    (tmp_path / "map").write_text(LABEL_MAP)
    lists = [tmp_path / name for name in ("gt", "det", "map")]
    assert evaluate_lists(*lists).summary()["mAP"] == 0
    assert "det: no detections with an action in it" in caplog.text
    with pytest.raises(ValueError, match=r"det: expected boxes of the 4 classes"):
        evaluate_lists(lists[1], lists[1], lists[2])
