"""Mirrors slowfast/engine/convert.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torchvision.models.resnet import Bottleneck

from slowfast.config import dump_cfg, load_cfg
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.content import class_names_of
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.state import read_checkpoint
from slowfast.engine.convert import convert_checkpoint
from slowfast.engine.predict import Predictor

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


@pytest.fixture
def checkpoint(tiny: list[str], tmp_path: Path) -> Path:
    cfg = load_cfg(CONFIG, tiny)
    net = build_network(cfg, torch.device("cpu"))
    path = tmp_path / "net.pyth"
    names = [f"motion {i}" for i in range(cfg.MODEL.NUM_CLASSES)]
    content = {"cfg": dump_cfg(cfg), "slowfast": {"class_names": names}, "epoch": 3}
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"model_state": state, **content}, path)
    return path


def test_there_and_back_nothing_changes(checkpoint: Path, motions: Path, tmp_path: Path) -> None:
    line = convert_checkpoint(checkpoint, tmp_path / "net.safetensors")
    assert line.startswith(f"{tmp_path / 'net.safetensors'}: ")
    assert "tensors loaded" in line
    convert_checkpoint(tmp_path / "net.safetensors", tmp_path / "back.pyth")
    video = next((motions / "test").rglob("*.mp4"))
    results = [
        Predictor.from_checkpoint(path, device="cpu")(video)
        for path in (checkpoint, tmp_path / "net.safetensors", tmp_path / "back.pyth")
    ]
    assert results[0].names[0].startswith("motion ")
    assert results[0] == results[1] == results[2]
    content = read_checkpoint(tmp_path / "back.pyth")
    assert "epoch" not in content  # weights alone: nothing to go on from
    assert not any(name.startswith("module.") for name in content["model_state"])


def test_the_averaged_weights_are_what_is_left_of_both(
    tiny: list[str], motions: Path, tmp_path: Path
) -> None:
    """A prediction from the file is the one from the checkpoint, without another word."""
    cfg = load_cfg(CONFIG, [*tiny, "EMA.ENABLE", "True"])
    state = build_network(cfg, torch.device("cpu")).state_dict()
    mean = {name: value * 1.1 for name, value in state.items()}
    ours = {"ema_state": {"updates": 1, "model_state": mean}}
    content = {"model_state": state, "cfg": dump_cfg(cfg), "slowfast": ours}
    torch.save(content, tmp_path / "run.pyth")
    line = convert_checkpoint(tmp_path / "run.pyth", tmp_path / "mean.pyth")
    assert ": averaged (EMA): " in line
    video = next((motions / "test").rglob("*.mp4"))
    files = (tmp_path / "run.pyth", tmp_path / "mean.pyth")
    results = [Predictor.from_checkpoint(file, device="cpu")(video) for file in files]
    assert results[0] == results[1]
    trained = ["EMA.ENABLE", "False"]
    line = convert_checkpoint(files[0], tmp_path / "last.pyth", overrides=trained)
    assert "averaged (EMA)" not in line
    last = read_checkpoint(tmp_path / "last.pyth")["model_state"]
    assert torch.equal(last["head.projection.weight"], state["head.projection.weight"])


def test_a_config_is_checked_against_and_goes_into_the_file(
    checkpoint: Path, tiny: list[str], tmp_path: Path
) -> None:
    cfg = load_cfg(CONFIG, tiny)
    bare, yaml = tmp_path / "bare.pyth", tmp_path / "net.yaml"
    yaml.write_text(dump_cfg(cfg))
    torch.save({"model_state": read_checkpoint(checkpoint)["model_state"]}, bare)
    line = convert_checkpoint(bare, tmp_path / "plain.safetensors")
    assert "names as they are; not checked against a network (--cfg FILE)" in line
    convert_checkpoint(bare, tmp_path / "full.safetensors", cfg=yaml)
    assert Predictor.from_checkpoint(tmp_path / "full.safetensors", device="cpu")
    yaml.write_text(dump_cfg(load_cfg(CONFIG, [*tiny, "SLOWFAST.FUSION_KERNEL_SZ", "3"])))
    with pytest.raises(CheckpointError, match="does not fit the network"):
        convert_checkpoint(bare, tmp_path / "other.safetensors", cfg=yaml)
    assert not (tmp_path / "other.safetensors").exists()


def test_files_that_are_there_stay(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "there.safetensors"
    target.write_text("mine")
    with pytest.raises(CheckpointError, match=r"there\.safetensors: is there already; --force"):
        convert_checkpoint(checkpoint, target)
    assert target.read_text() == "mine"
    convert_checkpoint(checkpoint, target, force=True)
    assert read_checkpoint(target)["model_state"]
    with pytest.raises(CheckpointError, match="IN and OUT are the same file"):
        convert_checkpoint(checkpoint, checkpoint, force=True)
    with pytest.raises(CheckpointError, match=r"net\.onnx: can write \.pyth and \.safetensors"):
        convert_checkpoint(checkpoint, tmp_path / "net.onnx")


def test_a_folder_is_not_replaced(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "there.pyth"
    folder.mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match=r"there\.pyth: is a folder"):
        convert_checkpoint(checkpoint, folder, force=True)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("ours", [None, "text", {"class_names": None}])
def test_entries_of_other_programs_do_no_harm(ours: Any, checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint)
    torch.save({**content, "slowfast": ours}, checkpoint)
    convert_checkpoint(checkpoint, tmp_path / "out.pyth")
    assert class_names_of(read_checkpoint(tmp_path / "out.pyth")) == []


def test_the_line_changes_the_config(checkpoint: Path, tiny: list[str], tmp_path: Path) -> None:
    """Weights of seven classes, under other names, and a recipe of twelve."""
    cfg = load_cfg(CONFIG, [*tiny, "MODEL.NUM_CLASSES", "7"])
    state = build_network(cfg, torch.device("cpu")).state_dict()
    torch.save({f"net.{name}": value for name, value in state.items()}, tmp_path / "bare.pyth")
    yaml = tmp_path / "net.yaml"
    yaml.write_text(dump_cfg(load_cfg(CONFIG, tiny)))
    clear = ["TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", "['net.']"]
    job = {"source": tmp_path / "bare.pyth", "target": tmp_path / "out.pyth", "cfg": yaml}
    with pytest.raises(CheckpointError, match=r"2 re-initialised .*TRAIN\.ALLOW_PARTIAL True"):
        convert_checkpoint(**job, overrides=clear)
    convert_checkpoint(**job, overrides=[*clear, "MODEL.NUM_CLASSES", "7"])
    content = read_checkpoint(tmp_path / "out.pyth")
    assert torch.equal(
        content["model_state"]["head.projection.bias"], state["head.projection.bias"]
    )
    done = convert_checkpoint(**job, overrides=[*clear, "TRAIN.ALLOW_PARTIAL", "True"], force=True)
    assert "2 re-initialised (another shape): head.projection.weight" in done
    content = read_checkpoint(tmp_path / "out.pyth")
    assert len(content["model_state"]["head.projection.bias"]) == 12
    with pytest.raises(CheckpointError, match=r"MODEL\.NUM_CLASSES changes a config, and"):
        convert_checkpoint(
            tmp_path / "bare.pyth", tmp_path / "b.pyth", overrides=["MODEL.NUM_CLASSES", "7"]
        )


def test_flat_kernels_are_inflated_where_the_config_says_so(tmp_path: Path) -> None:
    """ImageNet's ResNets, as training takes them."""
    cfg = CONFIG.parents[1] / "Kinetics" / "C2D_8x8_R50.yaml"
    images = torchvision.models.ResNet(Bottleneck, [1, 1, 1, 1], num_classes=3)
    torch.save(images.state_dict(), tmp_path / "r.pth")
    job = {"source": tmp_path / "r.pth", "target": tmp_path / "out.pyth", "cfg": cfg}
    small = ["NUM_GPUS", "0", "MODEL.NUM_CLASSES", "3", "RESNET.STAGE_DEPTHS", "[1, 1, 1, 1]"]
    with pytest.raises(
        CheckpointError, match=r"kernels of the file are 2D: TRAIN\.CHECKPOINT_INFLATE"
    ):
        convert_checkpoint(**job, overrides=small)
    done = convert_checkpoint(**job, overrides=[*small, "TRAIN.CHECKPOINT_INFLATE", "True"])
    assert "17 inflated from 2D" in done


def test_how_a_run_began_does_not_loosen_what_it_wrote(checkpoint: Path, tmp_path: Path) -> None:
    """A run that started from part of another network saves all of its own."""
    content = torch.load(checkpoint)
    content["cfg"] = content["cfg"].replace("ALLOW_PARTIAL: false", "ALLOW_PARTIAL: true")
    assert "ALLOW_PARTIAL: true" in content["cfg"]
    del content["model_state"]["module.head.projection.bias"]
    torch.save(content, checkpoint)
    with pytest.raises(CheckpointError, match=r"head\.projection\.bias"):
        convert_checkpoint(checkpoint, tmp_path / "out.pyth")
    allowed = ["TRAIN.ALLOW_PARTIAL", "True"]
    assert "re-initialised" in convert_checkpoint(
        checkpoint, tmp_path / "out.pyth", overrides=allowed
    )
