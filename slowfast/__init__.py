"""Video understanding in PyTorch: SlowFast networks and their family.

net = slowfast.create_model("slowfast_r50_8x8", num_classes=12)
predict = slowfast.Predictor.from_checkpoint("checkpoint_best.pyth")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from slowfast.version import __version__

if TYPE_CHECKING:
    from slowfast.engine.predict import Prediction, Predictor
    from slowfast.models.fused import fuse_for_inference
    from slowfast.models.zoo import create_model, example_boxes, example_input, list_models

__all__ = [
    "Prediction",
    "Predictor",
    "__version__",
    "create_model",
    "example_boxes",
    "example_input",
    "fuse_for_inference",
    "list_models",
]

# Loaded when first asked for, so that `import slowfast` does not wait for everything.
_HOMES = {
    "Prediction": "slowfast.engine.predict",
    "Predictor": "slowfast.engine.predict",
    "create_model": "slowfast.models.zoo",
    "example_boxes": "slowfast.models.zoo",
    "example_input": "slowfast.models.zoo",
    "fuse_for_inference": "slowfast.models.fused",
    "list_models": "slowfast.models.zoo",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'slowfast' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
