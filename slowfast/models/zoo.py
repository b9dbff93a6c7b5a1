"""Networks by name, without a config."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from slowfast.models.heads import check_num_classes
from slowfast.models.input_spec import example_boxes, example_input
from slowfast.models.mvit import mvit
from slowfast.models.resnet import resnet
from slowfast.models.roi_head import RoIOptions
from slowfast.models.slowfast import slowfast
from slowfast.models.x3d import x3d
from slowfast.models.zoo_mvit import transformers

__all__ = ["create_model", "example_boxes", "example_input", "list_models"]

NLN_R50 = ((), (1, 3), (1, 3, 5), ())
NLN_R101 = ((), (), (6, 13, 20), ())
# R101 with temporal kernels only in as many blocks as R50 has ("R101_50_50").
R50_TEMPORAL = (3, 4, 6, 3)


@dataclass(frozen=True)
class Entry:
    """A network of the zoo: what makes it, and with which keyword arguments."""

    make: Callable[..., nn.Module]
    settings: Mapping[str, Any] = field(default_factory=dict)


def create_model(name: str, *, num_classes: int | None = None, **changes: Any) -> nn.Module:
    """A network by name, with fresh weights, in training mode.

    Names are `family_depth_TxS`: T frames, S source frames apart (of the Slow pathway for
    SlowFast, which sees alpha times as many). `list_models()` shows all.

        >>> net = create_model("slowfast_r50_8x8", num_classes=12, crop_size=112).eval()
        >>> scores = net(example_input(net))  # (1, 12)

    Names that end in `_ava` classify boxes: `net(pathways, boxes)` with boxes (M, 5), the index
    of the clip and x1, y1, x2, y2 in pixels, gives (M, num_classes). Those of R50 are of the
    recipes AVA/*_SHORT; for weights of AVA/c2 pass `detection=RoIOptions(aligned=False)`.

    Args:
        name: e.g. "slowfast_r50_8x8", "slow_r101_8x8", "i3d_nln_r50_8x8".
        num_classes: default: 400, 80 for `_ava` and 1000 for images.
        changes: keyword arguments of the family's constructor that replace the entry's own:
            crop_size, num_frames, dropout, head_act, in_channels, alpha, beta_inv, ...; see
            `slowfast.models.slowfast.slowfast`, `slowfast.models.resnet.resnet`,
            `slowfast.models.x3d.x3d` and `slowfast.models.mvit.mvit`.

    Raises:
        ValueError: there is no such name or argument; the nearest ones are given.
    """
    if not isinstance(name, str) or name not in ZOO:
        near = difflib.get_close_matches(str(name), ZOO, n=3, cutoff=0.4)
        hint = f"; did you mean {', '.join(near)}?" if near else "."
        raise ValueError(f"there is no network {name!r}{hint} slowfast.list_models() shows all")
    entry = ZOO[name]
    allowed = [key for key in inspect.signature(entry.make).parameters if key != "arch"]
    for key in changes:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=3, cutoff=0.4)
            hint = f"; did you mean {', '.join(near)}?" if near else "."
            raise ValueError(f"{name} takes no {key!r}{hint} It takes {', '.join(allowed)}")
    if num_classes is not None:
        check_num_classes(num_classes)
        changes["num_classes"] = num_classes
    return entry.make(**{**entry.settings, **changes})


def list_models(pattern: str = "*") -> list[str]:
    """Names that `create_model` takes and that match `pattern`, e.g. "slowfast_*"."""
    return fnmatch.filter(ZOO, pattern)


def _slowfast_entries() -> dict[str, Entry]:
    zoo = {}
    for depth in (18, 50, 101):
        temporal = R50_TEMPORAL if depth == 101 else None
        # Recipes have a fusion kernel of 7 for R50 8x8 only (and R18, which is ours).
        for title, frames, alpha, kernel in (
            ("4x16", 32, 8, 5),
            ("8x8", 32, 4, 5 if depth == 101 else 7),
            ("16x8", 64, 4, 5),
        ):
            zoo[f"slowfast_r{depth}_{title}"] = Entry(
                slowfast,
                {
                    "depth": depth,
                    "num_frames": frames,
                    "alpha": alpha,
                    "fusion_kernel": kernel,
                    "temporal_blocks": temporal,
                },
            )
    r101 = dict(zoo["slowfast_r101_8x8"].settings)
    zoo["slowfast_r101_101_101_8x8"] = Entry(slowfast, {**r101, "temporal_blocks": None})
    for title, alpha in (("4x16", 8), ("8x8", 4)):
        zoo[f"slowfast_nln_r50_{title}"] = Entry(
            slowfast, {"alpha": alpha, "fusion_kernel": 5, "nonlocal_after": NLN_R50}
        )
    r101 = dict(zoo["slowfast_r101_16x8"].settings)
    zoo["slowfast_nln_r101_16x8"] = Entry(slowfast, {**r101, "nonlocal_after": NLN_R101})
    return zoo


def _resnet_entries() -> dict[str, Entry]:
    zoo: dict[str, Entry] = {}
    for depth in (18, 50, 101):
        for arch, title, frames in (
            ("slow", "4x16", 4),
            ("slow", "8x8", 8),
            ("fast", "32x2", 32),
            ("c2d", "8x8", 8),
            ("i3d", "8x8", 8),
        ):
            zoo[f"{arch}_r{depth}_{title}"] = Entry(
                resnet, {"arch": arch, "depth": depth, "num_frames": frames}
            )
    for base, kind in (
        ("slow_r50_4x16", "dot_product"),
        ("slow_r50_8x8", "dot_product"),
        ("c2d_r50_8x8", "softmax"),
        ("i3d_r50_8x8", "softmax"),
        ("i3d_r101_8x8", "softmax"),
    ):
        family, rest = base.split("_", 1)
        settings = {**zoo[base].settings, "nonlocal_after": NLN_R50, "nonlocal_kind": kind}
        zoo[f"{family}_nln_{rest}"] = Entry(resnet, settings)
    zoo["csn_r101_32x2"] = Entry(resnet, {"arch": "csn", "depth": 101, "num_frames": 32})
    zoo["r2plus1d_r50_16x4"] = Entry(resnet, {"arch": "r2plus1d", "depth": 50, "num_frames": 16})
    zoo["c2d_nopool_r50_8x8"] = Entry(resnet, {**zoo["c2d_r50_8x8"].settings, "time_pool": 1})
    return zoo


def _x3d_entries() -> dict[str, Entry]:
    """2004.04730, Table 3."""
    return {
        f"x3d_{size}": Entry(x3d, {"num_frames": frames, "crop_size": crop, "depth": depth})
        for size, frames, crop, depth in (
            ("xs", 4, 160, 2.2),
            ("s", 13, 160, 2.2),
            ("m", 16, 224, 2.2),
            ("l", 16, 312, 5.0),
        )
    }


def _ava_entries() -> dict[str, Entry]:
    """1812.03982, Sec. 5."""
    boxes = {"num_classes": 80, "head_act": "sigmoid", "detection": True}
    r101 = {"depth": 101, "temporal_blocks": R50_TEMPORAL, "nonlocal_after": NLN_R101}
    r101 |= {"nonlocal_pool": (2, 2, 2), "fusion_kernel": 5}
    # Weights of recipes in AVA/c2 were learned without the shift of half a feature, those of
    # AVA/*_SHORT with it; R101 has the former alone.
    r101 |= {**boxes, "detection": RoIOptions(aligned=False)}
    return {
        "slow_r50_4x16_ava": Entry(resnet, {"num_frames": 4, **boxes}),
        "slow_r50_8x8_ava": Entry(resnet, {"num_frames": 8, **boxes}),
        "slowfast_r50_32x2_ava": Entry(slowfast, {"num_frames": 32, **boxes}),
        "slowfast_nln_r101_32x2_ava": Entry(slowfast, {"num_frames": 32, **r101}),
        "slowfast_nln_r101_64x2_ava": Entry(slowfast, {"num_frames": 64, **r101}),
    }


ZOO: dict[str, Entry] = {
    **_slowfast_entries(),
    **_resnet_entries(),
    **_x3d_entries(),
    **{name: Entry(mvit, settings) for name, settings in transformers().items()},
    **_ava_entries(),
}
