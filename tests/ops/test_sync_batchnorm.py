"""Mirrors slowfast/ops/sync_batchnorm.py: processes compute what one with all clips does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from slowfast.ops.sync_batchnorm import SyncBatchNorm3d

# Every process makes all the clips, computes the plain result, and compares its own share.
# They are forked, so that only the first one waits for imports.
SCRIPT = """
import multiprocessing
import sys
import torch
from torch import distributed, nn
from slowfast import dist
from slowfast.models import create_model
from slowfast.ops.sync_batchnorm import SyncBatchNorm3d

CLOSE = {"rtol": 1e-9, "atol": 1e-12}
TINY = {"num_classes": 4, "crop_size": 32, "dropout": 0.0, "num_frames": 4, "width": 8,
        "stage_blocks": (1, 1, 1, 1)}

def check(group_size, counts):
    rank, size = dist.rank(), group_size or dist.world_size()
    first = rank // size * size
    torch.manual_seed(first)
    counts = counts[first : first + size]
    x = 100 + torch.randn(sum(counts), 3, 2, 4, 4, dtype=torch.float64)
    wanted = torch.randn_like(x)
    plain, shared = nn.BatchNorm3d(3).double(), SyncBatchNorm3d(3, group_size=group_size).double()
    with torch.no_grad():
        plain.weight.normal_()
        plain.bias.normal_()
    shared.load_state_dict(plain.state_dict())
    mine = x.split(counts)[rank - first].clone().requires_grad_()
    everything = x.clone().requires_grad_()
    for step in range(2):
        expected = plain(everything)
        (expected * wanted).sum().backward()
        got = shared(mine)
        (got * wanted.split(counts)[rank - first]).sum().backward()
        torch.testing.assert_close(got, expected.split(counts)[rank - first], **CLOSE)
    torch.testing.assert_close(mine.grad, everything.grad.split(counts)[rank - first], **CLOSE)
    for own, whole in zip(shared.parameters(), plain.parameters()):
        parts = [torch.empty_like(own.grad) for _ in range(dist.world_size())]
        distributed.all_gather(parts, own.grad)
        torch.testing.assert_close(sum(parts[first : first + size]), whole.grad, **CLOSE)
    for own, whole in zip(shared.buffers(), plain.buffers()):
        torch.testing.assert_close(own, whole, **CLOSE)
    torch.testing.assert_close(shared.eval()(mine), plain.eval()(x).split(counts)[rank - first])

def layers():
    check(None, [2, 2, 2, 2])
    check(2, [2, 2, 2, 2])
    check(4, [1, 3, 0, 2])
    check(2, [1, 3, 4, 1])
    check(1, [2, 1, 3, 2])
    half = SyncBatchNorm3d(3)(torch.randn(2, 3, 2, 4, 4).bfloat16())
    assert half.dtype == torch.bfloat16
    assert abs(half.float().mean()) < 1 and half.float().std() < 2
    try:
        SyncBatchNorm3d(3, group_size=3)
    except ValueError as error:
        print(error, flush=True)

def gradients(net, model, clip, labels):
    nn.functional.cross_entropy(model([clip]), labels).backward()
    return {key: p.grad for key, p in net.named_parameters()}

def network():
    for recompute in (False, True):
        torch.manual_seed(0)
        plain = create_model("slow_r50_4x16", **TINY).double()
        net = create_model("slow_r50_4x16", **TINY, norm="sync_batchnorm", recompute=recompute)
        net = net.double()
        net.load_state_dict(plain.state_dict())
        clip, labels = torch.rand(4, 3, 4, 32, 32).double(), torch.tensor([0, 1, 2, 3])
        wanted = gradients(plain, plain, clip, labels)
        mine = slice(dist.rank(), dist.rank() + 1)
        model = nn.parallel.DistributedDataParallel(net)
        got = gradients(net, model, clip[mine], labels[mine])
        for key in wanted:
            torch.testing.assert_close(got[key], wanted[key], rtol=1e-7, atol=1e-12, msg=key)
        for a, b in zip(net.buffers(), plain.buffers()):
            torch.testing.assert_close(a, b, **CLOSE)

def run(rank, store):
    distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=4)
    layers()
    network()
    distributed.destroy_process_group()

if __name__ == "__main__":
    torch.set_num_threads(1)
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=run, args=(rank, sys.argv[1])) for rank in range(4)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in ranks))
"""


def test_four_processes_compute_what_one_does(tmp_path: Path) -> None:
    """Groups of four, two and one, other numbers of clips each, and a step of a whole network."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    line = [sys.executable, str(script), str(tmp_path / "store")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    error = "BN.NUM_SYNC_DEVICES is 3, which does not divide the 4 processes of this run"
    assert done.stdout.count(error) == 4


def test_alone_it_is_plain_batch_norm_whatever_the_group() -> None:
    plain, alone = nn.BatchNorm3d(3), SyncBatchNorm3d(3, group_size=8)
    assert list(alone.state_dict()) == list(plain.state_dict())
    x = torch.randn(2, 3, 2, 4, 4)
    assert torch.equal(alone(x), plain(x))
    compiled = torch.compile(alone, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), plain(x))
    assert torch.equal(alone.running_var, plain.running_var)


def test_a_group_that_does_not_divide_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 6)
    SyncBatchNorm3d(2, group_size=3)
    with pytest.raises(
        ValueError, match=r"NUM_SYNC_DEVICES is 4, .* the 6 .* set it to 2 or 6, or"
    ):
        SyncBatchNorm3d(2, group_size=4)
    with pytest.raises(ValueError, match=r"NUM_SYNC_DEVICES is 12, .* the 6 .* set it to 6, or"):
        SyncBatchNorm3d(2, group_size=12)
