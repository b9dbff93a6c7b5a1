"""docs/finetuning.md: its commands on generated files, what they print, and what is trained."""

from __future__ import annotations

import json
import os
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from slowfast.cli.run import main
from slowfast.config import load_cfg
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import newest_whole, read_checkpoint
from slowfast.engine.train import train

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "finetuning.md"
HEADER = "original_vido_id video_id frame_id path labels"
TEMPLATES = ("Pushing [something]", "Holding [something]", "Putting [something] on [something]")
SMALL = {
    "RESNET.WIDTH_PER_GROUP": 8,
    "NUM_GPUS": 0,
    "DATA.NUM_FRAMES": 8,
    "DATA.TRAIN_CROP_SIZE": 32,
    "DATA.TRAIN_JITTER_SCALES": "[36,44]",
    "DATA.TEST_CROP_SIZE": 32,
    "DATA_LOADER.NUM_WORKERS": 0,
    "TRAIN.BATCH_SIZE": 2,
    "TEST.BATCH_SIZE": 2,
    "TEST.NUM_ENSEMBLE_VIEWS": 1,
    "SOLVER.MAX_EPOCH": 1,
    "SOLVER.WARMUP_EPOCHS": 0.0,
    "REPORT.ENABLE": False,
}
WORDS = [str(word) for pair in SMALL.items() for word in pair]
# Caffe2 has no counters of batches, and says what a weight is by its last letters.
BLOBS = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def drawn(video: int, i: int) -> np.ndarray:
    frame = np.full((48, 64, 3), 40 * video + 2 * i, np.uint8)
    frame[10:30, 2 * i : 2 * i + 20] = 255 - 60 * video
    return frame


def pictures(folder: Path, video: int, count: int = 16) -> Iterator[str]:
    folder.mkdir(parents=True)
    for i in range(count):
        name = f"{folder.name}-{i + 1:06d}.jpg"
        Image.fromarray(drawn(video, i)).save(folder / name)
        yield f"{folder.name}/{name}"


