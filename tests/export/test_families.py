"""Every family exports with any number of clips, compiles in one graph, runs in bfloat16."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from slowfast.export.call import random_call
from slowfast.export.onnx_file import open_onnx, write_onnx
from slowfast.export.program_file import trace
from slowfast.export.write import export_network
from slowfast.models import create_model


@pytest.fixture(scope="module")
def program(family: nn.Module) -> ExportedProgram:
    return trace(family, random_call(family.input_spec, 2), dynamic_batch=True)


@pytest.mark.parametrize("clips", [1, 3])
def test_a_traced_program_gives_the_same(
    clips: int, family: nn.Module, program: ExportedProgram
) -> None:
    call = random_call(family.input_spec, clips)
    torch.testing.assert_close(program.module()(*call.args), family(*call.args))


def test_onnxruntime_gives_the_same(
    family: nn.Module, program: ExportedProgram, tmp_path: Path
) -> None:
    traced = random_call(family.input_spec, 2)
    write_onnx(program, traced, tmp_path / "net.onnx", {}, dynamic_batch=True)
    call = random_call(family.input_spec, 3, seed=5)
    found = open_onnx(tmp_path / "net.onnx")(call)
    torch.testing.assert_close(found, family(*call.args), rtol=1e-4, atol=1e-5)


def test_it_compiles_without_graph_breaks(family: nn.Module) -> None:
    call = random_call(family.input_spec, 2)
    torch.compiler.reset()
    compiled = torch.compile(family, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*call.args), family(*call.args))


def test_bfloat16_and_channels_last(family: nn.Module) -> None:
    call = random_call(family.input_spec, 2)
    expected = family(*call.args)
    half = copy.deepcopy(family).bfloat16().to(memory_format=torch.channels_last_3d)
    clips = [c.bfloat16().to(memory_format=torch.channels_last_3d) for c in call.pathways]
    pure = half(clips, *call.args[1:])
    assert pure.dtype == torch.bfloat16
    torch.testing.assert_close(pure.float(), expected, rtol=0, atol=0.08)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = family(*call.args)
    torch.testing.assert_close(mixed.float(), expected, rtol=0, atol=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["slowfast_r50_4x16", "x3d_s"])
def test_networks_of_the_zoo_as_onnx_files(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    parity = export_network(create_model(name), tmp_path / "net.onnx", file_format="onnx")
    assert parity.worst < 1e-3
