"""A user's mistake is one line on stderr and exit code 2; a bug is a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slowfast.config.errors import one_line
from slowfast.log import line_format, write_line


def explain_errors(program: str, action: Callable[[], int]) -> int:
    """Run ``action``; turn errors that carry their own explanation into one line."""
    _open_what_is_closed()
    try:
        code = action()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `slowfast models | head`: whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        write_line(f"{program}: {error}", stream=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _open_what_is_closed() -> None:
    """Input and output that go nowhere, for a process without (`>&-`, some daemons).

    Files of a run would take their numbers otherwise, and get what libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def log_error(log: Path, error: Exception) -> None:
    """Add to the log of a run, in one line, what ended it; the console is told elsewhere.

    In the process that started several, nothing else writes to the log.
    """
    if not log.parent.is_dir():
        return  # the run never began
    text = one_line(str(error))
    if not isinstance(error, (ValueError, OSError)):
        text = f"{type(error).__name__}: {text[:500]} (the traceback is on the console)"
    record = logging.LogRecord("slowfast", logging.ERROR, "", 0, text, None, None)
    line = line_format().format(record)
    with suppress(OSError), log.open("a") as file:  # a full disk may be what ended it
        file.write(f"{line}\n")
