"""What `slowfast doctor` looks at on a machine: each check is a function that returns a line."""

from __future__ import annotations

import importlib.util
import io
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from slowfast.cli.machine import this_machine
from slowfast.version import __version__

CODECS = {  # decoder -> an encoder to make a clip with
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "mpeg4": "mpeg4",
}
_NEEDED = ("h264", "mpeg4")  # without these most public data sets cannot be read
_BATCH_MB = 300  # shared memory of a worker: batches of 8 clips of 32 frames of 256 pixels
_OPEN_FILES = 4096
_DISK_GB = 5
_CLOSE = 0.02  # relative error of a convolution in half precision


@dataclass(frozen=True)
class Line:
    """``status`` is ok, warn or FAIL; ``remedy`` says what to do."""

    status: str
    name: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.status:<4} {self.name}: {self.found}" + (
            f"; {self.remedy}" if self.remedy else ""
        )


def machine_lines(*, workers: int) -> Iterator[Line]:
    """All checks that need no config.

    Args:
        workers: loader processes that a run would start.
    """
    yield python_line(sys.version_info[:3])
    yield Line("ok", "slowfast", f"{__version__} in {Path(__file__).parents[1]}")
    yield torch_line()
    yield from gpu_lines()
    yield processor_line()
    yield workers_line(
        workers,
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )
    for decoder, encoder in CODECS.items():
        yield codec_line(decoder, encoder)
    yield torchcodec_line()
    yield shared_memory_line(Path("/dev/shm"), workers)
    yield open_files_line()
    yield disk_line(Path.cwd())
    yield write_line(Path.cwd())


def python_line(version: tuple[int, int, int]) -> Line:
    found = f"{'.'.join(map(str, version))} ({platform.system()} {platform.machine()})"
    if version < (3, 11):
        return Line("FAIL", "Python", found, "install Python 3.11 or newer")
    return Line("ok", "Python", found)


def torch_line() -> Line:
    found = f"{torch.__version__}, built for CUDA {torch.version.cuda or 'no'}"
    numbers = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if numbers < (2, 10):
        return Line("FAIL", "PyTorch", found, "install torch 2.10 or newer")
    return Line("ok", "PyTorch", found)


def gpu_lines() -> Iterator[Line]:
    """Devices, and whether cuDNN computes 3D convolutions right in half precision."""
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None
        remedy = "NUM_GPUS 0 runs on the CPU" + (
            "; nvidia-smi says whether there is a driver" if built else ""
        )
        yield Line("warn" if built else "ok", "GPU", "no GPU that PyTorch can use", remedy)
        return
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        memory = properties.total_memory / 2**30
        yield Line("ok", f"GPU {number}", f"{properties.name}, {memory:.0f} GB")
    for dtype in (torch.bfloat16, torch.float16):
        yield convolution_line(torch.device("cuda"), dtype)


def convolution_line(device: torch.device, dtype: torch.dtype) -> Line:
    """Forward and both gradients of a 3D convolution against float32."""
    version = torch.backends.cudnn.version() or 0
    name = f"cuDNN conv3d {str(dtype).removeprefix('torch.')}"
    try:
        error = _convolution_error(device, dtype)
    except RuntimeError as fault:
        return Line("FAIL", name, f"cuDNN {version}: {fault}", "install another torch build")
    found = f"cuDNN {version}, largest relative error {error:.1e}"
    if not error < _CLOSE:
        return Line(
            "FAIL",
            name,
            found,
            "this cuDNN computes it wrongly (9.8 to 9.10 are known to): pip install another "
            "nvidia-cudnn-cu12, or train with TRAIN.MIXED_PRECISION False",
        )
    return Line("ok", name, found)


def _convolution_error(device: torch.device, dtype: torch.dtype) -> float:
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(2, 32, 8, 28, 28, generator=generator)
    weight = torch.randn(64, 32, 3, 3, 3, generator=generator) / 30
    results = []
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        for kind in (torch.float32, dtype):
            x = clip.to(device, kind, copy=True).requires_grad_()
            w = weight.to(device, kind, copy=True).requires_grad_()
            out = torch.nn.functional.conv3d(x, w, padding=1)
            out.float().square().mean().backward()
            assert x.grad is not None
            assert w.grad is not None
            results.append([each.detach().float() for each in (out, x.grad, w.grad)])
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    errors = [((a - b).norm() / a.norm()).item() for a, b in zip(*results, strict=True)]
    return max(errors)


