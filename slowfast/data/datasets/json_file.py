"""JSON files that describe data, read with an error that names the file and the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slowfast.paths import local_path


def read_json(path: str | Path, *, expected: str, advice: str = "") -> Any:
    """What a file holds, with or without a byte order mark.

    Args:
        expected: what it should be, and ``advice`` what to do if it is not, for the message.

    Raises:
        ValueError: there is no such file, it is no UTF-8, or no JSON.
    """
    try:
        return json.loads(Path(local_path(str(path))).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        end = f"; {advice}" if advice else ""
        raise ValueError(f"{path}: expected {expected}, found {error}{end}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not JSON ({error.msg})") from error
