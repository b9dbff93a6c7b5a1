"""What a translation to the public names gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Translated:
    """A checkpoint's weights under the public names.

    Args:
        layout: whose names the checkpoint had; empty: the public ones.
        added: tensors that the public network has and the other one does without.
        ignored: entries that are no weights, such as momenta.
    """

    state: dict[str, Tensor]
    layout: str = ""
    added: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
