"""Mirrors slowfast/dist/environment.py: who makes the processes, and how many."""

from __future__ import annotations

import pytest

from slowfast.dist.environment import Job, Wanted, find_job, parse_hosts

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
STEP = {  # of srun with one task a machine, on the second of two
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_PROCID": "1",
    "SLURM_NODEID": "1",
    "SLURM_LOCALID": "0",
}
A_TASK_A_GPU = STEP | {
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_PROCID": "6",
    "SLURM_LOCALID": "2",
}
POD = {
    "PET_NNODES": "2",
    "PET_NPROC_PER_NODE": "4",
    "PET_NODE_RANK": "1",
    "PET_MASTER_ADDR": "job-node-0-0.job",
    "PET_MASTER_PORT": "29500",
}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", []),
        ("one", ["one"]),
        ("node[01-03,7],gpu5", ["node01", "node02", "node03", "node7", "gpu5"]),
        ("a[1-2]b[08-10].net", [f"a{i}b{j}.net" for i in (1, 2) for j in ("08", "09", "10")]),
        ("127.0.0.[1-2]", ["127.0.0.1", "127.0.0.2"]),
    ],
)
def test_host_lists_of_slurm(text: str, hosts: list[str]) -> None:
    assert parse_hosts(text) == hosts


def test_without_a_launcher_the_config_says_it_all() -> None:
    assert find_job(Wanted(gpus=4), {}) == Job(processes=4)
    assert find_job(Wanted(nproc=3), {}) == Job(processes=3)
    wanted = Wanted(gpus=8, machines=2, machine=1, address="tcp://a:1")
    assert find_job(wanted, {}) == Job(2, 1, 8, "tcp://a:1")


def test_processes_of_torchrun_are_taken_as_they_are() -> None:
    job = find_job(Wanted(gpus=4), TORCHRUN)
    assert (job.machines, job.machine, job.processes) == (2, 1, 4)
    assert dict(job.variables) == TORCHRUN


def test_one_process_a_machine_needs_no_local_rank() -> None:
    job = find_job(Wanted(), {"RANK": "1", "WORLD_SIZE": "2"})
    assert (job.machines, job.machine, job.processes) == (2, 1, 1)
    assert (job.variables["LOCAL_RANK"], job.variables["LOCAL_WORLD_SIZE"]) == ("0", "1")


def test_a_task_a_machine_starts_the_processes_itself() -> None:
    job = find_job(Wanted(gpus=8), STEP)
    assert (job.machines, job.machine, job.processes) == (2, 1, 8)
    assert not job.variables
    assert job.address is not None
    assert job.address.startswith("tcp://gpu07:")
    other = find_job(Wanted(gpus=8), STEP | {"SLURM_JOB_ID": "4712"})
    assert other.address != job.address
    assert other.run_id != job.run_id


def test_a_task_a_gpu_is_a_process() -> None:
    job = find_job(Wanted(gpus=4), A_TASK_A_GPU)
    assert (job.machines, job.machine, job.processes) == (2, 1, 4)
    assert job.variables["RANK"] == "6"
    assert job.variables["WORLD_SIZE"] == "8"
    assert job.variables["LOCAL_RANK"] == "2"
    assert job.variables["LOCAL_WORLD_SIZE"] == "4"
    assert job.variables["MASTER_ADDR"] == "gpu07"
    assert job.address == f"tcp://gpu07:{job.variables['MASTER_PORT']}"


@pytest.mark.parametrize(
    "env",
    [
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "16", "SLURM_NNODES": "2"},  # the shell of salloc
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "16", "SLURM_PROCID": "0"},  # the script of sbatch
        STEP | {"SLURM_STEP_ID": "4294967290"},  # a shell that salloc runs as a step
    ],
)
def test_a_shell_in_an_allocation_is_no_task(env: dict[str, str]) -> None:
    assert find_job(Wanted(gpus=2), env) == Job(processes=2)


@pytest.mark.parametrize(
    ("changes", "wanted", "processes"),
    [
        ({}, Wanted(gpus=4), 4),
        ({"PET_NPROC_PER_NODE": "auto"}, Wanted(gpus=8), 8),
        ({"PET_NPROC_PER_NODE": "gpu"}, Wanted(gpus=8), 8),
        ({"PET_NPROC_PER_NODE": "cpu"}, Wanted(nproc=3), 3),
        ({"PET_NNODES": "2:2"}, Wanted(), 4),
    ],
)
def test_pods_of_kubeflow(changes: dict[str, str], wanted: Wanted, processes: int) -> None:
    job = find_job(wanted, POD | changes)
    assert (job.machines, job.machine, job.processes) == (2, 1, processes)
    assert job.address == "tcp://job-node-0-0.job:29500"


def test_pods_may_be_given_an_endpoint_instead_of_a_master() -> None:
    env = {"PET_NNODES": "2", "PET_RDZV_ENDPOINT": "master-0", "JOB_COMPLETION_INDEX": "1"}
    job = find_job(Wanted(gpus=2), env)
    assert (job.machine, job.processes, job.address) == (1, 2, "tcp://master-0:29400")


@pytest.mark.parametrize(
    ("wanted", "env", "said"),
    [
        (Wanted(gpus=8), TORCHRUN, r"torchrun .* makes 4 process\(es\) .* NUM_GPUS is 8.* set NUM"),
        (Wanted(gpus=8), A_TASK_A_GPU, r"srun \(8 task.* makes 4 .*set NUM_GPUS 4"),
        (Wanted(gpus=8), POD, r"Kubeflow .* makes 4 .*set NUM_GPUS 4"),
        (Wanted(nproc=2), TORCHRUN, r"--nproc is 2: leave --nproc out"),
        (Wanted(gpus=2, nproc=3), {}, r"--nproc 3 .* NUM_GPUS is 2"),
        (Wanted(gpus=8, machines=3), STEP, r"2 machine\(s\), but NUM_SHARDS is 3"),
        (Wanted(gpus=8, machine=2), STEP, r"number 1, but SHARD_ID is 2"),
        (Wanted(), TORCHRUN | {"WORLD_SIZE": "7"}, "WORLD_SIZE is 7 and LOCAL_WORLD_SIZE is 4"),
        (Wanted(), TORCHRUN | {"WORLD_SIZE": "x"}, "WORLD_SIZE is 'x', expected a whole number"),
        (Wanted(gpus=4), POD | {"PET_NNODES": "1:4"}, "PET_NNODES is '1:4'.*give one number"),
        (Wanted(gpus=4), POD | {"PET_NPROC_PER_NODE": "cpu"}, "PET_NPROC_PER_NODE is 'cpu'"),
        (Wanted(gpus=4), {"PET_NNODES": "2"}, "neither PET_MASTER_ADDR nor PET_RDZV_ENDPOINT"),
        (
            Wanted(gpus=4),
            A_TASK_A_GPU | {"SLURM_STEP_TASKS_PER_NODE": "4,3"},
            r"\[3, 4\] tasks.*--ntasks-per-node",
        ),
    ],
)
def test_contradictions_are_one_line(wanted: Wanted, env: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        find_job(wanted, env)
    assert "\n" not in str(caught.value)
