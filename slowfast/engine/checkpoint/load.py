"""Weights into a network: strict by default, and always with a report."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from slowfast.engine.checkpoint.inflate import Inflation, inflate
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.interpolate import interpolate
from slowfast.engine.checkpoint.layouts.detect import Translated, translate
from slowfast.engine.checkpoint.sub_bn import fit_sub_bn

# DistributedDataParallel puts this in front of every name; torch.compile, activation
# checkpointing and FSDP put theirs in front of the name of whatever they wrap.
FRONT_WRAPPER = "module."
WRAPPERS = ("_orig_mod.", "_checkpoint_wrapped_module.", "_fsdp_wrapped_module.")


@dataclass
class LoadReport:
    """What became of each entry of a checkpoint and of each tensor of the network."""

    layout: str = ""  # whose names the checkpoint had; empty: the public ones
    loaded: list[str] = field(default_factory=list)  # with those of the next three
    inflated: list[str] = field(default_factory=list)
    interpolated: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)  # the other layout does without them
    missing: list[str] = field(default_factory=list)  # in the network, not in the file
    unused: list[str] = field(default_factory=list)  # in the file, not in the network
    misfit: list[str] = field(default_factory=list)  # in both, of different shapes
    ignored: list[str] = field(default_factory=list)  # in the file, and no weights

    @property
    def complete(self) -> bool:
        """Whether every tensor of the network came from the file, and none was left over."""
        return not (self.missing or self.unused or self.misfit)

    @property
    def exact(self) -> bool:
        """Whether the file holds this very network, so that its optimizer state fits too."""
        changed = self.layout or self.inflated or self.interpolated
        return self.complete and not changed

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} tensors loaded"]
        if self.layout:
            lines.append(f"converted from the names of {self.layout}")
        for title, names in (
            ("inflated from 2D", self.inflated),
            ("interpolated", self.interpolated),
            ("set to do nothing (that layout has none)", self.added),
            ("re-initialised (not in the checkpoint)", self.missing),
            ("re-initialised (another shape)", self.misfit),
            ("unused (not in the network)", self.unused),
            ("ignored (no weights)", self.ignored),
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
    inflation: Inflation = "",
) -> LoadReport:
    """Copy ``state`` into ``model`` in place.

    Names of other programs are translated. Position embeddings of another size are
    interpolated, and the report says so.

    Args:
        source: name of the checkpoint, for messages.
        allow_partial: keep the initial values of what the checkpoint lacks or holds in
            another shape (another number of classes), and ignore what the network lacks.
        clear_patterns: text removed from the names (``TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN``).
        inflation: what is done with 2D kernels; see `inflate`.

    Raises:
        CheckpointError: not everything fits and ``allow_partial`` is off, or nothing fits.
    """
    translated = public_state(state, source=source, clear_patterns=clear_patterns)
    own = model.state_dict()
    named = dict(fit_sub_bn(translated.state, own))
    report = LoadReport(translated.layout, added=translated.added, ignored=translated.ignored)
    fitting: dict[str, Tensor] = {}
    grid = getattr(model, "grid", None)  # of patches, in transformers
    for name, tensor in own.items():
        if name not in named:
            # Checkpoints from before PyTorch 0.4.1 lack this counter; nothing depends on it.
            if not name.endswith("num_batches_tracked"):
                report.missing.append(name)
            continue
        value = named[name]
        if value.shape == tensor.shape:
            fitting[name] = value
        elif (larger := inflate(value, tensor.shape, how=inflation)) is not None:
            fitting[name] = larger
            report.inflated.append(name)
        elif (resized := interpolate(name, value, tensor.shape, grid=grid)) is not None:
            fitting[name] = resized
            report.interpolated.append(name)
        else:
            report.misfit.append(_misfit(name, value, tensor))
    report.loaded = list(fitting)
    report.unused = [name for name in named if name not in own]
    if not report.loaded:
        raise CheckpointError(_nothing_fits(source, list(own), list(named)))
    if not report.complete and not allow_partial:
        raise CheckpointError(
            f"{source}: the checkpoint does not fit the network: {report}. If this is meant, as "
            "in fine-tuning on other classes, set TRAIN.ALLOW_PARTIAL True (--allow-partial)"
            + ("" if inflation else _inflation_hint(named, own))
        )
    with torch.no_grad():
        model.load_state_dict(fitting, strict=False)
    return report


def public_state(
    state: Mapping[str, Tensor], *, source: str, clear_patterns: Iterable[str] = ()
) -> Translated:
    """A state dict under the public names: without wrappers' prefixes, translated.

    Raises:
        CheckpointError: two entries get the same name.
    """
    patterns = tuple(clear_patterns)
    cleaned: dict[str, Tensor] = {}
    for name, value in state.items():
        short = clean_name(name, patterns)
        if short in cleaned:
            raise CheckpointError(
                f"{source}: {name!r} and another entry both become {short!r} without the "
                f"prefixes of wrappers and TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN {list(patterns)}; "
                "give longer patterns there"
            )
        cleaned[short] = value
    return translate(cleaned)


def clean_name(name: str, clear_patterns: Iterable[str] = ()) -> str:
    """A parameter's name without what wrappers and ``clear_patterns`` put into it."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    while name.startswith(FRONT_WRAPPER):
        name = name.removeprefix(FRONT_WRAPPER)
    for pattern in clear_patterns:
        name = name.replace(pattern, "")
    return name


def _misfit(name: str, value: Tensor, wanted: Tensor) -> str:
    return f"{name} ({tuple(value.shape)} in the file, {tuple(wanted.shape)} expected)"


def _inflation_hint(named: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The key that turns 2D kernels into 3D ones, where there are any that it would."""
    flat = [
        name
        for name in named.keys() & own.keys()
        if inflate(named[name], own[name].shape, how="divide") is not None
        and named[name].shape != own[name].shape
    ]
    if not flat:
        return ""
    return (
        f"; {len(flat)} kernels of the file are 2D: TRAIN.CHECKPOINT_INFLATE True repeats them "
        "over time"
    )


def _nothing_fits(source: str, own: list[str], named: list[str]) -> str:
    example = own[0]
    near = difflib.get_close_matches(example, named, n=1, cutoff=0.0)
    return (
        f"{source}: no tensor of the checkpoint fits the network. The network begins with "
        f"{example!r}; the nearest name in the file is {near[0] if near else None!r}. Check "
        "MODEL.ARCH and RESNET.DEPTH, or remove a prefix with TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN"
    )
