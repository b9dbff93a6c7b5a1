"""launch/: the SLURM script under a scheduler that is made here, and the Kubeflow job."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from slowfast.dist import Wanted, find_job

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "Motions" / "SLOWFAST_TINY.yaml"

# Runs the script as its #SBATCH lines ask, again while it asks to be queued again.
SBATCH = """
import os, pathlib, re, subprocess, sys
here, script = pathlib.Path(os.environ["SCHEDULER"]), sys.argv[1]
asked = dict(re.findall(r"^#SBATCH --([\\w-]+)=?(.*)$", pathlib.Path(script).read_text(), re.M))
asked["nodes"] = "2"
asked.pop("gpus-per-node")
(here / "asked").write_text(repr(asked))
env = {
    **os.environ,
    "SLURM_JOB_ID": str(os.getpid()),
    "SLURM_NNODES": asked["nodes"],
    "SLURM_NTASKS": str(int(asked["nodes"]) * int(asked["ntasks-per-node"])),
    "SLURM_JOB_NODELIST": "127.0.0.[1-2]",
    "SLURM_PROCID": "0",
}
for restart in range(4):
    env["SLURM_RESTART_COUNT"] = str(restart)
    code = subprocess.call(["bash", script, *sys.argv[2:]], env=env)
    if not (here / "requeue").exists():
        break
    (here / "requeue").rename(here / f"requeued{restart}")
sys.exit(code)
"""
# Starts a task for each machine, and sends USR1 before the first time limit: after a checkpoint.
SRUN = """
import os, pathlib, signal, subprocess, sys, time
here, output = pathlib.Path(os.environ["SCHEDULER"]), pathlib.Path(os.environ["RUN_FOLDER"])
command = [word for word in sys.argv[1:]]
while command[0].startswith("--"):
    command.pop(0)
nodes = int(os.environ["SLURM_NNODES"])
tasks = []
for node in range(nodes):
    env = {
        **os.environ,
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_NODES": str(nodes),
        "SLURM_STEP_NUM_TASKS": str(nodes),
        "SLURM_STEP_TASKS_PER_NODE": f"1(x{nodes})",
        "SLURM_STEP_NODELIST": os.environ["SLURM_JOB_NODELIST"],
        "SLURM_PROCID": str(node),
        "SLURM_NODEID": str(node),
        "SLURM_LOCALID": "0",
    }
    tasks.append(subprocess.Popen(command, env=env))
limit = os.environ["SLURM_RESTART_COUNT"] == "0"
while any(task.poll() is None for task in tasks):
    if limit and list(output.glob("checkpoints/*.sha256")):
        limit = False
        for task in tasks:
            task.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
(here / "codes").open("a").write(f"{[task.returncode for task in tasks]}\\n")
sys.exit(max(task.returncode for task in tasks))
"""
SCONTROL = """
import os, pathlib, sys
assert sys.argv[1:] == ["requeue", os.environ["SLURM_JOB_ID"]]
(pathlib.Path(os.environ["SCHEDULER"]) / "requeue").touch()
"""


@pytest.mark.slow
def test_slurm_saves_before_the_time_limit_and_goes_on(
    tiny_in: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """Two "machines" with a process each, both 127.0.0.x."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, code in {"sbatch": SBATCH, "srun": SRUN, "scontrol": SCONTROL}.items():
        (commands / name).write_text(f"#!{sys.executable}\n{code}")
        (commands / name).chmod(stat.S_IRWXU)
    run = tmp_path / "run"
    words = [*tiny_in(run), "TRAIN.CHECKPOINT_PERIOD_STEPS", "1"]
    words += ["TEST.ENABLE", "False", "REPORT.ENABLE", "False"]
    env = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "RUN_FOLDER": str(run),
        "SCHEDULER": str(tmp_path),
    }
    line = ["sbatch", str(ROOT / "launch" / "slurm.sbatch"), "--cfg", str(CONFIG), *words]
    done = subprocess.run(line, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "codes").read_text() == "[75, 75]\n[0, 0]\n"
    assert (tmp_path / "requeued0").exists()
    assert "'signal': 'USR1@120'" in (tmp_path / "asked").read_text()
    log = (run / "stdout.log").read_text()
    assert "2 process(es)" in log
    assert (run / "stdout_rank1.log").exists()
    assert (run / "checkpoints" / "checkpoint_epoch_00002.pyth").exists()


def test_the_slurm_script_is_a_script() -> None:
    script = ROOT / "launch" / "slurm.sbatch"
    if shutil.which("bash"):
        assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    text = script.read_text()
    for line in ("--signal=USR1@120", "--requeue", "--ntasks-per-node=1", "--open-mode=append"):
        assert f"#SBATCH {line}" in text


@pytest.mark.parametrize(("code", "requeued"), [(75, True), (2, False)])
def test_the_slurm_script_hands_on_cores_gpus_words_and_the_code(
    tmp_path: Path, code: int, requeued: bool
) -> None:
    for name in ("srun", "scontrol"):
        (tmp_path / name).write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/{name}.txt"\nexit {code}\n'
        )
        (tmp_path / name).chmod(stat.S_IRWXU)
    env = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": "/my env/python",
        "SLURM_CPUS_PER_TASK": "64",
        "SLURM_GPUS_ON_NODE": "4",
        "SLURM_JOB_ID": "12",
    }
    line = ["bash", str(ROOT / "launch" / "slurm.sbatch"), "--cfg", "my file.yaml", "A", "[1, 2]"]
    assert subprocess.run(line, env=env).returncode == code
    words = (tmp_path / "srun.txt").read_text().splitlines()
    run = ["/my env/python", "-m", "slowfast.cli.main", "run", "--cfg", "my file.yaml"]
    assert words[-len(run) - 4 :] == [*run, "A", "[1, 2]", "NUM_GPUS", "4"]
    assert "--cpus-per-task=64" in words[: -len(run) - 4]
    assert (tmp_path / "scontrol.txt").exists() is requeued


def test_pods_of_the_kubeflow_job_have_shared_memory() -> None:
    spec = yaml.safe_load((ROOT / "launch" / "trainjob.yaml").read_text())["spec"]
    pod = spec["podTemplateOverrides"][0]["spec"]
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert set(mounts.values()) == set(volumes)
    assert volumes[mounts["/dev/shm"]]["emptyDir"] == {"medium": "Memory"}


def test_the_kubeflow_job_starts_as_many_processes_as_it_has_gpus() -> None:
    spec = yaml.safe_load((ROOT / "launch" / "trainjob.yaml").read_text())["spec"]["trainer"]
    options = dict(zip(spec["args"][::2], spec["args"][1::2], strict=True))
    gpus = int(options["NUM_GPUS"])
    assert spec["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == gpus
    env = {
        "PET_NNODES": str(spec["numNodes"]),
        "PET_NPROC_PER_NODE": str(spec["numProcPerNode"]),
        "PET_NODE_RANK": "1",
        "PET_MASTER_ADDR": "slowfast-node-0-0.slowfast",
        "PET_MASTER_PORT": "29500",
    }
    job = find_job(Wanted(gpus=gpus), env)
    assert (job.machines, job.machine, job.processes) == (spec["numNodes"], 1, gpus)
    assert job.address == "tcp://slowfast-node-0-0.slowfast:29500"
