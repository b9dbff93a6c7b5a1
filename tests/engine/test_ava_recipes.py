"""configs/AVA on files in AVA's public layout: trained, tested with many views, and mistaken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejson
import torch

from slowfast.cli.run import main
from slowfast.config import load_cfg
from slowfast.data.batch import Batch
from slowfast.data.boxes import Boxes
from slowfast.data.datasets.box_rows import read_box_rows
from slowfast.data.datasets.build import build_dataset
from slowfast.engine.ava_eval import evaluate_lists
from slowfast.engine.build import build_network, build_task
from slowfast.engine.checkpoint.from_cfg import start_from_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import newest_whole, read_checkpoint
from slowfast.engine.test import load_tested_weights, score_views
from slowfast.engine.test import test as run_test
from slowfast.engine.train import train

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(CONFIGS.glob("AVA/*.yaml")) + sorted(CONFIGS.glob("AVA/c2/*.yaml"))
SLOW = CONFIGS / "AVA/SLOW_8x8_R50_SHORT.yaml"
CPU = torch.device("cpu")
VIEWS = ["AVA.TEST_SCALES", "[32, 40]", "AVA.TEST_FLIP", "True", "AVA.TEST_CLIPS", "2"]


def keys(**values: Any) -> list[str]:
    return [str(part) for key, value in values.items() for part in (key.replace("__", "."), value)]


def test_a_recipe_trains_and_boxes_are_tested_in_all_views(
    small_ava: Callable[[Path], list[str]], ava_files: Path, tmp_path: Path
) -> None:
    """The score of a box is the mean of the sigmoid scores of its views, each counted once."""
    run, notes = tmp_path / "run", ava_files / "annotations"
    overrides = [*small_ava(run), *VIEWS]
    cfg = load_cfg(SLOW, overrides)
    train(cfg)
    results = run_test(cfg)
    assert (results["num_keyframes"], results["num_boxes"]) == (5, 8), "one of six is excluded"
    assert (results["views_per_video"], results["num_views"]) == (8, 64)
    again = evaluate_lists(
        notes / "ava_val_v2.2.csv",
        run / "detections.csv",
        notes / "ava_action_list_v2.2_for_activitynet_2019.pbtxt",
        exclusions=notes / "ava_val_excluded_timestamps_v2.2.csv",
    )
    assert again.summary()["mAP"] == pytest.approx(results["map"] / 100, abs=1e-4)
    net = build_network(cfg, CPU).eval()
    load_tested_weights(net, cfg)
    sample = build_dataset(cfg, "test").read(4)  # two persons
    scores = score_views(net, build_task(cfg), sample, device=CPU, chunk=2)
    means = scores.double().view(8, 2, 80).mean(0)
    assert not torch.allclose(scores.view(8, 2, 80)[0].double(), means, atol=1e-6)
    lines = (run / "predictions.jsonl").read_text().splitlines()
    written = [simplejson.loads(line) for line in lines[-2:]]
    found = torch.tensor([each["scores"] for each in written], dtype=torch.float64)
    torch.testing.assert_close(found, means, rtol=0, atol=1e-5)


def test_seconds_that_are_not_tested_are_not_missed(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """With AVA.VALID_SECONDS a part of the list of annotations is evaluated."""
    overrides = [*small_ava(tmp_path), "TEST.CHECKPOINT_FILE_PATH", str(tmp_path / "net.pyth")]
    cfg = load_cfg(SLOW, [*overrides, "AVA.VALID_SECONDS", "[904, 904]"])
    torch.save({"model_state": build_network(cfg, CPU).state_dict()}, tmp_path / "net.pyth")
    results = run_test(cfg)
    assert results["num_keyframes"] == 2
    # A person of the second video has actions 11 and 17 at each of three keyframes.
    boxes = {each["name"]: each["boxes"] for each in results["per_class"]}
    assert (boxes["action 11"], boxes["action 3"], boxes["action 17"]) == (1, 0, 1)


def test_a_keyframe_without_frames_is_left_out_with_all_its_views(
    small_ava: Callable[[Path], list[str]], ava_files: Path, tmp_path: Path
) -> None:
    """The second video has lost its pictures; what is left is exact."""
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "1j20qq1JyX4").symlink_to(ava_files / "frames/1j20qq1JyX4")
    overrides = [
        *small_ava(tmp_path / "run"),
        *VIEWS,
        *keys(AVA__FRAME_DIR=frames, DATA__ON_BAD_SAMPLE="skip", DATA__MAX_BAD_FRACTION=1.0),
        *keys(TEST__CHECKPOINT_FILE_PATH=tmp_path / "net.pyth"),
    ]
    cfg = load_cfg(SLOW, overrides)
    torch.save({"model_state": build_network(cfg, CPU).state_dict()}, tmp_path / "net.pyth")
    results = run_test(cfg)
    assert (results["num_keyframes"], results["num_boxes"], results["num_views"]) == (2, 2, 16)
    assert len(results["left_out"]) == 3
    assert "expected a picture" in results["left_out"][0]["cause"]
    noted = [json.loads(line) for line in (tmp_path / "run/bad_samples.jsonl").open()]
    seconds = [902, 903, 904]
    assert [sorted({e["second"] for e in each}) for each in (noted, results["left_out"])] == [
        seconds, seconds,
    ]  # fmt: skip


def test_a_batch_without_boxes_reaches_every_weight_with_gradients_of_zero(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """DDP waits for the gradient of each weight, and nobody may get one that is not a number."""
    cfg = load_cfg(SLOW, small_ava(tmp_path))
    net, task = build_network(cfg, CPU).train(), build_task(cfg)
    none = Boxes(
        torch.empty(0, 4),
        torch.empty(0, dtype=torch.int64),
        torch.empty(0, 80),
        torch.empty(0, 4),
        torch.empty(0),
    )
    rows = torch.arange(2)
    clips = torch.zeros(2, 4, 32, 32, 3, dtype=torch.uint8)
    batch = Batch(clips, labels=rows, videos=rows, views=rows, paths=["a", "b"], boxes=none)
    loss = task.loss(net, batch)["loss"]
    loss.backward()
    assert loss.item() == 0
    gradients = [weight.grad for weight in net.parameters()]
    assert all(grad is not None and (grad == 0).all() for grad in gradients)


def test_the_network_sees_colours_in_the_order_that_is_asked_for(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """A red person is red, and blue with AVA.BGR, whatever read the frames."""
    for overrides, channel in (
        ([], 0),
        (keys(AVA__BGR=True), 2),
        (keys(AVA__IMG_PROC_BACKEND="pytorch"), 0),
        (keys(AVA__BGR=True, DATA__REVERSE_INPUT_CHANNEL=True), 0),
    ):
        cfg = load_cfg(SLOW, [*small_ava(tmp_path), *overrides])
        sample = build_dataset(cfg, "test").read(0)
        x1, y1, x2, y2 = sample.boxes.corners[0].round().int().tolist()
        (pathway,) = build_task(cfg).inputs(sample.clips())
        person = pathway[0, :, 2, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].mean((1, 2))
        assert person.argmax() == channel
        assert person[channel] > 1 > person.sort().values[1]


def test_fine_tuning_from_kinetics_says_what_it_starts_anew(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """The strides of AVA's last stage change no weight; only the classes are others."""
    small = keys(RESNET__WIDTH_PER_GROUP=8, NUM_GPUS=0, NONLOCAL__INSTANTIATION="softmax")
    kinetics = build_network(load_cfg(CONFIGS / "Kinetics/SLOW_8x8_R50.yaml", small), CPU)
    content = {"model_state": kinetics.state_dict()}
    strict = load_cfg(SLOW, small_ava(tmp_path))
    net = build_network(strict, CPU)
    with pytest.raises(CheckpointError, match=r"fine-tuning.*set TRAIN\.ALLOW_PARTIAL True"):
        start_from_cfg(net, content, strict, source="kinetics.pyth")
    cfg = load_cfg(SLOW, [*small_ava(tmp_path), "TRAIN.ALLOW_PARTIAL", "True"])
    report = start_from_cfg(net, content, cfg, source="kinetics.pyth")
    assert [each.split()[0] for each in report.misfit] == [
        "head.projection.weight",
        "head.projection.bias",
    ]
    assert (report.missing, report.unused) == ([], [])
    assert "2 re-initialised (another shape): head.projection.weight" in str(report)
    assert torch.equal(net.s5.pathway0_res2.branch2.c.weight, content["model_state"][
        "s5.pathway0_res2.branch2.c.weight"])  # fmt: skip


