"""What the network is and costs, logged at the start of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from slowfast.engine.record import write_json
from slowfast.log import LOGGER
from slowfast.models.complexity import count_cost
from slowfast.models.zoo import example_input


def log_model_info(net: nn.Module, cfg: Any) -> None:
    """Log the network with its parameters and multiply-adds; keep them in ``model.json``."""
    device = next(net.parameters()).device
    was_training = net.training
    inputs = [clip.to(device) for clip in example_input(net)]
    with torch.inference_mode():
        cost = count_cost(net.eval(), inputs)
    net.train(was_training)
    LOGGER.info("network:\n%s", net)
    LOGGER.info(
        "%s: %.2f M parameters, %.2f GFLOPs (multiply-adds) for one clip of %s",
        cfg.MODEL.MODEL_NAME,
        cost.params / 1e6,
        cost.gflops,
        " + ".join("x".join(map(str, clip.shape[1:])) for clip in inputs),
    )
    write_json(
        Path(cfg.OUTPUT_DIR) / "model.json",
        {
            "name": cfg.MODEL.MODEL_NAME,
            "arch": cfg.MODEL.ARCH,
            "params": cost.params,
            "gflops": cost.gflops,
            "input": [list(clip.shape) for clip in inputs],
        },
    )
