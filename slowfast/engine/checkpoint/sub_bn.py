"""Batch norm of parts of a batch in checkpoints: stored as plain batch norm, tiled on load."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_SPLIT, _WHOLE = "split_bn.", "bn."


def to_plain(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`state` in the public layout: statistics of the parts left out, those of the whole kept.

    What it keeps are the statistics as they were last aggregated; `aggregate_statistics` makes
    them current.
    """
    layers = _split_layers(state)
    if not layers:
        return state
    renamed = {
        f"{layer}{_WHOLE}{name}": f"{layer}{name}" for layer in layers for name in STATISTICS
    }
    dropped = {f"{layer}{_SPLIT}{name}" for layer in layers for name in STATISTICS}
    return {renamed.get(key, key): value for key, value in state.items() if key not in dropped}


def split_statistics(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `to_plain` leaves out: an exact resume needs it."""
    parts = [f"{layer}{_SPLIT}{name}" for layer in _split_layers(state) for name in STATISTICS]
    return {key: state[key] for key in parts if key in state}


def fit_sub_bn(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`state` with the kind of batch norm of a network whose state dict is `own`.

    A layer of `own` with statistics of parts gets those of `state` if it has as many, and else
    the statistics of the whole for each part.
    """
    fitted = dict(to_plain(state))
    for layer in _split_layers(own):
        for name in STATISTICS:
            whole, parts = f"{layer}{_WHOLE}{name}", f"{layer}{_SPLIT}{name}"
            plain = fitted.pop(f"{layer}{name}", None)
            if plain is None:
                continue
            fitted[whole] = plain
            same = parts in state and state[parts].shape == own[parts].shape
            fitted[parts] = state[parts] if same else _tile(plain, own[parts])
    return fitted


def _tile(plain: Tensor, like: Tensor) -> Tensor:
    """`plain` (C,) repeated to the length of `like`; what does not divide it stays, to misfit."""
    if plain.ndim != 1 or not len(plain) or like.numel() % len(plain):
        return plain
    return plain.repeat(like.numel() // len(plain))


def _split_layers(state: Mapping[str, Tensor]) -> list[str]:
    """Prefixes of the layers that hold statistics of parts, such as "s1.pathway0_stem.bn."."""
    end = f"{_SPLIT}running_mean"
    return [key.removesuffix(end) for key in state if key.endswith(end)]
