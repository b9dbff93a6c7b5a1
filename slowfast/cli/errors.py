"""A user's mistake is one line on stderr and exit code 2; a bug is a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


def explain_errors(program: str, action: Callable[[], int]) -> int:
    """Run ``action``; turn errors that carry their own explanation into one line."""
    try:
        return action()
    except (ValueError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