BAD = "bad.csv"
KEY = "-5KQ66BBWC4,0902"
MISTAKES = {
    "columns": (f"{KEY},0.1,0.2\n", "AVA.TRAIN_GT_BOX_LISTS", r"bad\.csv:1: .* with 4 columns"),
    "pixels": (f"{KEY},10,20,30,40,3,0\n", "AVA.TRAIN_GT_BOX_LISTS", "divide pixels by"),
    "label": (f"{KEY},0.1,0.1,0.2,0.2,81,0\n", "AVA.TRAIN_GT_BOX_LISTS", "set MODEL.NUM_CLASSES"),
    "seconds": (
        "1j20qq1JyX4,0700,0,0,1,1,,1\n1j20qq1JyX4,1850,0,0,1,1,,1\n",
        "AVA.TEST_PREDICT_BOX_LISTS",
        r"boxes are of seconds 700 to 1850, but used are those of AVA\.VALID_SECONDS \[902, 1798\]",
    ),
    "every": (
        "1j20qq1JyX4,0903,0,0,1,1,,1\n",
        "AVA.TEST_PREDICT_BOX_LISTS",
        r"a multiple of 4 \(AVA\.VAL_EVERY_SECONDS\); set AVA\.FULL_TEST_ON_VAL True",
    ),
    "threshold": (
        "1j20qq1JyX4,0904,0,0,1,1,,0.2\n",
        "AVA.TEST_PREDICT_BOX_LISTS",
        r"all 1 boxes have scores below 0\.9; lower AVA\.DETECTION_SCORE_THRESH",
    ),
    "videos": (
        "other,0904,0,0,1,1,,1\n",
        "AVA.TEST_PREDICT_BOX_LISTS",
        r"none of the 1 video\(s\) .* 'other', is among the 2 .* '1j20qq1JyX4'; both lists must",
    ),
    "nobody": ("1j20qq1JyX4,0904,,,,,,\n", "AVA.TEST_PREDICT_BOX_LISTS", "have no persons"),
    "truth": ("other,0904,0,0,1,1,3,0\n", "AVA.GROUNDTRUTH_FILE", r"'1j20.*, found 'other'"),
    "truth pixels": ("1j20qq1JyX4,0904,9,9,20,20,3,0\n", "AVA.GROUNDTRUTH_FILE", "divide pixels"),
    "truth label": ("1j20qq1JyX4,0904,0,0,1,1,81,0\n", "AVA.GROUNDTRUTH_FILE", "1 to MODEL.NUM_C"),
    "label map": ("", "AVA.LABEL_MAP_FILE", "expected blocks such as item"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(
    mistake: str, small_ava: Callable[[Path], list[str]], ava_files: Path, tmp_path: Path
) -> None:
    text, key, message = MISTAKES[mistake]
    bad = tmp_path / BAD
    bad.write_text(text)
    value = str([str(bad)]) if key.endswith("LISTS") else str(bad)
    cfg = load_cfg(SLOW, [*small_ava(tmp_path / "run"), key, value])
    split = "train" if key.startswith("AVA.TRAIN") else "val"
    with pytest.raises(ValueError, match=message) as caught:
        build_task(cfg).evaluator(build_dataset(cfg, split).records)
    assert "\n" not in str(caught.value)


def test_a_label_map_that_is_not_there_is_missed_before_an_epoch_is_trained(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    cfg = load_cfg(SLOW, [*small_ava(tmp_path), "AVA.LABEL_MAP_FILE", "none.pbtxt"])
    with pytest.raises(ValueError, match=r"none\.pbtxt: expected a label map .*AVA\.LABEL_MAP"):
        train(cfg)
    assert newest_whole(str(tmp_path), task=cfg.TASK) is None


def test_clips_of_whole_videos_are_not_counted_around_keyframes(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    cfg = load_cfg(SLOW, [*small_ava(tmp_path), "TEST.NUM_TEMPORAL_CLIPS", "[1, 3]"])
    with pytest.raises(ValueError, match=r"NUM_TEMPORAL_CLIPS is \[1, 3\].*AVA\.TEST_CLIPS"):
        build_dataset(cfg, "test")
    with pytest.raises(ValueError, match=r"TEST_SCALES is \[32, 32\], but must be a list of diff"):
        load_cfg(SLOW, [*small_ava(tmp_path), "AVA.TEST_SCALES", "[32, 32]"])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_trains_and_tests(
    recipe: Path, small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = keys(TRAIN__ENABLE=True, REPORT__ENABLE=False, AVA__FULL_TEST_ON_VAL=True)
    colours = keys(AVA__TRAIN_USE_COLOR_AUGMENTATION=True, AVA__TRAIN_PCA_JITTER_ONLY=False)
    assert main(["--cfg", str(recipe), *small_ava(run), *options, *colours]) == 0
    results = simplejson.loads((run / "test_results.json").read_text())
    assert 0 <= results["map"] <= 100
    assert results["num_keyframes"] == 5
    kept = read_checkpoint(str(newest_whole(str(run), task="")))["model_state"]
    assert kept["head.projection.weight"].shape[0] == 80


@pytest.mark.slow
def test_two_processes_find_what_one_finds(
    small_ava: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """Five keyframes in eight views, so that one process has three and the other two."""
    cfg = load_cfg(SLOW, small_ava(tmp_path / "trained"))
    torch.save({"model_state": build_network(cfg, CPU).state_dict()}, tmp_path / "net.pyth")
    options = [*VIEWS, *keys(TRAIN__ENABLE=False, REPORT__ENABLE=False)]
    options += keys(TEST__CHECKPOINT_FILE_PATH=tmp_path / "net.pyth")
    for name, processes in (("one", "1"), ("two", "2")):
        words = ["--cfg", str(SLOW), "--nproc", processes, *small_ava(tmp_path / name), *options]
        assert main(words) == 0
    lists = (tmp_path / name / "detections.csv" for name in ("one", "two"))
    one, two = (read_box_rows(path, detected=True) for path in lists)
    for column in ("video", "second", "corners", "label"):
        np.testing.assert_array_equal(getattr(one, column), getattr(two, column))
    # Batches of other sizes round otherwise.
    np.testing.assert_allclose(one.score, two.score, rtol=1e-5)
    maps = [
        simplejson.loads((tmp_path / name / "test_results.json").read_text())["map"]
        for name in ("one", "two")
    ]
    assert maps[0] == maps[1]
