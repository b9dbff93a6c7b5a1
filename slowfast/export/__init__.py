"""Networks as files that run without this package: ONNX and torch.export programs."""

from __future__ import annotations

from slowfast.export.call import Call, random_call
from slowfast.export.write import FORMATS, Parity, export_network

__all__ = ["FORMATS", "Call", "Parity", "export_network", "random_call"]
