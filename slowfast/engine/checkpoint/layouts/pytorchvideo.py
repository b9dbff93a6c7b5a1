"""Names of pytorchvideo: the hub's networks, and the same ones inside a wrapper.

Blocks are numbered in a row, with pools among them: the stages s2 to s5 are the ones that
hold ``res_blocks``, in order; the stem is block 0, and the head is the one with a ``proj``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from slowfast.engine.checkpoint.layouts.translated import Translated

_EPS = 1e-5  # of every BatchNorm of these networks
_BLOCK = re.compile(
    r"(?:model\.)?blocks\.(?P<index>\d+)\."
    r"(?:multipathway_blocks\.(?P<pathway>\d)\.)?(?P<rest>.+)"
)
_RES = re.compile(r"res_blocks\.(?P<block>\d+)\.(?P<rest>.+)")
_IN_RES = (
    (r"branch1_conv", "branch1"),
    (r"branch1_norm", "branch1_bn"),
    (r"branch2\.norm_b\.1\.block\.0", "branch2.se.fc1"),
    (r"branch2\.norm_b\.1\.block\.2", "branch2.se.fc2"),
    (r"branch2\.norm_b\.0", "branch2.b_bn"),
    (r"branch2\.conv_([abc])", r"branch2.\1"),
    (r"branch2\.conv_b\.norm", "branch2.b.bn"),  # R(2+1)D
    (r"branch2\.conv_b\.(conv_t|conv_xy)", r"branch2.b.\1"),
    (r"branch2\.norm_([abc])", r"branch2.\1_bn"),
)
_FUSION = (
    (r"multipathway_fusion\.conv_fast_to_slow", "conv_f2s"),
    (r"multipathway_fusion\.norm", "bn"),
)
_STEM = (
    # X3D: theirs are swapped, the kernel of conv_t is 1 x 3 x 3.
    (r"conv\.conv_t", "conv_xy"),
    (r"conv\.conv_xy", "conv"),
    ("conv", "conv"),
    ("norm", "bn"),
)
_HEAD = (
    ("proj", "projection"),
    (r"pool\.pre_conv", "conv_5"),
    (r"pool\.pre_norm", "conv_5_bn"),
    (r"pool\.post_conv", "lin_5"),
    (r"pool\.post_norm", "lin_5_bn"),
)
_MVIT = (
    ("patch_embed.patch_model.", "patch_embed.proj."),
    ("cls_positional_encoding.", ""),
    ("norm_embed.", "norm."),
    ("head.proj.", "head.projection."),
)


def is_resnet(state: Mapping[str, Tensor]) -> bool:
    return any(re.match(r"(model\.)?blocks\.\d+\..*res_blocks\.0\.", name) for name in state)


def is_mvit(state: Mapping[str, Tensor]) -> bool:
    return any(name.endswith("patch_embed.patch_model.weight") for name in state)


def translate_resnet(state: Mapping[str, Tensor]) -> Translated:
    """C2D, I3D, Slow, SlowFast, CSN, R(2+1)D and X3D networks.

    The first shortcut of X3D has no norm there where its width stays the same; the public
    network has one, which is made to change nothing in eval mode.
    """
    stages = _stages(state)
    named = {_resnet_name(name, stages): value for name, value in state.items()}
    added: dict[str, Tensor] = {}
    for name, value in named.items():
        norm = name.removesuffix(".weight") + "_bn"
        if name.endswith(".branch1.weight") and f"{norm}.weight" not in named:
            added |= _identity_norm(norm, value.shape[0])
    return Translated(named | added, "pytorchvideo", list(added))


def translate_mvit(state: Mapping[str, Tensor]) -> Translated:
    """MViT; queries, keys and values are one matrix in the public network.

    Their norms of pooled queries, keys and values have an epsilon of 1e-5, as networks of
    MODEL.MODEL_NAME PTVMViT do; in others, with 1e-6, scores differ in the fourth digit.
    """
    named: dict[str, Tensor] = {}
    for name, value in state.items():
        name = name.removeprefix("model.")
        for old, new in _MVIT:
            if name.startswith(old):
                name = new + name.removeprefix(old)
        named[name] = value
    for name in [name for name in named if re.search(r"\.attn\.q\.(weight|bias)$", name)]:
        head, _, kind = name.rpartition(".q.")
        parts = [f"{head}.{part}.{kind}" for part in "qkv"]
        if all(part in named for part in parts):
            named[f"{head}.qkv.{kind}"] = torch.cat([named.pop(part) for part in parts])
    return Translated(named, "pytorchvideo")


def _stages(state: Mapping[str, Tensor]) -> dict[int, int]:
    """Number of a block -> the stage it is: 1 for the stem, 2 to 5 for those of residual blocks."""
    found = {int(m["index"]) for m in map(_BLOCK.match, state) if m and _RES.match(m["rest"])}
    return {0: 1} | {index: stage for stage, index in enumerate(sorted(found), start=2)}


def _resnet_name(name: str, stages: dict[int, int]) -> str:
    """The public name, or `name` itself where no rule fits."""
    if name.startswith("detection_head.proj."):
        return name.replace("detection_head.proj", "head.projection")
    match = _BLOCK.match(name)
    if not match:
        return name
    index, pathway, rest = int(match["index"]), match["pathway"] or "0", match["rest"]
    if index not in stages:
        return _renamed(rest, _HEAD, "head") or name
    stage = stages[index]
    inside = _RES.match(rest)
    if inside:
        block = f"s{stage}.pathway{pathway}_res{inside['block']}"
        return _renamed(inside["rest"], _IN_RES, block) or name
    if rest.startswith("multipathway_fusion"):
        return _renamed(rest, _FUSION, f"s{stage}_fuse") or name
    if stage == 1:
        return _renamed(rest, _STEM, f"s1.pathway{pathway}_stem") or name
    return name


def _renamed(name: str, rules: tuple[tuple[str, str], ...], prefix: str) -> str | None:
    module, _, tensor = name.rpartition(".")
    for old, new in rules:
        match = re.fullmatch(old, module)
        if match:
            return f"{prefix}.{match.expand(new)}.{tensor}"
    return None


def _identity_norm(name: str, dim: int) -> dict[str, Tensor]:
    """A BatchNorm whose output is its input as long as it uses running statistics."""
    return {
        f"{name}.weight": torch.ones(dim),
        f"{name}.bias": torch.zeros(dim),
        f"{name}.running_mean": torch.zeros(dim),
        f"{name}.running_var": torch.full((dim,), 1 - _EPS),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }
