"""Weights into a network: strict by default, and always with a report."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from slowfast.config.errors import one_line
from slowfast.engine.checkpoint.inflate import Inflation, inflate
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.interpolate import Grid, doubt, interpolate, is_elsewhere
from slowfast.engine.checkpoint.layouts.detect import Translated, translate
from slowfast.engine.checkpoint.sub_bn import fit_sub_bn
from slowfast.engine.parallel import as_like, own_part

# DistributedDataParallel puts this in front of every name; torch.compile, activation
# checkpointing and FSDP put theirs in front of the name of whatever they wrap.
FRONT_WRAPPER = "module."
WRAPPERS = ("_orig_mod.", "_checkpoint_wrapped_module.", "_fsdp_wrapped_module.")


_STRICT = "It takes the network that was saved: use the config that the checkpoint was trained with"
_PARTIAL = (
    "If this is meant, as in fine-tuning on other classes, set TRAIN.ALLOW_PARTIAL True "
    "(--allow-partial)"
)


class NothingFits(CheckpointError):
    """The checkpoint is of another network altogether."""


@dataclass
class LoadReport:
    """What became of each entry of a checkpoint and of each tensor of the network."""

    layout: str = ""  # whose names the checkpoint had; empty: the public ones
    loaded: list[str] = field(default_factory=list)  # with those of the next four
    inflated: list[str] = field(default_factory=list)
    interpolated: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)  # of those: what their sizes do not tell
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
            ("whose grid the file does not tell", self.guessed),
            ("set to do nothing (that layout has none)", self.added),
            ("re-initialised (not in the checkpoint)", self.missing),
            ("re-initialised (another shape)", self.misfit),
            ("unused (not in the network)", self.unused),
            ("ignored (no weights)", self.ignored),
        ):
            if names:
                lines.append(f"{len(names)} {title}: {_some(names)}")
        return "; ".join(lines)


def load_weights(
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    allow_partial: bool = False,
    clear_patterns: Iterable[str] = (),
    inflation: Inflation = "",
    saved_grid: Grid | None = None,
    adjustable: bool = False,
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
        saved_grid: patches (T, H, W) of the network that was saved, if it is known.
        adjustable: whether the TRAIN keys for such weights count where this is called, so that
            the error may name them.

    Raises:
        NothingFits: no tensor fits; or, with ``allow_partial`` or ``adjustable``, none but vectors
            and counters.
        CheckpointError: not everything fits and ``allow_partial`` is off, or there are values
            that are no weights.
    """
    translated = public_state(state, source=source, clear_patterns=clear_patterns)
    own = model.state_dict()
    named = dict(fit_sub_bn(translated.state, own))
    _check_kinds(named, own, source=source)
    report = LoadReport(translated.layout, added=translated.added, ignored=translated.ignored)
    report.unused = [name for name in named if name not in own]
    grid = getattr(model, "grid", None)  # of patches, in transformers
    fitting = _fit(named, own, report, inflation=inflation, grid=grid, saved=saved_grid)
    # Vectors of norms and counters have the shapes of those of any other network.
    kernels = any(value.ndim > 1 for value in fitting.values())
    useless = not kernels and any(value.ndim > 1 for value in own.values())
    # Where keys of TRAIN count, the error below would name one that ends here.
    if not fitting or (useless and (allow_partial or adjustable)):
        others = len(fitting)
        raise NothingFits(
            _nothing_fits(source, list(own), list(state), others=others, misfit=report.misfit)
        )
    if not report.complete and not allow_partial:
        advice = _STRICT if not adjustable else _PARTIAL
        if adjustable and not inflation:
            advice += _inflation_hint(named, own)
        raise CheckpointError(
            f"{source}: the checkpoint does not fit the network: {report}. {advice}"
        )
    _check_finite(fitting, own, source=source)
    with torch.no_grad():
        parts = {name: as_like(value, own[name]) for name, value in fitting.items()}
        model.load_state_dict(parts, strict=False)
    return report


