"""Networks: `create_model` by name, `build_model` from a config."""

from __future__ import annotations

from slowfast.models.build import build_model
from slowfast.models.complexity import Cost, count_cost, training_memory
from slowfast.models.fused import fuse_for_inference
from slowfast.models.input_spec import example_boxes, example_input
from slowfast.models.zoo import create_model, list_models

__all__ = [
    "Cost",
    "build_model",
    "count_cost",
    "create_model",
    "example_boxes",
    "example_input",
    "fuse_for_inference",
    "list_models",
    "training_memory",
]
