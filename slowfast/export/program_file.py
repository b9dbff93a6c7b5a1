"""Files of torch.export: run by PyTorch, compiled ahead of time by its AOTInductor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from slowfast.export.call import Call

EXTRA = "slowfast.json"  # the entry of the file that holds the metadata


def trace(net: nn.Module, call: Call, *, dynamic_batch: bool) -> ExportedProgram:
    """The program that `net` runs for clips like those of `call`.

    With `dynamic_batch`, `call` must have at least two clips (and boxes): a program traced with
    one of something would be for one.
    """
    shapes = call.free_shapes(batch=dynamic_batch)
    with torch.no_grad():
        return torch.export.export(net, call.args, dynamic_shapes=shapes, strict=False)


def write_program(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    torch.export.save(program, path, extra_files={EXTRA: json.dumps(dict(metadata))})


def open_program(path: Path) -> Callable[[Call], Tensor]:
    """A function that runs the file, which is called as the network is."""
    module = torch.export.load(path).module()

    def run(call: Call) -> Tensor:
        with torch.no_grad():
            return module(*call.args)  # type: ignore[no-any-return]

    return run
