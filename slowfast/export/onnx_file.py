"""ONNX files: run by onnxruntime, TensorRT, OpenVINO and others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from slowfast.export.call import OUTPUT, Call

NEEDS = ("onnx", "onnxscript", "onnxruntime")
ONE_FILE = 1.9 * 2**30  # bytes of weights; a protobuf holds less than 2 GiB


def require_onnx() -> None:
    """Raise ValueError unless what writes and runs ONNX files is installed."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"--format onnx needs {', '.join(missing)}, not installed here: "
            "pip install 'slowfast-video[export]'"
        )


def write_onnx(
    program: ExportedProgram,
    call: Call,
    path: Path,
    metadata: Mapping[str, str],
    *,
    dynamic_batch: bool,
) -> None:
    """Write the file; weights beyond 2 GiB go to `<name>.data` beside it.

    Args:
        call: what the program was traced with, as was `dynamic_batch`; they give the names of
            inputs and of dimensions.
    """
    with warnings.catch_warnings():
        # Two pathways share the dimension of the batch, which has one name; said as a warning.
        warnings.filterwarnings("ignore", message="# The axis name")
        made = torch.onnx.export(
            program,
            input_names=call.names,
            output_names=[OUTPUT],
            dynamic_shapes=call.free_shapes(batch=dynamic_batch),
            dynamo=True,
            verbose=False,
        )
    assert made is not None
    made.model.metadata_props.update(metadata)
    size = sum(weight.nbytes for weight in program.state_dict.values())
    made.save(path, external_data=size > ONE_FILE)


def open_onnx(path: Path) -> Callable[[Call], Tensor]:
    """A function that runs the file with onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(call: Call) -> Tensor:
        named = zip(call.names, call.tensors, strict=True)
        (scores,) = session.run([OUTPUT], {name: tensor.numpy() for name, tensor in named})
        return torch.from_numpy(scores)

    return run
