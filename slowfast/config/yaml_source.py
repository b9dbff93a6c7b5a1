"""Reads YAML config files, `_BASE_` files first, and remembers the line of every value."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slowfast.config.errors import ConfigError, one_line
from slowfast.log import LOGGER

BASE_KEY = "_BASE_"


@dataclass(frozen=True)
class Entry:
    """One value of a file.

    Args:
        path: dotted key.
        value: the parsed value.
        text: the scalar as written; None for a list or an empty section.
        origin: ``file:line`` for messages.
    """

    path: str
    value: Any
    text: str | None
    origin: str


class _Loader(yaml.SafeLoader):
    """SafeLoader that also takes ``1e-5`` for a number, which YAML 1.1 takes for text."""


# The same text from the C library, where PyYAML was built with it, in a fifth of the time.
_SafeDumper: type = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):
    """SafeDumper that quotes the text ``1e-5``, since `_Loader` would read a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


def read_entries(path: str) -> list[Entry]:
    """The values of a file, after those of the files its ``_BASE_`` names.

    Raises:
        FileNotFoundError: with the names nearest to it in its folder.
        ConfigError: bad YAML, a key given twice with different values, a circle of `_BASE_`.
    """
    return _read_file(path, named_by="", trail=())


def read_text(text: str, *, name: str) -> list[Entry]:
    """The values of YAML text without ``_BASE_``; ``name`` stands for the file in errors."""
    entries = list(_parse(text, name))
    for entry in entries:
        if entry.path == BASE_KEY:
            raise ConfigError(f"{entry.origin}: {BASE_KEY} can only be used in files")
    return entries


def parse_scalar_or_list(text: str) -> Any:
    """YAML text of one value."""
    return yaml.load(text, _Loader)


def to_yaml(tree: dict[str, Any]) -> str:
    """Nested dicts as YAML text, innermost lists on one line."""
    return yaml.dump(tree, Dumper=_Dumper, default_flow_style=None, width=100)


def _read_file(path: str, *, named_by: str, trail: tuple[str, ...]) -> list[Entry]:
    real = os.path.realpath(path)
    if real in map(os.path.realpath, trail):
        circle = " -> ".join([*trail, path])
        raise ConfigError(f"{named_by}{BASE_KEY} files name each other in a circle: {circle}")
    own = list(_parse(_text_of(path, named_by), path))
    entries: list[Entry] = []
    for entry in own:
        if entry.path != BASE_KEY:
            continue
        names = entry.value if isinstance(entry.value, list) else [entry.value]
        for name in names:
            if not isinstance(name, str) or not name:
                raise ConfigError(
                    f"{entry.origin}: {BASE_KEY} must be a file name or a list of them, "
                    f"found {name!r}"
                )
            base = os.path.join(os.path.dirname(path), os.path.expanduser(name))
            base = os.path.normpath(base)
            entries += _read_file(base, named_by=f"{entry.origin}: ", trail=(*trail, path))
    return entries + [entry for entry in own if entry.path != BASE_KEY]


def _text_of(path: str, named_by: str) -> str:
    file = Path(path).expanduser()
    if not file.exists():
        names = sorted(p.name for p in file.parent.iterdir()) if file.parent.is_dir() else []
        near = difflib.get_close_matches(file.name, names, n=3, cutoff=0.5)
        if not file.parent.is_dir():
            hint = f"; there is no folder {file.parent}"
        elif near:
            hint = f"; near it in {file.parent}: {', '.join(near)}"
        else:
            hint = f"; no name in {file.parent} is like it"
        raise FileNotFoundError(f"{named_by}there is no config file {path}{hint}")
    if not file.is_file():
        raise ConfigError(f"{named_by}{path} is not a file; expected a YAML config")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{named_by}{path} is not UTF-8 text: {error.reason}") from error


def _parse(text: str, name: str) -> Iterator[Entry]:
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{name}:1: expected sections and keys, found a single value or list")
        yield from _walk(loader, root, prefix="", name=name)
    except yaml.YAMLError as error:
        raise _bad_yaml(error, text, name) from error
    except RecursionError as error:
        raise ConfigError(f"{name}: a value holds itself (an alias inside its anchor)") from error


def _bad_yaml(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character YAML does not allow
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        return ConfigError(f"{name}:{line}: not valid YAML: {one_line(str(error))}")
    lines = text.splitlines()
    found = lines[mark.line].strip() if mark.line < len(lines) else "the end of the file"
    problem = getattr(error, "problem", None) or "it can't be read"
    return ConfigError(
        f"{name}:{mark.line + 1}: not valid YAML: {one_line(problem)}, found {found!r}. "
        "Check the indentation, colons and brackets of this line and the one above."
    )


def _walk(loader: _Loader, node: yaml.MappingNode, *, prefix: str, name: str) -> Iterator[Entry]:
    _check_duplicates(loader, node, prefix=prefix, name=name)
    loader.flatten_mapping(node)  # `<<: *anchor`
    for key_node, value_node in node.value:
        path = f"{prefix}{_key(key_node, name)}"
        if isinstance(value_node, yaml.MappingNode):
            yield from _walk(loader, value_node, prefix=f"{path}.", name=name)
            continue
        text = value_node.value if isinstance(value_node, yaml.ScalarNode) else None
        origin = f"{name}:{key_node.start_mark.line + 1}"
        yield Entry(path, _construct(loader, value_node, origin), text, origin)


def _construct(loader: _Loader, node: yaml.Node, origin: str) -> Any:
    try:
        return loader.construct_object(node, deep=True)
    except ValueError as error:  # such as the date 2024-99-99
        raise ConfigError(
            f"{origin}: the value can't be read: {one_line(str(error))}. Put quotes around text."
        ) from error


def _key(node: yaml.Node, name: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{name}:{node.start_mark.line + 1}: a key must be a name")
    return str(node.value)


def _check_duplicates(loader: _Loader, node: yaml.MappingNode, *, prefix: str, name: str) -> None:
    """Two values for one key raise; a repeated equal one only warns (public files have some)."""
    seen: dict[str, tuple[int, yaml.Node]] = {}
    for key_node, value_node in node.value:
        key, line = _key(key_node, name), key_node.start_mark.line + 1
        if key not in seen or key == "<<":
            seen[key] = (line, value_node)
            continue
        first, earlier = seen[key]
        values = [_construct(loader, each, f"{name}:{line}") for each in (earlier, value_node)]
        if values[0] != values[1]:
            raise ConfigError(
                f"{name}:{line}: duplicate key {prefix}{key}: it is already set, to another "
                f"value, in line {first}. Keep one of them."
            )
        LOGGER.warning("%s:%d: %s%s is set twice, to the same value", name, line, prefix, key)
