"""configs/{Charades,SSv2,Kinetics600,Kinetics700} on files in their public layouts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejson
import torch
from PIL import Image

from slowfast.cli.run import main
from slowfast.config import load_cfg
from slowfast.data.datasets.build import build_dataset
from slowfast.engine.build import build_network, build_task
from slowfast.engine.checkpoint.state import newest_whole, read_checkpoint
from slowfast.engine.multigrid import phases
from slowfast.engine.test import score_views
from slowfast.engine.test import test as run_test
from slowfast.eval.mean_ap import average_precision

CONFIGS = Path(__file__).parents[2] / "configs"
# Of recipes that differ in depth or in the number of classes only, one.
RECIPES = (
    "Charades/SLOWFAST_16x8_R50",
    "Charades/pytorchvideo/SLOW_8x8_R50",
    "SSv2/MVITv2_S_16x4",
    "SSv2/SLOWFAST_16x8_R50",
    "SSv2/pytorchvideo/SLOWFAST_8x8_R50",
    "contrastive_ssl/finetune_SSv2_Slow_R50_syn8",
    "Kinetics600/SLOWFAST_4x16_R50",
)
HEADER = "original_vido_id video_id frame_id path labels"
CPU = torch.device("cpu")


def drawn(video: int, i: int) -> Image.Image:
    frame = np.full((48, 64, 3), 25 * video + i, np.uint8)
    frame[8:36, 2 * i : 2 * i + 16] = 250 - 20 * video
    return Image.fromarray(frame)


def write_frames(folder: Path, videos: int, frames: int = 20) -> list[list[str]]:
    """Paths of the frames of each video."""
    paths = []
    for video in range(videos):
        (folder / f"V{video}").mkdir(parents=True)
        paths.append([f"V{video}/V{video}-{i + 1:06d}.jpg" for i in range(frames)])
        for i, path in enumerate(paths[-1]):
            drawn(video, i).save(folder / path)
    return paths


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One list for all splits: eight videos, of which the last has no label where it may."""
    folder = tmp_path_factory.mktemp("labels")
    videos = write_frames(folder / "frames", 8)
    for kind in ("charades", "ssv2", "kinetics"):
        (folder / kind).mkdir()
    labels = {f"Moving {i} of something": str(173 - i) for i in range(174)}
    (folder / "ssv2/something-something-v2-labels.json").write_text(json.dumps(labels))
    entries = [{"id": f"V{v}", "template": f"Moving {v} of [something]"} for v in range(8)]
    lists: dict[str, list[str]] = {"charades": [HEADER], "ssv2": [HEADER], "kinetics": []}
    for v, paths in enumerate(videos):
        lists["kinetics"].append(f"V{v} {70 * v}")
        for i, path in enumerate(paths):
            several = f'"{v % 3},{150 + v % 2}"' if v < 7 else '""'
            lists["charades"].append(f"V{v} {v} {i} {path} {several}")
            lists["ssv2"].append(f'V{v} {v} {i} {path} ""')
    for split in ("train", "val", "test"):
        for kind, lines in lists.items():
            (folder / kind / f"{split}.csv").write_text("\n".join([*lines, ""]))
    for split in ("train", "validation"):
        name = f"ssv2/something-something-v2-{split}.json"
        (folder / name).write_text(json.dumps(entries))
    return folder


