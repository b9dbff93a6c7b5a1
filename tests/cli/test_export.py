"""Mirrors slowfast/cli/export.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from slowfast.cli.export import main
from slowfast.config import dump_cfg, load_cfg
from slowfast.engine.build import build_network
from slowfast.engine.checkpoint.state import write_checkpoint
from slowfast.export.program_file import EXTRA

CONFIG = str(Path(__file__).parents[2] / "configs" / "Motions" / "SLOW_TINY.yaml")
SMALL = ["RESNET.WIDTH_PER_GROUP", "8", "DATA.NUM_FRAMES", "2"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    cfg = load_cfg(CONFIG, overrides=[*SMALL, "RNG_SEED", "3"])
    net = build_network(cfg, torch.device("cpu"))
    names = [f"class {k}" for k in range(cfg.MODEL.NUM_CLASSES)]
    path = tmp_path / "checkpoint.pyth"
    content = {"model_state": net.state_dict(), "cfg": dump_cfg(cfg)}
    write_checkpoint(path, content | {"slowfast": {"class_names": names}})
    return path


def test_a_checkpoint_is_all_it_needs(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.pt2"
    assert main(["--checkpoint", str(checkpoint), str(out), "--crop", "48"]) == 0
    assert "net.pt2" in (said := capsys.readouterr().out)
    assert "scores differ by" in said
    extra = {EXTRA: ""}
    module = torch.export.load(out, extra_files=extra).module()
    kept = json.loads(extra[EXTRA])
    assert json.loads(kept["class_names"])[:2] == ["class 0", "class 1"]
    assert json.loads(kept["mean"]) == [0.45, 0.45, 0.45]
    assert kept["weights"] == "checkpoint.pyth"
    assert "NUM_FRAMES: 2" in kept["config"]
    weights = torch.load(checkpoint)["model_state"]
    assert torch.equal(
        module.state_dict()["head.projection.weight"], weights["head.projection.weight"]
    )
    assert module([torch.rand(5, 3, 2, 48, 48)]).shape == (5, len(json.loads(kept["class_names"])))


def test_random_weights_are_never_exported_unasked(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "net.pt2")
    for line, message in (
        ([out, "--cfg", CONFIG], "expected one of --checkpoint FILE and --random-weights"),
        ([out, "--cfg", CONFIG, "--random-weights", "--checkpoint", "a.pyth"], "got both"),
        ([out, "--random-weights"], "no --cfg; pass the YAML"),
        ([out, "--checkpoint", "nowhere.pyth"], "there is no such checkpoint"),
        (
            [out, "--checkpoint", str(checkpoint), "--cfg", CONFIG, "RESNET.WIDTH_PER_GROUP", "4"],
            "does not fit the network",
        ),
        ([f"{out}h", "--checkpoint", str(checkpoint)], "end it in .onnx or .pt2"),
        (
            [out, "--checkpoint", str(checkpoint), "--format", "onnx"],
            "a file of --format onnx ends in .onnx",
        ),
    ):
        assert main(line) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert not Path(out).exists()


def test_the_batch_is_a_number_or_dynamic(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["net.onnx", "--batch", "0"])
    assert end.value.code == 2
    assert "expected a number of clips or 'dynamic', got '0'" in capsys.readouterr().err


def test_a_file_that_is_there_stays(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.pt2"
    out.write_text("mine")
    line = ["--checkpoint", str(checkpoint), str(out), "--crop", "48", "--batch", "1"]
    assert main(line) == 2
    assert "net.pt2: is there already; --force replaces it" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*line, "--force"]) == 0
    assert torch.export.load(out)


def test_only_the_network_that_was_saved_is_exported(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However its run began, and whatever the line says of that."""
    content = torch.load(checkpoint)
    del content["model_state"]["head.projection.bias"]
    content["cfg"] = content["cfg"].replace("ALLOW_PARTIAL: false", "ALLOW_PARTIAL: true")
    torch.save({**content, "slowfast": None}, tmp_path / "part.pyth")
    out = str(tmp_path / "net.pt2")
    for more in ([], ["TRAIN.ALLOW_PARTIAL", "True"]):
        assert main(["--checkpoint", str(tmp_path / "part.pyth"), out, *more]) == 2
        said = capsys.readouterr().err
        assert "head.projection.bias. It takes the network that was saved" in said
        assert "ALLOW_PARTIAL" not in said
