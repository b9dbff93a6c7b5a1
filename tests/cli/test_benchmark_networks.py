"""Mirrors slowfast/cli/benchmark_networks.py and benchmark_rivals.py; no time is asserted."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from slowfast.cli import benchmark_networks
from slowfast.cli.benchmark_networks import Case, _take_turns, measure_network
from slowfast.cli.benchmark_rivals import RIVALS, rivals_of
from slowfast.cli.machine import Machine, _processor
from slowfast.models import create_model

CPU = torch.device("cpu")
GPU = Machine("a processor", ["avx512f"], 1, "2.10", "NVIDIA H100 80GB HBM3")


def tiny() -> nn.Module:
    return create_model(
        "slowfast_r50_4x16",
        stage_blocks=(1, 1, 1, 1),
        width=8,
        crop_size=32,
        num_frames=8,
        fusion_kernel=5,
    )


def test_rows_say_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny()
    monkeypatch.setattr(benchmark_networks, "rivals_of", lambda name, net: {"x, network": net})
    rows = measure_network(Case("tiny", net, 2, 1, CPU), GPU)
    by_title = {row["what"]: row for row in rows}
    assert len(rows) == len(by_title) == 7 + 2 + 4 + 2
    base, half = by_title["step, float32"], by_title["step, bfloat16, channels last"]
    assert base["ratio"] == 1
    assert half["ratio"] == pytest.approx(half["ms"] / base["ms"])
    assert half["clips_per_s"] == pytest.approx(2000 / half["ms"])
    assert half["share_of_peak"] == pytest.approx(1e12 * half["tflops"] / 989e12)
    assert "share_of_peak" not in base
    assert "tflops" not in by_title["forward, float32, x, network"]
    assert all(p.grad is None for p in net.parameters())  # copies were trained


def test_actions_take_turns() -> None:
    done: list[str] = []
    actions = {name: lambda name=name: done.append(name) for name in ("a", "b")}
    times = _take_turns(actions, Case("x", nn.Identity(), 1, 2, CPU))
    assert done == ["a", "b", "a", "b", "a", "b"]
    assert [len(seconds) for seconds, _ in times.values()] == [2, 2]


def test_what_cannot_be_compiled_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise RuntimeError("no compiler\nmore")

    case = Case("x", nn.Identity(), 1, 1, CPU)
    assert list(_take_turns({"a": int, "b, compiled": fails}, case)) == ["a"]
    assert capsys.readouterr().err == "x, b, compiled: left out, no compiler\n"
    with pytest.raises(RuntimeError, match="no compiler"):
        _take_turns({"b": fails}, case)


def test_rivals_get_our_settings_and_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Overwrites(nn.Module):
        def forward(self, pathways: list[torch.Tensor]) -> torch.Tensor:
            pathways[0] = pathways[0].mean((2, 3, 4))
            return pathways[0]

    def create(**settings: Any) -> nn.Module:
        asked.update(settings)
        return Overwrites()

    library = ModuleType("pytorchvideo.models.slowfast")
    library.create_slowfast = create  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorchvideo", ModuleType("pytorchvideo"))
    monkeypatch.setitem(sys.modules, "pytorchvideo.models", ModuleType("pytorchvideo.models"))
    monkeypatch.setitem(sys.modules, library.__name__, library)
    (rival,) = rivals_of("slowfast_r50_4x16", tiny()).values()
    assert asked == {
        "model_depth": 50,
        "slowfast_fusion_conv_kernel_size": (5, 1, 1),
        "slowfast_fusion_conv_stride": (8, 1, 1),
        "head_pool_kernel_sizes": ((1, 1, 1), (8, 1, 1)),
    }
    clips = [torch.ones(1, 3, 2, 4, 4), torch.ones(1, 3, 8, 4, 4)]
    assert rival(clips).shape == (1, 3)
    assert clips[0].shape == (1, 3, 2, 4, 4)
    assert rivals_of("slowfast_nln_r50_4x16", tiny()) == {}


def test_rivals_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = [name for name in sys.modules if name.split(".")[0] == "pytorchvideo"]
    for name in {"pytorchvideo", *loaded}:
        monkeypatch.setitem(sys.modules, name, None)
    with torch.device("meta"):
        net = create_model("slow_r50_8x8")
        found = rivals_of("slow_r50_8x8", net)
        assert list(found) == ["torchvision r3d_18, another network"]
        (rival,) = found.values()
        assert rival([torch.empty(2, 3, 8, 32, 32)]).shape == (2, 400)
        assert rivals_of("x3d_s", create_model("x3d_s")) == {}
    assert all("network" in title for title, _, _ in RIVALS)  # what _rows goes by


def test_a_machine_is_described(tmp_path: Any) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "model name : Fast One\nflags : fpu avx2 amx_bf16\n\nmodel name : Fast One\n"
    )
    assert _processor(cpuinfo) == ("Fast One", ["avx2", "amx_bf16"])
    assert Machine("Fast One", ["avx2", "amx_bf16"], 2, "2.10").multiplies_bfloat16
    assert _processor(tmp_path / "none")[0]
    assert str(GPU) == (
        "a processor, 1 thread(s), avx512f, no bfloat16 instructions; NVIDIA H100 80GB HBM3; "
        "torch 2.10"
    )
    assert GPU.peak_flops == 989e12
    assert Machine("x", [], 1, "2.10").peak_flops is None
