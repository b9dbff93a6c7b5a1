"""Mirrors slowfast/engine/folder_lock.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slowfast.engine import folder_lock
from slowfast.engine.folder_lock import only_training_in
from slowfast.engine.train import train

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")

# Locks as the module does; of another one of its size it needs no PyTorch, which takes seconds.
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print(sys.argv[2], file=file, flush=True)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """The folder, locked by another process, which says that it is of the host ``param``."""
    line = [sys.executable, "-c", HOLD, str(tmp_path / ".training"), f"{request.param} 77"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield other
        other.kill()


@pytest.mark.parametrize("held", [socket.gethostname()], indirect=True)
def test_a_second_training_in_a_folder_is_refused_until_the_first_has_gone(
    held: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_PATIENCE", 0.1)
    refused = pytest.raises(ValueError, match=r"OUTPUT_DIR .*: process 77 of .* another OUTPUT_DIR")
    with refused, only_training_in(tmp_path):
        raise AssertionError
    held.kill()  # as by the kernel, when memory runs out
    held.wait()
    with only_training_in(tmp_path):
        said = (tmp_path / ".training").read_text()
    assert said == f"{socket.gethostname()} {os.getpid()}\n"


@pytest.mark.parametrize("held", ["other-host"], indirect=True)
def test_of_a_run_of_another_machine_is_warned(
    held: subprocess.Popen[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have crashed, and its lock be left."""
    monkeypatch.setattr(folder_lock, "_PATIENCE", 0.1)
    warned: list[str] = []
    monkeypatch.setattr(folder_lock.LOGGER, "warning", lambda text, *a: warned.append(text % a))
    with only_training_in(tmp_path):
        pass
    assert "process 77 of other-host trains in it, as it seems" in warned[0]


def test_a_folder_that_cannot_be_written_to_is_left_to_who_tells_it_better(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with only_training_in(tmp_path / "file"):
        pass


def test_training_holds_the_lock(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from slowfast.config import load_cfg

    cfg = load_cfg(
        str(Path(__file__).parents[2] / "configs" / "Motions" / "SLOWFAST_TINY.yaml"),
        overrides=tiny,
    )
    found: list[str] = []

    def opened(cfg: object) -> None:
        found.extend(path.name for path in Path(tiny[-1]).iterdir())
        raise InterruptedError

    monkeypatch.setattr("slowfast.engine.train.open_run", opened)
    with pytest.raises(InterruptedError):
        train(cfg)
    assert found == [".training"]
