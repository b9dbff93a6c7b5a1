"""Which processes a run is to have, as torchrun, SLURM, Kubeflow or the config say it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

_NO_STEP = 0xFFFFFFF0  # numbers from here on are SLURM's batch scripts and interactive shells


@dataclass(frozen=True)
class Job:
    """The processes of a run, and the part of this machine.

    Args:
        machine: number of this machine, from 0.
        processes: of each machine.
        address: "tcp://host:port" where several machines meet.
        run_id: the same on all machines; other jobs have another one.
        variables: what torchrun would have set in this process, if it is one of them already.
        source: who said so, for errors.
    """

    machines: int = 1
    machine: int = 0
    processes: int = 1
    address: str | None = None
    run_id: str = "slowfast"
    variables: Mapping[str, str] = field(default_factory=dict)
    source: str = "the config"


@dataclass(frozen=True)
class Wanted:
    """What the config and the command line ask for.

    Args:
        gpus, machines, machine: NUM_GPUS, NUM_SHARDS and SHARD_ID.
        address: --init_method.
        nproc: --nproc, the processes of a machine without GPUs.
    """

    gpus: int = 0
    machines: int = 1
    machine: int = 0
    address: str | None = None
    nproc: int | None = None

    @property
    def processes(self) -> int:
        return self.gpus or self.nproc or 1


def find_job(wanted: Wanted, environ: Mapping[str, str] | None = None) -> Job:
    """The processes that exist already, or else those that are to be started.

    Raises:
        ValueError: the environment and the config contradict each other.
    """
    env = os.environ if environ is None else environ
    if wanted.gpus and wanted.nproc not in (None, wanted.gpus):
        raise ValueError(
            f"--nproc {wanted.nproc} is the number of processes without GPUs, but NUM_GPUS is "
            f"{wanted.gpus}, which starts as many; leave --nproc out, or set NUM_GPUS 0"
        )
    if "RANK" in env and "WORLD_SIZE" in env and "LOCAL_RANK" in env:
        job = _of_torchrun(env)
    elif "PET_NNODES" in env or "PET_NPROC_PER_NODE" in env:
        job = _of_kubeflow(env, wanted)
    elif "RANK" in env and "WORLD_SIZE" in env:
        job = _of_torchrun({**env, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"})
    elif _step(env) is not None:
        job = _of_slurm(env, wanted)
    else:
        return Job(wanted.machines, wanted.machine, wanted.processes, wanted.address)
    _refuse_contradictions(job, wanted)
    return job


def _refuse_contradictions(job: Job, wanted: Wanted) -> None:
    if wanted.gpus and wanted.gpus != job.processes:
        raise ValueError(
            f"{job.source} makes {job.processes} process(es) on this machine, but NUM_GPUS is "
            f"{wanted.gpus}, one process each: set NUM_GPUS {job.processes}, or have "
            f"{wanted.gpus} made"
        )
    if wanted.nproc is not None and wanted.nproc != job.processes:
        raise ValueError(
            f"{job.source} makes {job.processes} process(es) on this machine, but --nproc is "
            f"{wanted.nproc}: leave --nproc out"
        )
    if wanted.machines not in (1, job.machines):
        raise ValueError(
            f"{job.source} gives this run {job.machines} machine(s), but NUM_SHARDS is "
            f"{wanted.machines}: leave NUM_SHARDS and SHARD_ID out, they are found"
        )
    if wanted.machine not in (0, job.machine):
        raise ValueError(
            f"{job.source} makes this machine number {job.machine}, but SHARD_ID is "
            f"{wanted.machine}: leave SHARD_ID out, it is found"
        )


def _of_torchrun(env: Mapping[str, str]) -> Job:
    world, local = _number(env, "WORLD_SIZE"), _number(env, "LOCAL_WORLD_SIZE", "1")
    if local < 1 or world % local:
        raise ValueError(
            f"WORLD_SIZE is {world} and LOCAL_WORLD_SIZE is {local}: each machine must have as "
            "many processes as the others"
        )
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return Job(
        machines=world // local,
        machine=_number(env, "RANK") // local,
        processes=local,
        variables={"LOCAL_WORLD_SIZE": str(local)} | {n: env[n] for n in names if n in env},
        source="torchrun (the environment has RANK and WORLD_SIZE)",
    )


def _of_kubeflow(env: Mapping[str, str], wanted: Wanted) -> Job:
    source = "Kubeflow (the environment has PET_NNODES or PET_NPROC_PER_NODE)"
    said = env.get("PET_NNODES", "1")
    least, _, most = said.partition(":")
    if not least.isdigit() or (most and most != least):
        raise ValueError(
            f"PET_NNODES is {said!r}, but a run has the same number of machines from its beginning "
            "to its end; give one number"
        )
    machines = int(least)
    machine = _number(env, "PET_NODE_RANK", env.get("JOB_COMPLETION_INDEX", "0"))
    address = wanted.address
    if machines > 1 and address is None:
        endpoint = env.get("PET_RDZV_ENDPOINT", "")
        if "PET_MASTER_ADDR" in env:
            endpoint = f"{env['PET_MASTER_ADDR']}:{env.get('PET_MASTER_PORT', '29400')}"
        if not endpoint:
            raise ValueError(
                f"PET_NNODES is {machines}, but neither PET_MASTER_ADDR nor PET_RDZV_ENDPOINT says "
                "where they meet"
            )
        address = f"tcp://{endpoint}" + ("" if ":" in endpoint else ":29400")
    return Job(
        machines=machines,
        machine=machine,
        processes=_pod_processes(env.get("PET_NPROC_PER_NODE", ""), wanted),
        address=address,
        run_id=env.get("PET_RDZV_ID", "slowfast"),
        source=source,
    )


def _pod_processes(said: str, wanted: Wanted) -> int:
    """torchrun's words for the number of processes of a machine."""
    if said.isdigit() and int(said):
        return int(said)
    if said in ("", "auto") or (said == "gpu" and wanted.gpus) or (said == "cpu" and wanted.nproc):
        return wanted.processes
    if said == "cpu" and not wanted.gpus:
        return os.cpu_count() or 1
    raise ValueError(
        f"PET_NPROC_PER_NODE is {said!r} and NUM_GPUS is {wanted.gpus}: expected the number of "
        "processes of a machine, or 'auto', or 'gpu' with GPUs and 'cpu' with NUM_GPUS 0"
    )


