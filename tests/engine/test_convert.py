"""Mirrors slowfast/engine/convert.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slowfast.config import dump_cfg, load_cfg
from slowfast.engine.build import build_network
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