def film(path: Path, video: int, count: int = 16) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libvpx-vp9", rate=12, options={"cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(drawn(video, i), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_ssv2(folder: Path) -> None:
    (folder / "videos").mkdir(parents=True)
    labels = {name.replace("[", "").replace("]", ""): str(i) for i, name in enumerate(TEMPLATES)}
    (folder / "something-something-v2-labels.json").write_text(json.dumps(labels))
    for name, ids in (("train", (1, 2, 3, 4)), ("validation", (5, 6))):
        entries = [{"id": str(i), "template": TEMPLATES[i % 3]} for i in ids]
        (folder / f"something-something-v2-{name}.json").write_text(json.dumps(entries))
        for i in ids:
            film(folder / "videos" / f"{i}.webm", i % 4)


def write_charades(folder: Path) -> None:
    folder.mkdir()
    for split, names in (("train", ("46GP8", "N11GT")), ("val", ("YSKX3", "6D5DL"))):
        rows = [
            f'{name} {i} {number} {path} "{i},156"'
            for i, name in enumerate(names)
            for number, path in enumerate(pictures(folder / "rgb" / name, i))
        ]
        (folder / f"{split}.csv").write_text("\n".join([HEADER, *rows, ""]))


def blob(key: str) -> str:
    """The Caffe2 name of a tensor of SlowFast."""
    path, _, end = key.rpartition(".")
    ending = BLOBS[end] if path.endswith("bn") else {"weight": "w", "bias": "b"}[end]
    if path == "head.projection":
        return f"pred_{ending}"
    fuse = re.fullmatch(r"s(\d)_fuse\.(conv_f2s|bn)", path)
    if fuse:
        after = {"1": "pool1", "2": "res2_2_branch2c_bn", "3": "res3_3_branch2c_bn",
                 "4": "res4_5_branch2c_bn"}[fuse[1]]  # fmt: skip
        return f"t_{after}_subsample{'_bn' * (fuse[2] == 'bn')}_{ending}"
    stage, pathway, rest = re.fullmatch(r"s(\d)\.pathway(\d)_(.*)", path).groups()  # type: ignore[union-attr]
    front = "t_" if pathway == "1" else ""
    if stage == "1":
        return f"{front}{'res_conv1_bn' if rest == 'stem.bn' else 'conv1'}_{ending}"
    return f"{front}{rest.replace('res', f'res{stage}_').replace('.', '_', 1)}_{ending}".replace(
        "branch2.", "branch2"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's commands are typed: data, and a narrow network with its 400 classes."""
    from slowfast.models import build_model

    here = tmp_path_factory.mktemp("finetuning")
    write_ssv2(here / "ssv2")
    write_charades(here / "charades")
    for name in ("configs", "tools"):
        os.symlink(ROOT / name, here / name)
    torch.manual_seed(0)
    net = build_model(load_cfg(ROOT / "configs/Kinetics/SLOWFAST_8x8_R50.yaml", WORDS))
    state = net.state_dict()
    for value in state.values():
        if value.is_floating_point() and value.dim() == 1:
            value.add_(torch.rand(value.shape) * 0.1)
    blobs = {blob(k): v.numpy() for k, v in state.items() if "num_batches" not in k}
    with (here / "SLOWFAST_8x8_R50.pkl").open("wb") as file:
        pickle.dump({"blobs": blobs}, file, protocol=2)
    torch.save({"epoch": 195, "model_state": state}, here / "SLOWFAST_8x8_R50.pyth")
    return here


def commands() -> list[list[str]]:
    blocks = re.findall(r"^(    python tools.*?\n)\n", PAGE.read_text(), re.M | re.S)
    return [shlex.split(block.replace("\\\n", "")) for block in blocks]


def shown_report() -> str:
    """The line of the page, for a network as narrow as here."""
    found = re.search(r"^    SLOWFAST_8x8_R50.*?\n\n", PAGE.read_text(), re.M | re.S)
    assert found is not None
    return " ".join(found[0].split()).replace("2304", "288")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_commands_as_they_are_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    typed = commands()
    assert [words[3] for words in typed] == [
        "configs/SSv2/SLOWFAST_16x8_R50.yaml", "configs/Charades/SLOWFAST_16x8_R50.yaml"
    ]  # fmt: skip
    for i, (words, figure) in enumerate(zip(typed, ("top1", "map"), strict=True)):
        classes = 174 if figure == "top1" else 157
        run = folder / f"run_{classes}"
        line = [*words[1:], *WORDS, "OUTPUT_DIR", str(run)]
        if i:  # the second one in this process, which has PyTorch already
            monkeypatch.chdir(folder)
            assert main(line[1:]) == 0
        else:
            done = subprocess.run([sys.executable, *line], env=env, cwd=folder, text=True)
            assert done.returncode == 0
        said = (run / "stdout.log").read_text()
        assert shown_report().replace("174", str(classes)) in said
        results = json.loads((run / "test_results.json").read_text())
        assert 0 <= results[figure] <= 100
        assert results["num_videos"] == 2


def fine_tune(folder: Path, name: str, *words: str) -> dict[str, Any]:
    """The checkpoint after an epoch of Charades by the page's keys and these."""
    # The page's own: all but program, file and folders.
    page = [word.replace(".pkl", ".pyth") for word in commands()[1][4:-4]]
    cfg = load_cfg(
        ROOT / "configs/Charades/SLOWFAST_16x8_R50.yaml",
        [
            *WORDS,
            *(str(folder / word) if word.endswith(".pyth") else word for word in page),
            *("DATA.PATH_TO_DATA_DIR", str(folder / "charades")),
            *("DATA.PATH_PREFIX", str(folder / "charades/rgb")),
            *("TRAIN.CHECKPOINT_TYPE", "pytorch", "OUTPUT_DIR", str(folder / name)),
            *words,
        ],
    )
    train(cfg)
    newest = newest_whole(cfg.OUTPUT_DIR)
    assert newest is not None
    return read_checkpoint(newest)


def table() -> list[tuple[list[str], str, str]]:
    """(overrides, weights, statistics) of the page's table of what is trained."""
    rows = re.findall(r"^\| (none|`MODEL\.[^|]*`) \| ([^|]*) \| ([^|]*) \|", PAGE.read_text(), re.M)
    return [(shlex.split(key.strip("`")) if key != "none" else [], *rest) for key, *rest in rows]


@pytest.mark.slow
def test_what_the_table_says_is_trained(folder: Path) -> None:
    """Bit for bit, under weight decay too."""
    begin = read_checkpoint(folder / "SLOWFAST_8x8_R50.pyth")["model_state"]
    below = [name for name in begin if not name.startswith("head.")]
    statistics = [name for name in below if "running_" in name]
    counters = [name for name in below if "num_batches" in name]
    weights = sorted({*below} - {*statistics, *counters})
    assert len(table()) == 4
    for words, learned, followed in table():
        content = fine_tune(folder, "_".join(["table", *words[:1]]), *words)
        end = content["model_state"]

        def same(names: list[str], end: dict[str, Any] = end) -> int:
            return sum(torch.equal(begin[name], end[name]) for name in names)

        assert (same(weights) == len(weights)) == ("as loaded" in learned)
        # A narrow ReLU may be silent for all clips, whose norm learns nothing.
        assert same(weights) > 0.9 * len(weights) or same(weights) < 0.1 * len(weights)
        assert same(statistics) == (len(statistics) if followed == "as loaded" else 0)
        trained = sum(len(group["params"]) for group in content["optimizer_state"]["param_groups"])
        assert trained == (2 if "not in the optimizer" in learned else len(weights) + 2)
        assert end["head.projection.weight"].shape == (157, 288)


@pytest.mark.slow
def test_what_else_the_page_promises(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"\(157, 288\) expected.*TRAIN\.ALLOW_PARTIAL True"):
        fine_tune(folder, "strict", "TRAIN.ALLOW_PARTIAL", "False")
    narrow = ["RESNET.WIDTH_PER_GROUP", "16"]
    for partial in ("True", "False"):
        with pytest.raises(CheckpointError, match="fits the network but 110 vectors and counters"):
            fine_tune(folder, "another", *narrow, "TRAIN.ALLOW_PARTIAL", partial)
    state = read_checkpoint(folder / "SLOWFAST_8x8_R50.pyth")["model_state"]
    prefixed = {f"backbone.{name}": value for name, value in state.items()}
    torch.save({"model_state": prefixed}, folder / "prefixed.pyth")
    found = re.search(r"`(TRAIN\.CHECKPOINT_CLEAR_NAME_PATTERN .*?)`", PAGE.read_text(), re.S)
    first, second = re.findall(r"`MODEL\.FREEZE (.*?)`", PAGE.read_text())
    assert found is not None
    clear = ["TRAIN.CHECKPOINT_FILE_PATH", str(folder / "prefixed.pyth"), *shlex.split(found[1])]
    content = fine_tune(folder, "stages", *clear, "MODEL.FREEZE", *shlex.split(second))
    end = content["model_state"]
    kept = {name.split(".")[0] for name in state if "num_" not in name and ".conv" in name
            and torch.equal(state[name], end[name])}  # fmt: skip
    assert kept == {"s1", "s2"} & {name.split(".")[0] for name in state if ".conv" in name}
    stages = [name for name in state if name.startswith(("s1.", "s2."))]
    assert all(torch.equal(state[name], end[name]) for name in stages)
    assert not torch.equal(state["s3.pathway0_res0.branch1.weight"],
                           end["s3.pathway0_res0.branch1.weight"])  # fmt: skip
    with pytest.raises(CheckpointError, match=r"MODEL\.FREEZE or what is decayed has changed.*ano"):
        fine_tune(
            folder, "stages", *clear, "MODEL.FREEZE", *shlex.split(first), "SOLVER.MAX_EPOCH", "2"
        )
