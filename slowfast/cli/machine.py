"""What a benchmark ran on: processor, instructions that matter, GPU, PyTorch."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
# Dense bfloat16 products and sums a second, by a word in the device's name; from data sheets.
PEAK_FLOPS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12}
# Bytes a second of its memory, likewise.
PEAK_BYTES = {"H100 PCIe": 2.0e12, "H100": 3.35e12, "H200": 4.8e12, "A100": 2.04e12, "L4": 0.3e12}


@dataclass(frozen=True)
class Machine:
    """What decides how fast a network is."""

    processor: str
    flags: list[str]  # those of FLAGS that it has
    threads: int
    torch: str
    gpu: str = ""

    @property
    def peak_flops(self) -> float | None:
        """Of the GPU in bfloat16; None if there is none or its figure is not known here."""
        return next((peak for word, peak in PEAK_FLOPS.items() if word in self.gpu), None)

    @property
    def peak_bytes(self) -> float | None:
        """Of the GPU's memory, a second; None as for `peak_flops`."""
        return next((peak for word, peak in PEAK_BYTES.items() if word in self.gpu), None)

    @property
    def multiplies_bfloat16(self) -> bool:
        return any(flag in self.flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def __str__(self) -> str:
        half = "" if self.multiplies_bfloat16 else ", no bfloat16 instructions"
        where = f"{self.processor}, {self.threads} thread(s), {' '.join(self.flags)}{half}"
        return f"{where}; {self.gpu + '; ' if self.gpu else ''}torch {self.torch}"


def this_machine(device: torch.device) -> Machine:
    name, flags = _processor(Path("/proc/cpuinfo"))
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return Machine(name, flags, torch.get_num_threads(), torch.__version__, gpu)


def _processor(cpuinfo: Path) -> tuple[str, list[str]]:
    """Name and instructions; what PyTorch knows where there is no such file (not Linux)."""
    if not cpuinfo.is_file():
        known = torch.backends.cpu.get_cpu_capability().lower()
        return platform.processor() or platform.machine(), [known]
    lines = [line.partition(":") for line in cpuinfo.read_text().splitlines()]
    found = {key.strip().lower(): value.strip() for key, _, value in lines}
    has = (found.get("flags") or found.get("features") or "").split()
    return found.get("model name", platform.machine()), [flag for flag in FLAGS if flag in has]
