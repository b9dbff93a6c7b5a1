"""A config key with its default, its meaning and its check, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from slowfast.config.errors import ConfigError, did_you_mean

Check = Callable[[Any], bool]


def anything(_value: Any) -> bool:
    """The check of a key that has none."""
    return True


@dataclass(frozen=True)
class Key:
    """One setting of a config file.

    Args:
        name: the key in its section.
        default: value when no file and no override sets it.
        doc: what it sets, in a sentence, with its unit.
        check: must hold for the value (not asked about None).
        rule: ``check`` in words, for the error and the reference page.
        choices: the names it may hold; the error of any other shows the nearest.
        kinds: types it may hold, tried in order; empty: that of the default. None only where it
            is the default or listed here, for keys that public files leave empty.
    """

    name: str
    default: Any
    doc: str
    check: Check = anything
    rule: str = ""
    choices: tuple[str, ...] = ()
    kinds: tuple[type, ...] = ()

    @property
    def accepts(self) -> tuple[type, ...]:
        kinds = self.kinds or (type(self.default),)
        return kinds if type(self.default) in kinds else (*kinds, type(self.default))

    def takes(self, value: Any) -> bool:
        """Whether a value of the right type keeps the rule."""
        return value in self.choices if self.choices else self.check(value)

    def validate(self, value: Any, *, path: str, origin: str) -> None:
        """Raise if the value, already of the right type, breaks the rule.

        Args:
            value: the merged value.
            path: the full key, ``SECTION.NAME``.
            origin: the file and line that set it, for the message.
        """
        if value is None:
            return
        where = f"{origin}: " if origin else ""
        if self.choices and value not in self.choices:
            names = ", ".join(map(repr, self.choices))
            raise ConfigError(
                f"{where}{path} is {value!r}, but must be one of {names}."
                f"{did_you_mean(str(value), self.choices)}"
            )
        if not self.check(value):
            raise ConfigError(
                f"{where}{path} is {value!r}, but must be {self.rule}. "
                f"It sets: {self.doc} Default: {self.default!r}."
            )


@dataclass(frozen=True)
class Section:
    """Keys that belong together; ``name`` may be dotted (MVIT.REV), or empty for the top level."""

    name: str
    doc: str
    keys: tuple[Key, ...]

    def paths(self) -> Iterator[tuple[str, Key]]:
        """(full key, Key) of each key."""
        for key in self.keys:
            yield (f"{self.name}.{key.name}" if self.name else key.name), key


def at_least(low: float) -> Check:
    """A number not below ``low``."""
    return lambda value: value >= low


def above(low: float) -> Check:
    """A number greater than ``low``."""
    return lambda value: value > low


def between(low: float, high: float) -> Check:
    """A number in [low, high]."""
    return lambda value: low <= value <= high


def numbers(count: int | None = None, *, low: float = float("-inf")) -> Check:
    """A list of ``count`` numbers, each at least ``low``; any count if None."""

    def check(value: Any) -> bool:
        if not isinstance(value, list) or count not in (None, len(value)):
            return False
        return all(is_number(each) and each >= low for each in value)

    return check


def empty_or(check: Check) -> Check:
    """An empty list, or one that passes ``check``."""
    return lambda value: not value or check(value)


def texts(value: Any) -> bool:
    """A list of names."""
    return all(isinstance(each, str) for each in value)


def rows(*, width: int) -> Check:
    """A list of lists of ``width`` numbers, such as [[block, stride_t, stride_h, stride_w]]."""
    row = numbers(width)
    return lambda value: all(row(each) for each in value)


def per_stage(entry: Check) -> Check:
    """A list for each of the four stages, with an entry that passes ``entry`` for each pathway."""

    def check(value: Any) -> bool:
        stages = len(value) == 4 and all(isinstance(stage, list) and stage for stage in value)
        return stages and all(entry(each) for stage in value for each in stage)

    return check


def is_whole(value: Any) -> bool:
    """A whole number from 1."""
    return type(value) is int and value >= 1


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
