"""Tries checkpoints in shares: other numbers of processes, and writing beside training."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slowfast import dist
from slowfast.battery.forked import run_forked
from slowfast.engine.checkpoint.background import Background
from slowfast.engine.checkpoint.sharded import checkpoint_group, read_sharded, write_sharded
from slowfast.engine.checkpoint.state import FORMATS, read_checkpoint
from slowfast.engine.checkpoint.tree import split
from slowfast.engine.ema import NoAverage
from slowfast.engine.parallel import as_like, whole, wrap_model
from slowfast.engine.saves import Copies, Saves
from slowfast.engine.training_state import load_optimizer, parts_of, weights_of

CPU = torch.device("cpu")


class Toy(nn.Module):
    """Batch norm, blocks and a head whose sizes four processes cannot share evenly."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm3d(6)
        self.blocks = nn.Sequential(*(nn.Linear(6, 6) for _ in range(2)))
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).relu().mean((2, 3, 4))
        return self.head(self.blocks(x))  # type: ignore[no-any-return]


def make_toy(*, parallel: str) -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """The network, what is called in training, and its optimizer."""
    torch.manual_seed(0)
    net = Toy()
    model = wrap_model(net, device=CPU, parallel=parallel)
    return net, model, torch.optim.AdamW(net.parameters(), lr=0.01)


def train_toy(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        torch.manual_seed(100 * step + dist.rank())
        model(torch.randn(2, 3, 2, 4, 4)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def toy_content(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {"model_state": weights_of(net), "optimizer_state": optimizer.state_dict()}


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of all tensors with their names, wherever their parts are."""
    _, tensors = split(content)
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(whole(tensors[name]).detach().contiguous().numpy().tobytes())
    return found.hexdigest()


def save_toy(path: Path, parallel: str) -> str:
    """Train, save, and return the digest of what was saved."""
    net, model, optimizer = make_toy(parallel=parallel)
    train_toy(model, optimizer, 3)
    content = toy_content(net, optimizer)
    write_sharded(path, *split(content), checkpoint_group())
    return digest(content)


def load_toys(paths: list[Path], parallel: str) -> list[str]:
    """Load each into a network of its own, and return the digests of what is there then."""
    found = []
    for path in paths:
        net, _, optimizer = make_toy(parallel=parallel)
        parts = parts_of(net, optimizer, NoAverage(net))
        content = read_sharded(path, source=str(path), like=parts)
        own = net.state_dict()
        net.load_state_dict({k: as_like(v, own[k]) for k, v in content["model_state"].items()})
        load_optimizer(optimizer, content["optimizer_state"])
        found.append(digest(toy_content(net, optimizer)))
    return found


def check_resharding(folder: Path, *, most: int) -> int:
    """D3: saved by 1 to `most` processes, with and without FSDP, and loaded by as many."""
    saved = {}
    for parallel in ("fsdp", "ddp"):
        for processes in range(1, most + 1):
            path = folder / f"{parallel}_{processes}.dcp"
            saved[path] = run_forked(save_toy, path, parallel, processes=processes)
    faults = tried = 0
    for parallel in ("fsdp", "ddp"):
        for processes in range(1, most + 1):
            ranks = run_forked(load_toys, list(saved), parallel, processes=processes)
            for place, (path, digests) in enumerate(saved.items()):
                tried += 1
                found = {digest[place] for digest in ranks}
                if found != set(digests) or len(found) != 1:
                    faults += 1
                    print(f"  {path.name} on {processes}, {parallel}: {found}, not {digests}")
    line = f"D3 saved on N, loaded on M, 1 to {most} each, FSDP and DDP: digests equal"
    print(f"{line}: {tried - faults} of {tried}; {faults} faults")
    return faults


def check_asynchronous(folder: Path, kind: str, *, megabytes: int) -> int:
    """D4: what is written beside training equals what is written while it waits."""
    folder.mkdir(parents=True)
    weights = {f"w{i}": torch.randn(megabytes, 2**16) for i in range(4)}
    content = {"model_state": weights, "epoch": 3}
    seconds, read = [], []
    beside = Saves(kind=kind, writer=Background(), keep=Copies())
    for name, saves in (("first", Saves(kind=kind)), ("sync", Saves(kind=kind)), ("async", beside)):
        path = folder / f"checkpoint_{name}{FORMATS[kind]}"
        since = time.perf_counter()
        saves.write(path, content, then=_nothing)
        seconds.append(time.perf_counter() - since)
        if saves is beside:
            expected = {k: v.clone() for k, v in weights.items()}
            for value in weights.values():
                value.add_(1)  # training goes on
        saves.writer.wait()
        read.append(read_checkpoint(path)["model_state"])
    shutil.rmtree(folder)
    equal = all(
        torch.equal(read[1][name], value) and torch.equal(read[2][name], value)
        for name, value in expected.items()
    )
    share = seconds[2] / seconds[1]
    faults = int(not equal) + int(share > 0.5)
    print(
        f"D4 {kind}: {4 * megabytes // 4} MB written beside training: "
        f"{'equal' if equal else 'DIFFERENT'}, blocks {share:.0%} of the synchronous time; "
        f"{faults} faults"
    )
    return faults


def _nothing() -> None:
    """What is to be done once a checkpoint is whole."""