def processor_line() -> Line:
    machine = this_machine(torch.device("cpu"))
    found = f"{machine.processor}, {os.cpu_count()} processors, {' '.join(machine.flags)}"
    if not machine.multiplies_bfloat16:
        found += ", no bfloat16 instructions (mixed precision on the CPU gains little)"
    return Line("ok", "processor", found)


def workers_line(workers: int, processors: int) -> Line:
    found = f"{workers} for each GPU (DATA_LOADER.NUM_WORKERS), {processors} processors"
    if workers > processors:
        remedy = f"set DATA_LOADER.NUM_WORKERS {processors}: more take turns and use memory"
        return Line("warn", "loader workers", found, remedy)
    return Line("ok", "loader workers", found)


def codec_line(decoder: str, encoder: str) -> Line:
    """Decodes a clip that is made here, if there is an encoder; else looks for the decoder."""
    name = f"decode {decoder}"
    lacking = "FAIL" if decoder in _NEEDED else "warn"
    remedy = "install av from PyPI (pip install --force-reinstall av)"
    try:
        av.codec.Codec(decoder, "r")
    except (av.FFmpegError, ValueError) as error:
        return Line(lacking, name, f"no decoder in PyAV {av.__version__} ({error})", remedy)
    try:
        frames = _decode_own_clip(encoder)
    except (av.FFmpegError, ValueError, OSError) as error:
        return Line("ok", name, f"decoder present, not tried (no clip by {encoder}: {error})")
    if frames != 12:
        return Line(lacking, name, f"{frames} of 12 frames of a clip came back", remedy)
    return Line("ok", name, f"12 frames, PyAV {av.__version__}")


def _decode_own_clip(encoder: str) -> int:
    os.environ.setdefault("SVT_LOG", "0")  # these encoders would write pages to the console
    options = {"x265-params": "log-level=none"} if encoder == "libx265" else {}
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream: Any = container.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for i in range(12):
            picture = np.full((96, 128, 3), 20 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as decoded:
        return len(list(decoded.decode(video=0)))


def torchcodec_line() -> Line:
    if importlib.util.find_spec("torchcodec") is None:
        return Line("ok", "torchcodec", "not installed, PyAV decodes")
    try:
        module = importlib.import_module("torchcodec.decoders")
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Line(
            "warn",
            "torchcodec",
            f"installed, but cannot be loaded: {first[:120]}",
            "PyAV decodes instead; install the FFmpeg libraries that it asks for, or remove it",
        )
    return Line("ok", "torchcodec", f"loads ({module.__name__})")


def shared_memory_line(folder: Path, workers: int) -> Line:
    if not folder.is_dir():
        found = f"no {folder} on this system"
        if platform.system() == "Linux":
            return Line("FAIL", "shared memory", found, f"mount -t tmpfs tmpfs {folder}")
        return Line("ok", "shared memory", found)
    free, needed = shutil.disk_usage(folder).free / 2**20, _BATCH_MB * max(workers, 1)
    found = f"{free:.0f} MB free in {folder}, {workers} workers need about {needed}"
    if free < needed:
        remedy = "docker run --shm-size=8g (or --ipc=host), or fewer DATA_LOADER.NUM_WORKERS"
        return Line("FAIL" if free < 64 else "warn", "shared memory", found, remedy)
    return Line("ok", "shared memory", found)


def open_files_line() -> Line:
    try:
        import resource
    except ImportError:
        return Line("ok", "open files", "no limit on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _OPEN_FILES:
        remedy = f"ulimit -n {_OPEN_FILES}"
        if 0 <= hard < _OPEN_FILES:
            remedy += (
                f", which the hard limit of {hard} does not allow: raise it in "
                "/etc/security/limits.conf (docker run --ulimit nofile=N)"
            )
        return Line("warn", "open files", f"at most {soft}, loaders may need more", remedy)
    return Line("ok", "open files", f"at most {soft}")


def disk_line(folder: Path) -> Line:
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free in {folder}"
    if free < _DISK_GB:
        return Line("warn", "disk", found, "checkpoints need room; set OUTPUT_DIR elsewhere")
    return Line("ok", "disk", found)


def write_line(folder: Path) -> Line:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written")
    except OSError as error:
        reason = error.strerror or str(error)
        return Line("FAIL", "write", f"not to {folder}: {reason}", "set OUTPUT_DIR elsewhere")
    return Line("ok", "write", f"to {folder}")
