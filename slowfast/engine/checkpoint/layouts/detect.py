"""Which program's names a checkpoint has, told from the names alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from slowfast.engine.checkpoint.layouts import caffe2, pytorchvideo, torchvision
from slowfast.engine.checkpoint.layouts.translated import Translated

_LAYOUTS = (
    (caffe2.is_caffe2, caffe2.translate),
    (pytorchvideo.is_resnet, pytorchvideo.translate_resnet),
    (pytorchvideo.is_mvit, pytorchvideo.translate_mvit),
    (torchvision.is_mvit, torchvision.translate_mvit),
    (torchvision.is_resnet, torchvision.translate_resnet),
)


def translate(state: Mapping[str, Tensor]) -> Translated:
    """Weights under the public names, whichever of the known layouts they are in.

    Names that no rule knows stay as they are, so that they are reported as unused.
    """
    for recognises, rename in _LAYOUTS:
        if recognises(state):
            return rename(state)
    return Translated(dict(state))
