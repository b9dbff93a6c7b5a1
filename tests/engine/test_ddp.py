"""Mirrors slowfast/engine/ddp.py: what two and three processes train is the same on each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slowfast.config import get_cfg, with_values
from slowfast.engine.ddp import _has_both_layouts, _with_strides, compression_from_cfg

CONFIG = Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"

# Processes are forked, so that only the first one waits for imports. Each trains two steps with
# each of the settings; then with three processes a run that is continued is compared.
SCRIPT = """
import multiprocessing
import os
import sys
import warnings
from functools import partial
import torch
from torch import distributed
from slowfast import dist
from slowfast.config import load_cfg
from slowfast.engine.build import build_trainer
from slowfast.engine.ddp import BucketOrder
from slowfast.engine.parallel import without_exchange, wrap_model

warnings.simplefilter("error")
SETTINGS = {
    "plain": [],
    "bfloat16": ["TRAIN.MIXED_PRECISION", "True", "TRAIN.AMP_DTYPE", "bfloat16"],
    "float16": ["TRAIN.MIXED_PRECISION", "True"],
    "channels last": ["MODEL.CHANNELS_LAST", "True"],
    "channels last in bfloat16": ["MODEL.CHANNELS_LAST", "True", "TRAIN.MIXED_PRECISION", "True",
                                  "TRAIN.AMP_DTYPE", "bfloat16"],
    "activation checkpointing": ["MODEL.ACT_CHECKPOINT", "True"],
    "accumulation": ["TRAIN.GRAD_ACCUM_STEPS", "2"],
    "accumulation in uneven parts": ["TRAIN.GRAD_ACCUM_STEPS", "3"],
    "16 bits between processes": ["MODEL.FP16_ALLREDUCE", "True"],
    "bfloat16 between processes": ["MODEL.FP16_ALLREDUCE", "True", "TRAIN.AMP_DTYPE", "bfloat16"],
    "frozen": ["MODEL.FREEZE", "['s1', 's2']"],
    "only the head": ["MODEL.FREEZE", "['all but head']"],
    "detached": ["MODEL.DETACH_FINAL_FC", "True"],
    "synchronised": ["BN.NORM_TYPE", "sync_batchnorm", "BN.GLOBAL_SYNC", "True",
                     "TRAIN.GRAD_ACCUM_STEPS", "2"],
    "averaged": ["EMA.ENABLE", "True", "SOLVER.LARS_ON", "True"],
    "compiled": ["MODEL.COMPILE", "True"],
}

def everywhere(net):
    own = torch.cat([p.detach().flatten() for p in net.parameters()])
    parts = [torch.empty_like(own) for _ in range(dist.world_size())]
    distributed.all_gather(parts, own)
    return parts

def trainer_of(options, rest):
    return build_trainer(load_cfg(sys.argv[2], [*rest, *options]))

def two_steps(name, options, rest):
    if name == "compiled":
        warnings.simplefilter("default")  # of torch itself
        torch.compile = partial(torch.compile, backend="aot_eager")  # the graph, not the kernels
    trainer = trainer_of(options, rest)
    before = everywhere(trainer.net)[0]
    trainer.model.train()
    for seed, batch in zip(range(2), trainer.loader):
        out = trainer.stepper(trainer.augment(batch), lr=0.01, seed=seed)
        assert torch.isfinite(out["loss"]), name
    after = everywhere(trainer.net)
    assert all(torch.equal(part, after[0]) for part in after), name
    assert not torch.equal(before, after[0]), name
    if name == "averaged":
        averaged = everywhere(trainer.average.net)
        assert all(torch.equal(part, averaged[0]) for part in averaged)
    print(f"trained {name}\\n", end="", flush=True)

def continued(rest):
    def steps(trainer, seeds):
        trainer.model.train()
        for seed in seeds:
            trainer.stepper(batches[seed], lr=0.1, seed=seed)
    whole, broken = trainer_of([], rest), trainer_of([], rest)
    batches = list(whole.loader)
    steps(whole, range(4))
    steps(broken, range(2))
    # As in a process of its own: what DDP has seen so far is forgotten.
    broken.model = wrap_model(broken.net, device=broken.device)
    broken.stepper.model = broken.model
    broken.stepper.before_first = BucketOrder(broken.model)
    broken.stepper.without_exchange = without_exchange(broken.model)
    steps(broken, range(2, 4))
    assert torch.equal(everywhere(broken.net)[0], everywhere(whole.net)[0])
    print("continued exactly\\n", end="", flush=True)

def run(rank, world, store, rest):
    torch.set_num_threads(1)
    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank)})
    os.environ.update({"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)})
    distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=world)
    if world == 2:
        for name, options in SETTINGS.items():
            two_steps(name, options, rest)
    else:
        continued(rest)
    distributed.destroy_process_group()

if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    for world in (2, 3):
        arguments = (world, sys.argv[1] + str(world), sys.argv[3:])
        ranks = [fork.Process(target=run, args=(rank, *arguments)) for rank in range(world)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
        if any(process.exitcode for process in ranks):
            sys.exit(1)
"""


@pytest.mark.slow
def test_every_setting_trains_on_two_processes_and_goes_on_exactly_on_three(
    tiny: list[str], tmp_path: Path
) -> None:
    """Warnings are errors: DDP has none of strides, nor of weights that take no part."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    line = [
        sys.executable,
        str(script),
        str(tmp_path / "store"),
        str(CONFIG),
        *tiny,
        "TRAIN.BATCH_SIZE",
        "6",
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained ") == 2 * 16
    assert done.stdout.count("continued exactly") == 3


@pytest.mark.parametrize(
    ("half", "dtype", "wanted"),
    [
        (False, "float16", None),
        (True, "float16", torch.float16),
        (True, "bfloat16", torch.bfloat16),
    ],
)
def test_gradients_travel_in_the_format_of_mixed_precision(
    half: bool, dtype: str, wanted: torch.dtype | None
) -> None:
    cfg = with_values(get_cfg(), {"MODEL.FP16_ALLREDUCE": half, "TRAIN.AMP_DTYPE": dtype})
    assert compression_from_cfg(cfg) is wanted


def test_gradients_of_weights_in_both_layouts_get_the_strides_of_the_weight() -> None:
    weight = torch.randn(4, 2, 1, 1, 1)
    assert _has_both_layouts(weight)
    assert not _has_both_layouts(torch.randn(4, 2, 3, 1, 1))
    assert not _has_both_layouts(torch.randn(4, 2))
    gradient = torch.randn(4, 2, 1, 1, 1).as_strided((4, 2, 1, 1, 1), (2, 1, 2, 2, 2))
    changed = _with_strides(weight.stride())(gradient)
    assert changed.stride() == weight.stride()
    assert torch.equal(changed, gradient)
    assert _with_strides(weight.stride())(changed) is changed
