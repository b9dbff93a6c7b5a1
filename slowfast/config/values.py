"""From what a YAML file or a command line holds to a value of a key's type."""

from __future__ import annotations

import ast
import math
from typing import Any

import yaml

from slowfast.config.errors import ConfigError, one_line
from slowfast.config.schema import Key
from slowfast.config.yaml_source import parse_scalar_or_list

KIND_NAMES = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    type(None): "None",
}


class _Unfit(Exception):
    """The value can't become the wanted type."""


def coerce(key: Key, value: Any, *, text: str | None, path: str, origin: str) -> Any:
    """The value as the key's type.

    What public files do is accepted: an int for a float, a tuple for a list, ``1e-5`` (text in
    YAML 1.1), a quoted list, ``inf``, nothing or ``None`` for an empty text.

    Args:
        key: the key to set.
        value: what the YAML parser or ``literal`` made of it.
        text: the scalar as it is written, or None for a list or mapping.
        path: the full key, for the error.
        origin: the file and line, for the error.
    """
    if isinstance(value, str) and value == "None":
        value = None
    if value is None and type(None) not in key.accepts and str in key.accepts and key.takes(""):
        return ""
    for kind in key.accepts:
        try:
            return _READERS[kind](value, text)
        except _Unfit:
            continue
    wanted = " or ".join(KIND_NAMES[kind] for kind in key.accepts if kind is not type(None))
    hint = " Put quotes around it." if isinstance(value, bool) and str in key.accepts else ""
    if value is None:
        hint = _instead_of_nothing(key)
    raise ConfigError(
        one_line(
            f"{origin}: {path}: expected {wanted}, found {_shown(value)}.{hint} "
            f"It sets: {key.doc} Default: {key.default!r}."
        )
    )


def _instead_of_nothing(key: Key) -> str:
    if key.choices:
        return f" Write one of {', '.join(map(repr, key.choices))}."
    if list in key.accepts and key.takes([]):
        return " Write [] for an empty list."
    return f" Write {key.rule}." if key.rule else ""


def literal(text: str) -> Any:
    """What a word on the command line stands for: a Python literal, True/False, or itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):  # a plain word or a path
        return text
    except (MemoryError, RecursionError) as error:
        raise ConfigError(f"command line: a value of {len(text)} characters is too long") from error


def _bool(value: Any, _text: str | None) -> bool:
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, bool):
        return value
    raise _Unfit


def _int(value: Any, _text: str | None) -> int:
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _Unfit


def _float(value: Any, _text: str | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Unfit
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _Unfit from None
    if math.isnan(number):
        raise _Unfit
    return number


def _str(value: Any, text: str | None) -> str:
    if isinstance(value, str):
        return value
    if text is None or value is None or isinstance(value, bool):
        raise _Unfit
    return text  # 007 and 2024-01-01 are names where a name belongs


def _list(value: Any, _text: str | None) -> list[Any]:
    if isinstance(value, str):  # '[1, 2]' in quotes, or [train.csv] on a command line
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            try:
                value = parse_scalar_or_list(value)
            except yaml.YAMLError:
                raise _Unfit from None
    if isinstance(value, list | tuple):
        return _as_lists(value)
    raise _Unfit


def _none(value: Any, _text: str | None) -> None:
    if value is not None and value != "None":
        raise _Unfit


def _as_lists(value: Any) -> Any:
    """Tuples become lists at every depth, so that a config equals itself read back from YAML."""
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    name = {type(None): "nothing", dict: "a section"}.get(type(value))
    if name:
        return name
    kind = KIND_NAMES.get(type(value), type(value).__name__)
    shown = repr(value)
    return f"{shown if len(shown) < 80 else shown[:77] + '...'} ({kind})"


_READERS = {bool: _bool, int: _int, float: _float, str: _str, list: _list, type(None): _none}
