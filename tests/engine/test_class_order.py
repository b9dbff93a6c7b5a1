"""Mirrors slowfast/engine/class_order.py: classes have the same numbers in weights and data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from slowfast.config import load_cfg
from slowfast.engine.build import Position, build_network
from slowfast.engine.checkpoint.state import checkpoint_path, write_checkpoint
from slowfast.engine.class_order import refuse_other_order, warn_of_other_order
from slowfast.engine.resume import resume
from slowfast.engine.test import test as run_test

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"


def test_a_class_with_two_numbers_is_refused() -> None:
    told = r"net.pyth: 'jump' is class 1 of the weights and 0 of the data \(2 classes have two"
    with pytest.raises(ValueError, match=told):
        refuse_other_order(["run", "jump", "sit"], ["jump", "run", "sit"], source="net.pyth")
    # Of those that are there twice nobody knows which is which.
    refuse_other_order(["same", "same"], ["same", "same"], source="net.pyth")


@pytest.mark.parametrize(("weights", "data"), [([], ["a"]), (["a"], []), (["a", "b"], ["a", "b"])])
def test_no_names_or_the_same_are_no_matter(
    caplog: pytest.LogCaptureFixture, weights: list[str], data: list[str]
) -> None:
    refuse_other_order(weights, data, source="net.pyth")
    warn_of_other_order(weights, data, source="net.pyth")
    assert not caplog.records


def test_another_spelling_is_told(caplog: pytest.LogCaptureFixture) -> None:
    refuse_other_order(["a", "high kick"], ["a", "high_kick"], source="net.pyth")
    assert "1 classes have other names than in the data, such as 1, 'high kick'" in caplog.text


def test_a_last_layer_of_other_classes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_other_order(["a", "b", "c"], ["b", "a"], source="net.pyth")  # begins anew
    assert not caplog.records
    warn_of_other_order(["a", "b"], ["b", "a"], source="net.pyth")
    assert "the last layer begins with the weights of other classes" in caplog.text


def test_neither_a_test_nor_a_run_goes_on_with_classes_of_another_order(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    known = [f"class {number}" for number in range(12)]
    names.write_text("\n".join(known))
    cfg = load_cfg(CONFIG, [*tiny, "DATA.CLASS_NAMES_FILE", str(names)])
    net = build_network(cfg, torch.device("cpu"))
    content = {"model_state": net.state_dict(), "slowfast": {"class_names": known[::-1]}}
    own = checkpoint_path(tmp_path / "run", 1)
    write_checkpoint(own, content)
    with pytest.raises(ValueError, match="'class 0' is class 11 of the weights and 0 of the data"):
        run_test(cfg)
    trainer: Any = SimpleNamespace(net=net, class_names=known, position=Position())
    with pytest.raises(ValueError, match=r"epoch_00001.pyth: 'class 0' is class 11"):
        resume(trainer, cfg)
    elsewhere = tmp_path / "weights.pyth"
    own.rename(elsewhere)
    other = ["TRAIN.CHECKPOINT_FILE_PATH", str(elsewhere), "OUTPUT_DIR", str(tmp_path / "new")]
    assert not resume(trainer, load_cfg(CONFIG, [*tiny, *other]))
    assert "weights.pyth: 'class 0' is class 11 of the weights" in capsys.readouterr().out
