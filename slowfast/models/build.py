"""From a config to a network."""

from __future__ import annotations

import difflib

from fvcore.common.config import CfgNode
from fvcore.common.registry import Registry
from torch import nn

from slowfast.models import mvit, resnet, slowfast, x3d

MODELS = Registry("MODEL.MODEL_NAME")
MODELS._do_register("SlowFast", slowfast.video_resnet_from_cfg)
MODELS._do_register("ResNet", resnet.video_resnet_from_cfg)
MODELS._do_register("ResNet_nopool", resnet.video_resnet_from_cfg)
MODELS._do_register("X3D", x3d.x3d_from_cfg)
MODELS._do_register("MViT", mvit.mvit_from_cfg)
# The recipes of another library describe the same networks under these names.
MODELS._do_register("PTVSlowFast", slowfast.video_resnet_from_cfg)
MODELS._do_register("PTVResNet", resnet.video_resnet_from_cfg)
MODELS._do_register("PTVX3D", x3d.x3d_from_cfg)
MODELS._do_register("PTVMViT", mvit.mvit_from_cfg)
MODELS._do_register("PTVCSN", resnet.separated_from_cfg)
MODELS._do_register("PTVR2plus1D", resnet.separated_from_cfg)

LATER = ("MaskMViT", "ContrastiveModel")


def build_model(cfg: CfgNode) -> nn.Module:
    """The network that MODEL.MODEL_NAME and MODEL.ARCH name, on the CPU, in training mode.

    Raises:
        ValueError: the name is unknown or of a later release; or settings do not fit together.
    """
    name = cfg.MODEL.MODEL_NAME
    known = [key for key, _ in MODELS]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2, cutoff=0.3)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        why = "arrives in a later release" if name in LATER else "is not known"
        raise ValueError(f"MODEL.MODEL_NAME {name!r} {why}; this one has {', '.join(known)}{hint}")
    return MODELS.get(name)(cfg)