@pytest.fixture
def small(files: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """(recipe, settings) -> overrides that make it a matter of seconds."""

    def of(recipe: str, **more: Any) -> list[str]:
        kind = next(k for k in ("charades", "ssv2", "kinetics") if k in recipe.lower())
        crop = 64 if "MVIT" in recipe else 32
        settings = {
            "DATA.PATH_TO_DATA_DIR": files / kind,
            "DATA.PATH_PREFIX": files / "frames",
            "DATA.NUM_FRAMES": 8,
            "DATA.TRAIN_CROP_SIZE": crop,
            "DATA.TEST_CROP_SIZE": crop,
            "DATA.TRAIN_JITTER_SCALES": [crop + 4, crop + 12],
            "DATA_LOADER.NUM_WORKERS": 0,
            "LOG_MODEL_INFO": False,
            "NUM_GPUS": 0,
            "OUTPUT_DIR": tmp_path / "run",
            "REPORT.ENABLE": False,
            "SOLVER.MAX_EPOCH": 1,
            "SOLVER.WARMUP_EPOCHS": 0.0,
            "TEST.BATCH_SIZE": 4,
            "TEST.ENABLE": True,
            "TRAIN.BATCH_SIZE": 4,
            "TRAIN.CHECKPOINT_FILE_PATH": "",
            "TRAIN.ENABLE": True,
        }
        settings |= (
            {"MVIT.EMBED_DIM": 24, "MVIT.NUM_HEADS": 1}
            if "MVIT" in recipe
            else {"RESNET.WIDTH_PER_GROUP": 8}
        )
        if "SSv2" not in recipe:
            settings["TEST.NUM_ENSEMBLE_VIEWS"] = 2
        settings |= {key.replace("__", "."): value for key, value in more.items()}
        return [str(word) for pair in settings.items() for word in pair]

    return of


@pytest.mark.parametrize("method", ["max", "sum"])
def test_scores_of_charades_are_those_of_all_views(
    small: Callable[..., list[str]], tmp_path: Path, method: str
) -> None:
    """Of logits, most of them below zero: their maximum or mean, and the mAP of those."""
    recipe = "Charades/pytorchvideo/SLOW_8x8_R50"
    more = {"MODEL__HEAD_ACT": "none", "DATA__ENSEMBLE_METHOD": method}
    overrides = small(recipe, **more, TEST__CHECKPOINT_FILE_PATH=tmp_path / "net.pyth")
    cfg = load_cfg(CONFIGS / f"{recipe}.yaml", overrides)
    torch.manual_seed(0)
    net = build_network(cfg, CPU).eval()
    with torch.no_grad():
        net.head.projection.bias.sub_(1)
    torch.save({"model_state": net.state_dict()}, tmp_path / "net.pyth")
    results = run_test(cfg)
    assert (results["num_videos"], results["views_per_video"]) == (8, 6)
    data, task = build_dataset(cfg, "test"), build_task(cfg)
    samples = [data.read(row) for row in range(8)]
    views = torch.stack([score_views(net, task, each, device=CPU, chunk=4) for each in samples])
    joined = views.double().amax(1) if method == "max" else views.double().mean(1)
    assert joined.amax() < 0
    lines = (tmp_path / "run/predictions.jsonl").read_text().splitlines()
    written = torch.tensor([simplejson.loads(line)["scores"] for line in lines])
    torch.testing.assert_close(written.double(), joined, rtol=1e-4, atol=1e-5)
    labels = torch.stack([torch.as_tensor(each.label) for each in samples])
    assert labels.sum(1).tolist() == [2] * 7 + [0]
    precision = average_precision(joined, labels)
    assert results["map"] == pytest.approx(100 * precision.nanmean().item(), abs=1e-6)
    assert precision.isnan().sum() == 157 - 5


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_kind_of_recipe_trains_and_tests(
    small: Callable[..., list[str]], tmp_path: Path, recipe: str
) -> None:
    assert main(["--cfg", str(CONFIGS / f"{recipe}.yaml"), *small(recipe)]) == 0
    results = simplejson.loads((tmp_path / "run/test_results.json").read_text())
    assert results["num_videos"] == 8
    assert 0 <= results["map" if "Charades" in recipe else "top1"] <= 100
    names = [entry["name"] for entry in results["per_class"]]
    if "SSv2" in recipe:
        assert names[173] == "Moving 0 of something"
    task = "ssl_eval_ssv2" if "ssl" in recipe else ""
    kept = read_checkpoint(newest_whole(tmp_path / "run", task=task))["model_state"]
    head = next(value for name, value in kept.items() if "head" in name and value.ndim == 2)
    assert len(head) == len(names) == {"C": 157, "S": 174, "c": 174, "K": 600}[recipe[0]]


@pytest.mark.slow
def test_multigrid_goes_through_all_of_its_shapes(
    small: Callable[..., list[str]], files: Path, tmp_path: Path
) -> None:
    """Batches of up to 8 times the clips, and of 1 at the end; what is kept is plain batch norm."""
    recipe = "Charades/SLOWFAST_16x8_R50_multigrid"
    header, *rows = (files / "charades/val.csv").read_text().splitlines()
    (tmp_path / "val.csv").write_text("\n".join([header, *rows]))
    twice = [*rows, *(f"again_{row}" for row in rows)]  # a batch of 16
    (tmp_path / "train.csv").write_text("\n".join([header, *twice]))
    words = small(
        recipe,
        DATA__PATH_TO_DATA_DIR=tmp_path,
        DATA__NUM_FRAMES=16,
        SOLVER__MAX_EPOCH=4,
        SOLVER__STEPS=[0, 2, 3],
        TRAIN__BATCH_SIZE=1,
    )
    assert main(["--cfg", str(CONFIGS / f"{recipe}.yaml"), *words]) == 0
    said = (tmp_path / "run/stdout.log").read_text()
    batches = re.findall(r"a step takes (\d+) videos", said)
    plan = phases(load_cfg(CONFIGS / f"{recipe}.yaml", words))
    assert batches == [str(phase.cfg.TRAIN.BATCH_SIZE) for phase in plan]
    assert {batches[0], batches[-1]} == {"8", "1"}
    kept = read_checkpoint(newest_whole(tmp_path / "run"))["model_state"]
    assert not [name for name in kept if "split_bn" in name]
    results = simplejson.loads((tmp_path / "run/test_results.json").read_text())
    assert results["num_videos"] == 8
