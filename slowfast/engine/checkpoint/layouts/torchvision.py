"""Names of torchvision: its MViT networks, and its ResNets for images."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from slowfast.engine.checkpoint.layouts.translated import Translated

# Stored without the leading dimension of the batch there; rank of the public tensor: 3.
_MVIT_POSITIONS = {
    "pos_encoding.class_token": "cls_token",
    "pos_encoding.spatial_pos": "pos_embed_spatial",
    "pos_encoding.temporal_pos": "pos_embed_temporal",
    "pos_encoding.class_pos": "pos_embed_class",
}
_MVIT = (
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^(blocks\.\d+)\.attn\.project\.0\.", r"\1.attn.proj."),
    (r"^(blocks\.\d+)\.attn\.pool_([qkv])\.pool\.", r"\1.attn.pool_\2."),
    (r"^(blocks\.\d+)\.attn\.pool_([qkv])\.norm_act\.0\.", r"\1.attn.norm_\2."),
    (r"^(blocks\.\d+)\.mlp\.0\.", r"\1.mlp.fc1."),
    (r"^(blocks\.\d+)\.mlp\.3\.", r"\1.mlp.fc2."),
    (r"^(blocks\.\d+)\.project\.", r"\1.proj."),
    (r"^head\.1\.", "head.projection."),
)
_RES = re.compile(r"layer(?P<layer>[1-4])\.(?P<block>\d+)\.(?P<rest>.+)")


def is_mvit(state: Mapping[str, Tensor]) -> bool:
    return "conv_proj.weight" in state and "pos_encoding.class_token" in state


def is_resnet(state: Mapping[str, Tensor]) -> bool:
    return "conv1.weight" in state and "layer1.0.conv1.weight" in state


def translate_mvit(state: Mapping[str, Tensor]) -> Translated:
    named: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _MVIT_POSITIONS:
            named[_MVIT_POSITIONS[name]] = value.reshape(1, -1, value.shape[-1])
            continue
        for pattern, new in _MVIT:
            name = re.sub(pattern, new, name)
        named[name] = value
    return Translated(named, "torchvision")


def translate_resnet(state: Mapping[str, Tensor]) -> Translated:
    """ResNets of images; their 2D kernels stay 2D here (TRAIN.CHECKPOINT_INFLATE).

    The names of ResNet-18 are translated too, but its blocks are narrower than those here.
    """
    named = {_resnet_name(name): value for name, value in state.items()}
    return Translated(named, "torchvision (images)")


def _resnet_name(name: str) -> str:
    match = _RES.fullmatch(name)
    if match:
        rest = re.sub(r"^conv(\d)\.", lambda m: f"branch2.{_letter(m)}.", match["rest"])
        rest = re.sub(r"^bn(\d)\.", lambda m: f"branch2.{_letter(m)}_bn.", rest)
        rest = re.sub(r"^downsample\.0\.", "branch1.", rest)
        rest = re.sub(r"^downsample\.1\.", "branch1_bn.", rest)
        return f"s{int(match['layer']) + 1}.pathway0_res{match['block']}.{rest}"
    name = re.sub(r"^conv1\.", "s1.pathway0_stem.conv.", name)
    name = re.sub(r"^bn1\.", "s1.pathway0_stem.bn.", name)
    return re.sub(r"^fc\.", "head.projection.", name)


def _letter(match: re.Match[str]) -> str:
    return "abc"[int(match[1]) - 1]