def _of_slurm(env: Mapping[str, str], wanted: Wanted) -> Job:
    """In a step of srun: a task a machine, whose processes we start, or a task a GPU."""
    machines = _number(env, "SLURM_STEP_NUM_NODES", env.get("SLURM_NNODES", "1"))
    tasks = _number(env, "SLURM_STEP_NUM_TASKS", env.get("SLURM_NTASKS", "1"))
    hosts = parse_hosts(env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST", ""))
    # Jobs that share a machine have other numbers, and so have other steps of one job.
    number, step = _number(env, "SLURM_JOB_ID"), _step(env) or 0
    port = 12_000 + (number * 16 + step) % 16_384
    host = hosts[0] if machines > 1 and hosts else "127.0.0.1"
    machine = _number(env, "SLURM_NODEID", "0")
    source = f"srun ({tasks} task(s) on {machines} machine(s))"
    run_id = f"slurm-{number}-{step}"
    address = wanted.address or f"tcp://{host}:{port}"
    if tasks == machines:
        return Job(machines, machine, wanted.processes, address, run_id, source=source)
    counts = set(
        _tasks_per_node(env.get("SLURM_STEP_TASKS_PER_NODE") or env["SLURM_TASKS_PER_NODE"])
    )
    if len(counts) > 1:
        raise ValueError(
            f"srun made {sorted(counts)} tasks on the machines: each must have as many as the "
            "others (--ntasks-per-node)"
        )
    local = counts.pop()
    variables = {
        "RANK": env["SLURM_PROCID"],
        "WORLD_SIZE": str(tasks),
        "LOCAL_RANK": env["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(local),
        "MASTER_ADDR": host,
        "MASTER_PORT": str(port),
    }
    return Job(machines, machine, local, address, run_id, variables, source)


def _step(env: Mapping[str, str]) -> int | None:
    """Number of the step of srun that this process is a task of.

    A shell of salloc and the script of sbatch are tasks of no such step, whatever the variables
    say of the job's tasks.
    """
    said = env.get("SLURM_STEP_ID", "")
    if not said.isdigit() or "SLURM_PROCID" not in env or int(said) >= _NO_STEP:
        return None
    return int(said)


def parse_hosts(text: str) -> list[str]:
    """``node[01-03,7],gpu5`` -> node01, node02, node03, node7, gpu5."""
    hosts: list[str] = []
    for part in re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", text):
        pieces = re.split(r"\[([^\]]*)\]", part)  # plain, list, plain, list, ..., plain
        choices = [_numbers(p) if i % 2 else [p] for i, p in enumerate(pieces)]
        hosts += ["".join(chosen) for chosen in product(*choices)]
    return hosts


def _numbers(text: str) -> list[str]:
    """``01-03,7`` -> 01, 02, 03, 7."""
    numbers: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen = range(int(first), int(last or first) + 1)
        numbers += [str(number).zfill(len(first)) for number in chosen]
    return numbers


def _tasks_per_node(text: str) -> list[int]:
    """``4(x2),3`` -> 4, 4, 3."""
    counts: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(number)] * int(times or 1)
    return counts


def _number(env: Mapping[str, str], name: str, default: str = "") -> int:
    text = env.get(name) or default
    if not text.isdigit():
        raise ValueError(f"the environment variable {name} is {text!r}, expected a whole number")
    return int(text)
