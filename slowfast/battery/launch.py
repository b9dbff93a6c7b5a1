"""Try the launcher on what kills processes: D1, D2 and R8 of docs/reliability.md."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from slowfast.battery.network_spaces import Spaces, two_machines, why_not

TIMES = 10  # of each fault of D1
_LIMIT = 240.0  # seconds; a drill that takes longer hangs
_COMMAND = (sys.executable, "-m", "slowfast.battery.launch_drill")


def run(folder: Path, args: argparse.Namespace) -> int:
    """All of it, twenty minutes on two cores; returns the number of faults."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = undisturbed(folder)
    faults = restarts(folder / "D1", digest, times=TIMES)
    faults += frozen(folder / "R8", digest)
    if reason := why_not():
        print(f"D2 two machines as network namespaces: skipped, {reason}")
        return faults
    return faults + machines(folder / "D2", digest)


class Running:
    """A launcher, and what it prints."""

    def __init__(self, folder: Path, *words: object, prefix: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.output = folder, folder / f"console{len(list(folder.glob('console*')))}"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*prefix, *_COMMAND, str(folder), *map(str, words)],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def end(self) -> int:
        """The exit code; a launcher that hangs is killed, with its processes."""
        try:
            return self.process.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill_machine()
            return self.process.wait()

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def digest(self) -> str:
        """Of the last state, as rank 0 told it."""
        lines = [line for line in self.text.splitlines() if line.startswith("digest ")]
        return lines[-1].removeprefix("digest ") if lines else ""

    @property
    def attempts(self) -> list[float]:
        """When rank 0 began, each time."""
        file = self.folder / "attempts"
        return [float(line) for line in file.read_text().split()] if file.exists() else []

    def workers(self) -> list[int]:
        """Process numbers of the ranks of this launcher, in their order."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def wait_until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + _LIMIT
        while not happened() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)

    def wait_for_step(self) -> None:
        """Until the first steps are saved."""
        self.wait_until((self.folder / "state.pt").exists)
        time.sleep(0.5)

    def kill_machine(self) -> None:
        """SIGKILL to the launcher and its processes, as when the power goes."""
        with suppress(ProcessLookupError, FileNotFoundError):
            pids = [self.process.pid, *self.workers()]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def undisturbed(folder: Path) -> str:
    running = Running(folder / "whole")
    if running.end() or not running.digest:
        raise RuntimeError(f"the undisturbed drill failed: {running.text}")
    return running.digest


def _wrong(running: Running, code: int, digest: str, *, attempts: int) -> list[str]:
    """In what a drill ended otherwise than it should have."""
    wrong = []
    if code:
        wrong.append(f"exit code {code}: {running.text[-300:]}")
    elif running.digest != digest:
        wrong.append("the last state differs from that of the undisturbed run")
    if len(running.attempts) != attempts:
        wrong.append(f"{len(running.attempts)} attempts, expected {attempts}")
    return wrong


def _verdict(line: str, results: Sequence[list[str]]) -> int:
    bad = [result for result in results if result]
    print(f"{line}: {len(results) - len(bad)} of {len(results)}", flush=True)
    for result in bad[:3]:
        print(f"  {'; '.join(result)}")
    return len(bad)


def restarts(folder: Path, digest: str, *, times: int) -> int:
    """D1: one fault makes one restart, and the last state is that of the undisturbed run."""
    faults = 0
    for fault in ("kill", "raise"):
        results = []
        for i in range(times):
            running = Running(folder / f"{fault}{i}", "--fault", fault, "--rank", i % 2)
            results.append(_wrong(running, running.end(), digest, attempts=2))
        faults += _verdict(f"D1 {fault} of a rank, one restart and the same state", results)
    results = [_two_jobs(folder / f"two{i}", digest) for i in range(times)]
    faults += _verdict("D1 two jobs at once on a machine, a rank of each killed", results)
    results = [_stopped(folder / f"stopped{i}", digest) for i in range(times)]
    return faults + _verdict("D1 SIGTERM to the launcher, exit code 75, continued", results)


def _two_jobs(folder: Path, digest: str) -> list[str]:
    jobs = [Running(folder / name, "--fault", "kill") for name in "ab"]
    return [text for job in jobs for text in _wrong(job, job.end(), digest, attempts=2)]


def _stopped(folder: Path, digest: str) -> list[str]:
    running = Running(folder, "--pause", 0.2)
    running.wait_for_step()
    running.process.send_signal(signal.SIGTERM)
    code, begun = running.end(), len(running.attempts)
    wrong = [] if (code, begun) == (75, 1) else [f"exit code {code} after {begun} attempts"]
    again = Running(folder, "--pause", 0.2)
    return wrong + _wrong(again, again.end(), digest, attempts=2)


def frozen(folder: Path, digest: str) -> int:
    """R8: SIGSTOP to a rank, time-out 15 s: the run goes on within 90 s."""
    running = Running(folder, "--fault", "freeze", "--timeout", 15)
    wrong = _wrong(running, running.end(), digest, attempts=2)
    began = (folder / "fault").stat().st_mtime
    seconds = running.attempts[-1] - began
    if seconds > 90:
        wrong.append(f"it took {seconds:.0f} s, more than 90")
    if "stacks_rank0.txt" not in running.text:
        wrong.append("the stacks of the ranks that waited are not named")
    return _verdict(f"R8 SIGSTOP of a rank, time-out 15 s, training again after {seconds:.0f} s",
                    [wrong])  # fmt: skip


def machines(folder: Path, digest: str, *, faults: Sequence[str] = ("kill", "gone", "cut")) -> int:
    """D2: a rank killed, a machine gone and back, a link down for 15 s; each within 120 s."""
    found = 0
    for fault in faults:
        with two_machines() as spaces:
            wrong, seconds = _one_fault(folder / fault, digest, spaces, fault)
        if seconds > 120:
            wrong.append(f"it took {seconds:.0f} s, more than 120")
        found += _verdict(f"D2 two machines, {fault}, ended after {seconds:.0f} s", [wrong])
    return found


def _one_fault(folder: Path, digest: str, spaces: Spaces, fault: str) -> tuple[list[str], float]:
    """What is wrong, and the seconds from the fault to the end."""
    both = [_on_machine(folder, spaces, machine) for machine in (0, 1)]
    both[0].wait_for_step()
    since = time.monotonic()
    if fault == "kill":
        os.kill(both[1].workers()[0], signal.SIGKILL)
    elif fault == "gone":
        both[1].kill_machine()
        time.sleep(3)
        both[1] = _on_machine(folder, spaces, 1)
    else:
        spaces.cable(plugged=False)
        time.sleep(15)
        spaces.cable(plugged=True)
    codes = [each.end() for each in both]
    seconds = time.monotonic() - since
    wrong = [f"machine 1 ended with {codes[1]}: {both[1].text[-300:]}"] if codes[1] else []
    expected = len(both[0].attempts) if fault == "cut" else 2
    return wrong + _wrong(both[0], codes[0], digest, attempts=expected), seconds


def _on_machine(folder: Path, spaces: Spaces, machine: int) -> Running:
    words = ["--processes", 1, "--machines", 2, "--machine", machine, "--pause", 0.5]
    words += ["--address", f"tcp://{spaces.addresses[0]}:29500", "--timeout", 20]
    return Running(folder, *words, prefix=spaces.command(machine, ()))
