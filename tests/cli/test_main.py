"""Mirrors slowfast/cli/main.py."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from slowfast.cli.main import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_what_the_commands_file_says(name: str) -> None:
    text = import_module(f"slowfast.cli.{name.replace('-', '_')}").__doc__ or ""
    assert COMMANDS[name] == text.strip().splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: slowfast {name}")
    assert "example" in out


def test_help_and_version_do_not_wait_for_torch() -> None:
    code = (
        "import sys\n"
        "from slowfast.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)


def test_an_unknown_command_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["trian"])
    assert end.value.code == 2
    assert "invalid choice: 'trian'" in capsys.readouterr().err
