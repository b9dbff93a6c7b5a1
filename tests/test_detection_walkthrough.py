"""docs/detection.md: each of its commands, on raw videos of mixed rates, up to predictions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import simplejson
import torch

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "detection.md"
WIDTH, HEIGHT, SECONDS = 64, 64, 1.5
ACTIONS = ("carry", "talk", "walk")
RATES = {
    "shop_a.mp4": Fraction(25), "shop_b.mov": Fraction(30000, 1001), "yard_1.mp4": Fraction(24),
    "yard_2.mp4": Fraction(50), "yard_3.mkv": Fraction(15),
}  # fmt: skip
VALIDATION = "shop_b"
# What the page says of a laptop, and sizes that make it a matter of seconds.
LAPTOP = (
    ("configs/AVA/SLOWFAST_32x2_R50_SHORT.yaml", "configs/Motions/SLOWFAST_TINY_DETECTION.yaml"),
    ("NUM_GPUS: 1", "NUM_GPUS: 0"),
    ("  BASE_LR: 0.0125\n", "  BASE_LR: 0.002\n  MAX_EPOCH: 1\n"),
)
SMALL = """
RESNET: {WIDTH_PER_GROUP: 8}
DATA: {TRAIN_CROP_SIZE: 48, TRAIN_JITTER_SCALES: [48, 56], TEST_CROP_SIZE: 48}
DATA_LOADER: {NUM_WORKERS: 0}
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def place(name: str, second: float) -> tuple[float, float, float, float]:
    """Where the one person of a video is, in pixels."""
    left = 8 + 10 * second
    return left, 12, left + 30, 60


def film(path: Path, rate: Fraction) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(int(SECONDS * rate)):
            picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            x1, y1, x2, y2 = map(round, place(path.stem, float(i / rate)))
            picture[y1:y2, x1:x2] = (200, 160, 120)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def export(video: str, rate: Fraction, action: str) -> str:
    """As CVAT writes it: boxes of all frames, then one that is outside.

    The detector takes seconds for a keyframe, so the person of `VALIDATION` comes late: it has one.
    """
    count = int(SECONDS * rate)
    boxes = []
    for frame in range(10 if VALIDATION in video else 0, count):
        x1, y1, x2, y2 = place(video, float(frame / rate))
        boxes.append(
            f'<box frame="{frame}" keyframe="{int(frame % 10 == 0)}" '
            f'outside="{int(frame == count - 1)}" occluded="0" xtl="{x1:.2f}" ytl="{y1:.2f}" '
            f'xbr="{x2:.2f}" ybr="{y2:.2f}"><attribute name="action">{action}</attribute></box>'
        )
    return (
        f"<annotations><version>1.1</version><meta><task><name>{video}</name><start_frame>0"
        f"</start_frame><stop_frame>{count - 1}</stop_frame><frame_filter></frame_filter>"
        f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
        f"<source>{video}</source></task></meta>"
        f'<track id="0" label="person">{"".join(boxes)}</track></annotations>'
    )


def regression(corners: tuple[float, float, float, float]) -> torch.Tensor:
    """What makes a box of the whole frame, as Faster R-CNN's second stage scales it."""
    x1, y1, x2, y2 = (corners[i] / (WIDTH, HEIGHT)[i % 2] for i in range(4))
    shift = 10 * torch.tensor([(x1 + x2) / 2 - 0.5, (y1 + y2) / 2 - 0.5])
    return torch.cat([shift, 5 * torch.tensor([x2 - x1, y2 - y1]).log()])


def write_weights(folder: Path) -> None:
    """A detector that sees a person where there is one after a second; a network for videos."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    from slowfast.config import load_cfg
    from slowfast.models import build_model

    torch.manual_seed(0)
    people = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).state_dict()
    # All proposals are the whole frame, which costs nothing, and all answers the same box in it.
    people["rpn.head.bbox_pred.weight"].zero_()
    people["rpn.head.bbox_pred.bias"][:] = torch.tensor([0.0, 0, 9, 9]).repeat(3)
    for name in ("cls_score", "bbox_pred"):
        people[f"roi_heads.box_predictor.{name}.weight"].zero_()
    people["roi_heads.box_predictor.cls_score.bias"][1] = 9.0
    people["roi_heads.box_predictor.bbox_pred.bias"][4:8] = regression(place("any", 1))
    torch.save(people, folder / "fasterrcnn.pth")
    cfg = load_cfg(
        ROOT / "configs/Motions/SLOWFAST_TINY.yaml", overrides=["RESNET.WIDTH_PER_GROUP", "8"]
    )
    net = build_model(cfg)
    torch.save({"epoch": 3, "model_state": net.state_dict()}, folder / "kinetics.pyth")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("videos", "new_videos", "cvat", "bin"):
        (tmp_path / name).mkdir()
    for i, (name, rate) in enumerate(RATES.items()):
        film(tmp_path / "videos" / name, rate)
        text = export(name, rate, ACTIONS[i % 3])
        (tmp_path / "cvat" / f"{Path(name).stem}.xml").write_text(text)
    film(tmp_path / "new_videos" / "street.mp4", Fraction(10))
    (tmp_path / "val_videos.txt").write_text(VALIDATION)
    table = re.search(r"^    video;frame.*?\n\n", PAGE.read_text(), re.M | re.S)
    assert table is not None
    # The page's own table, with boxes that fit into these small pictures.
    rows = re.sub(r"(;\d+){5};", ";20;8;12;30;48;", table[0].replace("    ", ""))
    (tmp_path / "my_boxes.csv").write_text(rows)
    os.symlink(ROOT / "configs", tmp_path / "configs")
    command = tmp_path / "bin" / "slowfast"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slowfast.cli.main "$@"\n')
    command.chmod(0o755)
    write_weights(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_step_of_the_page_works(folder: Path) -> None:
    (recipe,) = blocks("yaml")
    for old, new in LAPTOP:
        assert old in recipe
        recipe = recipe.replace(old, new)
    (folder / "mine.yaml").write_text(recipe + SMALL)
    env = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    said = []
    for block in blocks("bash"):
        done = subprocess.run(
            ["bash", "-euc", block], env=env, cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}{done.stdout[-1500:]}{done.stderr[-3000:]}"
        said.append(done.stdout + done.stderr)
    # Seconds 0 and 1 of four videos, and second 1 of the one for validation.
    assert "train.csv: 8 boxes of 8 keyframes in 4 video(s)" in said[0]
    assert "val.csv: 1 boxes of 1 keyframes in 1 video(s)" in said[0]
    assert "left out: 5 boxes marked as outside" in said[0]
    assert "MODEL: {NUM_CLASSES: 3}" in said[0]
    assert "columns that are passed over: annotator" in said[1]
    assert "of 1 keyframes in 1 video(s): boxes/val_detected.csv" in said[2]
    assert "head.projection" in said[3]
    results = simplejson.loads((folder / "runs/mine/test_results.json").read_text())
    assert results["num_keyframes"] == 1
    judged = simplejson.loads(said[4])
    assert judged["mAP"] == pytest.approx(results["map"] / 100, abs=1e-4)
    predicted = (folder / "runs/new/detections.csv").read_text().splitlines()
    assert {line.split(",")[1] for line in predicted} == {"0001"}
    new = simplejson.loads((folder / "runs/new/test_results.json").read_text())
    assert new["map"] is None
    assert len(predicted) == 3 * new["num_boxes"]