def _fit(
    named: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    report: LoadReport,
    *,
    inflation: Inflation,
    grid: Grid | None,
    saved: Grid | None,
) -> dict[str, Tensor]:
    """What can be copied into the tensors of ``own``, in their shapes; the rest is reported."""
    fitting: dict[str, Tensor] = {}
    grids: dict[str, Grid | None] = {"grid": grid, "saved": saved}
    for name, tensor in own.items():
        if name not in named:
            # Checkpoints from before PyTorch 0.4.1 lack this counter; nothing depends on it.
            if not name.endswith("num_batches_tracked"):
                report.missing.append(name)
            continue
        value, shape = named[name], tensor.shape
        if value.shape == shape and not is_elsewhere(name, **grids):
            fitting[name] = value
        elif (larger := inflate(value, shape, how=inflation)) is not None:
            fitting[name] = larger
            report.inflated.append(name)
        elif (resized := interpolate(name, value, shape, **grids)) is not None:
            fitting[name] = resized
            report.interpolated.append(name)
            if open_question := doubt(name, value.shape[-2], shape[-2], **grids):
                report.guessed.append(open_question)
        else:
            report.misfit.append(_misfit(name, value, tensor))
    report.loaded = list(fitting)
    return fitting


def _check_kinds(named: Mapping[str, Tensor], own: Mapping[str, Tensor], *, source: str) -> None:
    """Numbers of another kind would be cut to what the network can hold."""
    wrong = [
        f"{name} ({str(named[name].dtype).removeprefix('torch.')})"
        for name, tensor in own.items()
        if name in named
        and not named[name].is_floating_point()
        and (tensor.is_floating_point() or named[name].is_complex())
    ]
    if wrong:
        raise CheckpointError(
            f"{source}: expected weights in floating point, found other kinds of numbers in "
            f"{_some(wrong)}; save them as float32, after undoing what made them so (quantization)"
        )


def _check_finite(fitting: Mapping[str, Tensor], own: Mapping[str, Tensor], *, source: str) -> None:
    # In the network's type: a number that is too large for it becomes infinite there.
    broken = [
        name
        for name, value in fitting.items()
        if own[name].is_floating_point()
        and not own_part(value).to(own[name].dtype).isfinite().all()
    ]
    if broken:
        raise CheckpointError(
            f"{source}: {len(broken)} of its tensors have values that are not finite (NaN or "
            f"infinite): {_some(broken)}; the training that wrote it diverged, or the file is "
            "damaged: use an earlier checkpoint"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


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
    try:
        return translate(cleaned)
    except (RuntimeError, IndexError) as error:
        raise CheckpointError(
            f"{source}: has the names of a known layout, but tensors of other shapes than its "
            f"networks have ({one_line(str(error))[:200]}); the file is damaged or of another "
            "network"
        ) from error


def clean_name(name: str, clear_patterns: Iterable[str] = ()) -> str:
    """A parameter's name without what wrappers and ``clear_patterns`` put into it.

    Patterns may be written as the file has the names, or without the wrappers.
    """
    patterns = tuple(clear_patterns)
    return _without(_unwrapped(_without(name, patterns)), patterns)


def _without(name: str, patterns: Iterable[str]) -> str:
    for pattern in patterns:
        name = name.replace(pattern, "")
    return name


def _unwrapped(name: str) -> str:
    name = _without(name, WRAPPERS)
    while name.startswith(FRONT_WRAPPER):
        name = name.removeprefix(FRONT_WRAPPER)
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


def _nothing_fits(
    source: str, own: list[str], given: list[str], *, others: int, misfit: list[str]
) -> str:
    example = own[0]
    near = difflib.get_close_matches(example, given, n=1, cutoff=0.0)
    but = f" but {others} vectors and counters" if others else ""
    found = f"the nearest name in the file is {near[0] if near else None!r}"
    return (
        f"{source}: no tensor of the checkpoint fits the network{but}. The network begins with "
        f"{example!r}; {f'of another shape is {misfit[0]}' if misfit else found}. Check "
        "MODEL.ARCH, RESNET.DEPTH and RESNET.WIDTH_PER_GROUP, or remove a prefix with "
        "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN"
    )
