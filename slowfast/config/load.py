"""Loads a config: files, overrides, checks, derived values; then it is frozen."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from slowfast.config.check import check_across_sections, check_network, derive
from slowfast.config.defaults import KEYS, SECTION_NAMES, get_cfg, get_value, set_value
from slowfast.config.errors import ConfigError, did_you_mean, one_line
from slowfast.config.rates import Rate, check_rate
from slowfast.config.retired import why_retired
from slowfast.config.values import coerce, literal
from slowfast.config.yaml_source import Entry, read_entries, read_text, to_yaml
from slowfast.log import LOGGER

COMMAND_LINE = "command line"


@dataclass
class Merged:
    """A config in the making and, for each key that was set, the file and line that did."""

    cfg: CfgNode = field(default_factory=get_cfg)
    origins: dict[str, str] = field(default_factory=dict)

    def apply(self, entries: Iterable[Entry], *, ignore_unknown: bool = False) -> None:
        """Set each entry's key; later entries win."""
        for entry in entries:
            reason = why_retired(entry.path)
            if entry.path in KEYS:
                self._set(entry, keep_default=ignore_unknown and entry.value in (None, "None"))
            elif reason:
                LOGGER.warning("%s: %s is ignored: %s", entry.origin, entry.path, reason)
            elif entry.path in SECTION_NAMES and entry.value in (None, "", {}):
                continue  # a section whose keys are all commented out
            elif ignore_unknown:
                LOGGER.warning("%s: unknown key %s is ignored", entry.origin, entry.path)
            else:
                raise _unknown(entry)

    def _set(self, entry: Entry, *, keep_default: bool) -> None:
        """Set a known key; ``keep_default``: of a value that can't be used, only warn."""
        key, path, origin = KEYS[entry.path], entry.path, entry.origin
        try:
            value = coerce(key, entry.value, text=entry.text, path=path, origin=origin)
        except ConfigError:
            if not keep_default:
                raise
            LOGGER.warning("%s: %s is empty; the default is used", origin, path)
            return
        set_value(self.cfg, path, value)
        self.origins[path] = origin

    def check(self) -> None:
        """Raise if a value or a pair of values can't be used."""
        for path, key in KEYS.items():
            value = get_value(self.cfg, path)
            key.validate(value, path=path, origin=self.origins.get(path, ""))
        check_across_sections(self.cfg)

    def derive(self) -> None:
        for path in derive(self.cfg):
            self.origins[path] = f"{self.origins.get(path, 'default')}, times NUM_SHARDS"


def load_cfg(path: str | Path, overrides: Sequence[Any] = (), *, warned: bool = True) -> CfgNode:
    """The config of a YAML file, checked and frozen.

    Args:
        path: the file; its ``_BASE_`` names files, relative to it, that it builds on.
        overrides: ``[KEY, value, KEY, value, ...]``, which win over the files; text is read as
            a Python literal where it is one.
        warned: of a learning rate that does not go with the clips of a step; not while the number
            of machines is still to be found.

    Raises:
        FileNotFoundError: there is no such file; the nearest names are in the message.
        ConfigError: a ValueError; one line with the place, the rule and what was found.
    """
    return _load(path, overrides, warned=warned).cfg


def explain(path: str | Path, overrides: Sequence[Any] = ()) -> list[tuple[str, Any, str]]:
    """(key, value, origin) of each value that is not the default, in the order of the reference.

    The origin is ``file:line`` or ``command line``.
    """
    merged = _load(path, overrides)
    found = ((key, get_value(merged.cfg, key)) for key in KEYS)
    return [
        (key, value, merged.origins.get(key, "derived"))
        for key, value in found
        if value != KEYS[key].default
    ]


def merge(path: str | Path, overrides: Sequence[Any] = ()) -> Merged:
    """Files and overrides over the defaults, before checks and derived values."""
    merged = Merged()
    merged.apply(read_entries(os.fspath(path)))
    merged.apply(read_overrides(overrides))
    return merged


