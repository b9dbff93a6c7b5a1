"""Weights into a network: strict by default, and always with a report."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.sub_bn import fit_sub_bn

# Wrappers put these in front of every name: DistributedDataParallel and torch.compile.
WRAPPER_PREFIXES = ("module.", "_orig_mod.")


@dataclass
class LoadReport:
    """What became of each entry of a checkpoint and of each tensor of the network."""

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # in the network, not in the file
    unused: list[str] = field(default_factory=list)  # in the file, not in the network
    misfit: list[str] = field(default_factory=list)  # in both, of different shapes

    @property
    def exact(self) -> bool:
        return not (self.missing or self.unused or self.misfit)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} tensors loaded"]
        for title, names in (
            ("re-initialised (not in the checkpoint)", self.missing),
            ("re-initialised (another shape)", self.misfit),
            ("unused (not in the network)", self.unused),
        ):
            if names:
                shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
                lines.append(f"{len(names)} {title}: {shown}")
        return "; ".join(lines)


def load_weights(
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    allow_partial: bool = False,
    clear_patterns: Iterable[str] = (),
) -> LoadReport:
    """Copy ``state`` into ``model`` in place.

    Args:
        source: name of the checkpoint, for messages.
        allow_partial: keep the initial values of what the checkpoint lacks or holds in
            another shape (another number of classes), and ignore what the network lacks.
        clear_patterns: text removed from the names (``TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN``).

    Raises:
        CheckpointError: not everything fits and ``allow_partial`` is off, or nothing fits.
    """
    named = {clean_name(name, clear_patterns): value for name, value in state.items()}
    own = model.state_dict()
    named = dict(fit_sub_bn(named, own))
    report = LoadReport()
    fitting: dict[str, Tensor] = {}
    for name, tensor in own.items():
        if name not in named:
            # Checkpoints from before PyTorch 0.4.1 lack this counter; nothing depends on it.
            if not name.endswith("num_batches_tracked"):
                report.missing.append(name)
        elif named[name].shape != tensor.shape:
            shapes = f"{tuple(named[name].shape)} in the file, {tuple(tensor.shape)} expected"
            report.misfit.append(f"{name} ({shapes})")
        else:
            fitting[name] = named[name]
            report.loaded.append(name)
    report.unused = [name for name in named if name not in own]
    if not report.loaded:
        raise CheckpointError(_nothing_fits(source, list(own), list(named)))
    if not report.exact and not allow_partial:
        raise CheckpointError(
            f"{source}: the checkpoint does not fit the network: {report}. If this is meant, as "
            "in fine-tuning on other classes, set TRAIN.ALLOW_PARTIAL True (--allow-partial)"
        )
    with torch.no_grad():
        model.load_state_dict(fitting, strict=False)
    return report


def clean_name(name: str, clear_patterns: Iterable[str] = ()) -> str:
    """A parameter's name without what wrappers and ``clear_patterns`` put into it."""
    while name.startswith(WRAPPER_PREFIXES):
        name = name.split(".", 1)[1]
    for pattern in clear_patterns:
        name = name.replace(pattern, "")
    return name


def _nothing_fits(source: str, own: list[str], named: list[str]) -> str:
    example = own[0]
    near = difflib.get_close_matches(example, named, n=1, cutoff=0.0)
    return (
        f"{source}: no tensor of the checkpoint fits the network. The network begins with "
        f"{example!r}; the nearest name in the file is {near[0] if near else None!r}. Check "
        "MODEL.ARCH and RESNET.DEPTH, or remove a prefix with TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN"
    )
