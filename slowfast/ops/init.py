"""Initial weights of the convolutional networks and of the transformers."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def init_resnet(
    model: nn.Module,
    *,
    fc_std: float = 0.01,
    zero_init_final_bn: bool = False,
    zero_init_final_conv: bool = False,
) -> None:
    """He normal (fan out) for convolutions, N(0, fc_std) for linear layers, 1 and 0 for norms.

    Random numbers are drawn in the order of registration, so that a seed gives the same weights
    as long as the order is kept; weights that start at zero draw none.

    Args:
        fc_std: standard deviation of the classifier's weights.
        zero_init_final_bn: the last norm of each residual branch starts at 0, so that a block
            starts as its shortcut (Goyal et al., 1706.02677, Sec. 5.1).
        zero_init_final_conv: the same by the last convolution of the branch.
    """
    final_convs = {id(m.final_conv) for m in model.modules() if hasattr(m, "final_conv")}
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            if zero_init_final_conv and id(module) in final_convs:
                nn.init.zeros_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=fc_std)
        elif isinstance(module, _BatchNorm) and module.affine:
            nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if zero_init_final_bn:
        for module in model.modules():
            final = getattr(module, "final_bn", None)
            if final is not None:
                nn.init.zeros_(final.weight)


def init_transformer(model: nn.Module, *, zero_rel_pos: bool = False) -> None:
    """N(0, 0.02), cut at 2, for linear layers, tokens and positions; 1 for layer norms.

    Biases start at 0.02, as those of the public networks do; convolutions keep PyTorch's own
    start. Random numbers are drawn in the order of registration.

    Args:
        zero_rel_pos: relative positions start at zero.
    """
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            drawn = name.startswith(("cls_token", "pos_embed", "rel_pos_"))
            if name.startswith("rel_pos_") and zero_rel_pos:
                nn.init.zeros_(parameter)
            elif drawn and parameter.requires_grad:  # fixed positions hold what they shall
                nn.init.trunc_normal_(parameter, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.constant_(module.bias, 0.02)