def cfg_from_text(
    text: str, overrides: Sequence[Any] = (), *, name: str = "checkpoint config"
) -> CfgNode:
    """The config that a checkpoint carries as YAML text, frozen.

    It is a finished config, of this or another version: unknown and retired keys are ignored
    with a warning, nothing is derived anew, and its values are not checked: it has been used, and
    the machine it was made for is not this one. Overrides are, by themselves and for what they
    make of the network.
    """
    merged = Merged()
    merged.apply(read_text(text, name=name), ignore_unknown=True)
    was_sound = _is_sound(merged.cfg)
    changed = read_overrides(overrides)
    merged.apply(changed)
    for path in {entry.path for entry in changed} & set(KEYS):
        KEYS[path].validate(get_value(merged.cfg, path), path=path, origin=COMMAND_LINE)
    if changed and was_sound:
        check_network(merged.cfg)
    merged.cfg.freeze()
    return merged.cfg


def _is_sound(cfg: CfgNode) -> bool:
    """Whether the rules that a network is built by hold, as those of another version may not."""
    try:
        check_network(cfg)
    except (ConfigError, TypeError):  # a value of another kind than the rules know
        return False
    return True


def with_values(cfg: CfgNode, values: Mapping[str, Any]) -> CfgNode:
    """A frozen copy of the config with other values for some full keys."""
    merged = Merged(cfg=cfg.clone())
    merged.cfg.defrost()
    merged.apply(Entry(path, value, None, "with_values") for path, value in values.items())
    for path in values:
        KEYS[path].validate(get_value(merged.cfg, path), path=path, origin="with_values")
    merged.cfg.freeze()
    return merged.cfg


def dump_cfg(cfg: CfgNode) -> str:
    """The whole config as YAML text, which `load_cfg` reads back to an equal config."""
    return to_yaml(_as_dict(cfg))


def read_overrides(overrides: Sequence[Any]) -> list[Entry]:
    """``[KEY, value, ...]`` of a command line as entries."""
    if len(overrides) % 2:
        last = overrides[-1]
        hint = "; write KEY VALUE, not KEY=VALUE" if "=" in str(last) else ""
        raise ConfigError(
            one_line(
                f"{COMMAND_LINE}: overrides are pairs of KEY VALUE, but there are "
                f"{len(overrides)} words and {last!r} has no partner{hint}"
            )
        )
    entries = []
    for path, value in zip(overrides[::2], overrides[1::2], strict=True):
        text = value if isinstance(value, str) else None
        entries.append(
            Entry(str(path), value if text is None else literal(text), text, COMMAND_LINE)
        )
    return entries


def _load(path: str | Path, overrides: Sequence[Any], *, warned: bool = True) -> Merged:
    merged = merge(path)
    recipe = Rate.of(merged.cfg)
    merged.apply(read_overrides(overrides))
    merged.check()
    merged.derive()
    if warned:
        check_rate(recipe, merged.cfg)
    merged.cfg.freeze()
    return merged


def _unknown(entry: Entry) -> ConfigError:
    if entry.path in SECTION_NAMES:
        return ConfigError(
            f"{entry.origin}: {entry.path} is a section, expected keys in it, found {entry.value!r}"
        )
    parts = entry.path.split(".")
    for end in range(1, len(parts)):
        if ".".join(parts[:end]) in KEYS:
            key = ".".join(parts[:end])
            return ConfigError(f"{entry.origin}: {key} takes a value, not a section with keys")
    shown = entry.path.lstrip("-")
    near = did_you_mean(shown, KEYS) or f" Sections are {', '.join(_top_sections())}."
    return ConfigError(f"{entry.origin}: unknown key {entry.path}.{near}")


def _top_sections() -> list[str]:
    return sorted(name for name in SECTION_NAMES if "." not in name)


def _as_dict(node: Any) -> Any:
    return {k: _as_dict(v) for k, v in node.items()} if isinstance(node, dict) else node
