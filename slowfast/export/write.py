"""Write a network to a file, run the file beside the network, keep it if they agree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from slowfast.export.call import random_call
from slowfast.export.onnx_file import open_onnx, require_onnx, write_onnx
from slowfast.export.program_file import open_program, trace, write_program
from slowfast.models.input_spec import InputSpec

FORMATS = {"onnx": ".onnx", "torch_export": ".pt2"}  # and how the names of their files end
SEEDS = (1, 2)  # of the random inputs that are compared


@dataclass(frozen=True)
class Parity:
    """How far scores of a file are from those of the network, over all random inputs."""

    difference: float  # largest, absolute
    relative: float  # as a share of the largest score of its input

    @property
    def worst(self) -> float:
        return max(self.difference, self.relative)

    def __str__(self) -> str:
        return (
            f"scores differ by {self.difference:.1e} at most, {self.relative:.1e} of the largest "
            f"score, on {len(SEEDS)} random inputs"
        )


def export_network(
    net: nn.Module,
    out: Path,
    *,
    file_format: str,
    batch: int | None = None,
    size: int | None = None,
    metadata: Mapping[str, str] | None = None,
    tolerance: float = 1e-3,
) -> Parity:
    """Export `net` in eval mode; `out` appears only if it gives the scores of `net`.

    Args:
        net: a network of this package, on the CPU in float32; its mode is left as it was.
        file_format: one of `FORMATS`.
        batch: clips of a call; None: any number, also from call to call.
        size: height and width of the clips, pixels; default: what the network was built for.
        metadata: texts to keep in the file.
        tolerance: largest difference of scores, absolute and as a share of the largest score
            (of 400 classes a score is often far below 1e-3 itself).

    Raises:
        ValueError: packages for the format are missing; the clips do not fit the network; `out`
            cannot be written; or the file gives other scores than the network.
    """
    if file_format not in FORMATS:
        raise ValueError(f"--format is {file_format!r}; use one of {', '.join(FORMATS)}")
    if file_format == "onnx":
        require_onnx()
    spec = net.input_spec
    assert isinstance(spec, InputSpec)
    # A batch that is free is traced with two clips and also run with one.
    counts = (batch, batch) if batch is not None else (1, 2)
    calls = [random_call(spec, n, size=size, seed=s) for n, s in zip(counts, SEEDS, strict=True)]
    mode = net.training
    net.eval()
    try:
        with torch.no_grad():
            expected = [net(*call.args) for call in calls]
        program = trace(net, calls[-1], dynamic_batch=batch is None)
    finally:
        net.train(mode)
    with _scratch_for(out) as folder:
        part = Path(folder, out.name)
        if file_format == "onnx":
            write_onnx(program, calls[-1], part, metadata or {}, dynamic_batch=batch is None)
        else:
            write_program(program, part, metadata or {})
        run = open_onnx(part) if file_format == "onnx" else open_program(part)
        parity = compare([run(call) for call in calls], expected)
        if not parity.worst <= tolerance:  # NaN is no agreement
            raise ValueError(
                f"{out}: not written: its {parity}, but --tolerance allows {tolerance:g}"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        for file in Path(folder).iterdir():  # large weights lie beside the file
            os.replace(file, out.parent / file.name)
    return parity


@contextmanager
def _scratch_for(out: Path) -> Iterator[str]:
    """A folder that is gone afterwards, on the disk of `out`; folders of `out` are not made yet."""
    near = next(folder for folder in out.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryDirectory(dir=near, prefix=".export-") as folder:
            yield folder
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(
            f"{out}: cannot be written ({reason}); choose another folder, or make room there"
        ) from error


def compare(found: list[Tensor], expected: list[Tensor]) -> Parity:
    """The largest differences between pairs of scores, of the same shape."""
    pairs = list(zip(found, expected, strict=True))
    difference = torch.stack([(a - b).abs().max() for a, b in pairs])  # keeps NaN, as max() may not
    largest = torch.stack([b.abs().max() for _, b in pairs]).clamp_min(1e-12)
    return Parity(float(difference.max()), float((difference / largest).max()))
