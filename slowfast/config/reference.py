"""The reference page of all keys: `python -m slowfast.config.reference > docs/CONFIG.md`."""

from __future__ import annotations

import sys
from typing import Any

from slowfast.config.defaults import KEYS, SECTION_NAMES
from slowfast.config.errors import ConfigError, did_you_mean
from slowfast.config.retired import RETIRED
from slowfast.config.schema import Key, Section
from slowfast.config.sections import SECTIONS

INTRODUCTION = """# Config keys

Generated from `slowfast/config/sections/` by
`python -m slowfast.config.reference > docs/CONFIG.md`.

A config file is YAML. It needs to hold only what differs from the defaults below, and may build on
other files:

```yaml
_BASE_: _BASE_/slowfast_r50.yaml    # relative to this file; a list is read in its order
DATA:
  NUM_FRAMES: 32
```

`configs/` holds recipes by data set. Their `_BASE_` folders hold what several of them share:
`configs/_BASE_/` networks, `configs/Kinetics/_BASE_/` and the like training and data.

Words after the options of a command override the file: `TRAIN.BATCH_SIZE 16 NUM_GPUS 2`.
`--print-config` shows the merged result and the file and line that each value came from.
"""


def render() -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION, *map(_section, SECTIONS), _retired()]
    return "\n".join(parts)


def describe(name: str = "") -> str:
    """Plain text about a key, the keys of a section, or all sections if ``name`` is empty.

    Raises:
        ConfigError: there is no such key or section; the nearest are in the message.
    """
    if not name:
        return "\n".join(f"{_title(section)}: {section.doc}" for section in SECTIONS)
    if name in KEYS:
        return _key_text(name, KEYS[name])
    found = [
        _key_text(path, key)
        for section in SECTIONS
        if section.name == name or section.name.startswith(f"{name}.")
        for path, key in section.paths()
    ]
    if not found:
        near = did_you_mean(name, [*KEYS, *SECTION_NAMES])
        raise ConfigError(f"there is no key or section {name}.{near}")
    return "\n".join(found)


def _section(section: Section) -> str:
    lines = [f"## {_title(section)}", "", section.doc, ""]
    lines += ["| Key | Default | Meaning |", "|---|---|---|"]
    for path, key in section.paths():
        meaning = f"{key.doc} {_allowed(key)}".strip()
        lines.append(f"| `{path}` | {_default(key.default)} | {_cell(meaning)} |")
    return "\n".join([*lines, ""])


def _retired() -> str:
    lines = ["## Retired keys", "", "Ignored with a warning.", "", "| Key | Why |", "|---|---|"]
    lines += [f"| `{path}` | {_cell(reason)} |" for path, reason in RETIRED.items()]
    return "\n".join([*lines, ""])


def _title(section: Section) -> str:
    return section.name or "Top level"


def _allowed(key: Key) -> str:
    if key.choices:
        return f"One of {', '.join(f'`{name}`' for name in key.choices)}."
    return f"Must be {key.rule}." if key.rule else ""


def _default(value: Any) -> str:
    shown = repr(value)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    return f"`{_cell(shown)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _key_text(path: str, key: Key) -> str:
    return f"{path} ({key.default!r}): {key.doc} {_allowed(key)}".replace("`", "").strip()


if __name__ == "__main__":
    sys.stdout.write(render())
