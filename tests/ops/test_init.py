"""Mirrors slowfast/ops/init.py; of ResNets the order of draws is in models/test_video_resnet.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slowfast.models.res_block import Bottleneck
from slowfast.ops.init import init_resnet, init_transformer


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(Bottleneck(64, 32, 128), nn.Linear(64, 50))


def test_scales() -> None:
    model = net()
    init_resnet(model, fc_std=0.02)
    block, linear = model
    # He, fan out: variance 2 / (output channels * kernel size).
    assert block.a.weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.05)
    assert block.b.weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.05)
    assert linear.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert linear.bias.eq(0).all()
    assert all(bn.weight.eq(1).all() for bn in (block.a_bn, block.b_bn, block.c_bn))
    assert block.c_bn.bias.eq(0).all()


def test_zero_weights() -> None:
    model = net()
    init_resnet(model, zero_init_final_bn=True, zero_init_final_conv=True)
    block = model[0]
    assert block.c_bn.weight.eq(0).all()
    assert block.b_bn.weight.eq(1).all()
    assert block.c.weight.eq(0).all()
    assert not block.b.weight.eq(0).any()


def test_a_zero_convolution_draws_no_random_numbers() -> None:
    first, second = net(), net()
    torch.manual_seed(1)
    init_resnet(first, zero_init_final_conv=True)
    torch.manual_seed(1)
    for conv in (second[0].a, second[0].b):
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(second[1].weight, std=0.01)
    assert torch.equal(first[1].weight, second[1].weight)


def test_transformers_draw_in_the_order_of_registration() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    model.register_parameter("cls_token", nn.Parameter(torch.zeros(1, 1, 3)))
    model[0].register_parameter("rel_pos_h", nn.Parameter(torch.ones(5, 2)))
    model.register_parameter("pos_embed", nn.Parameter(torch.ones(1, 2, 3), requires_grad=False))
    torch.manual_seed(7)
    init_transformer(model, zero_rel_pos=True)
    torch.manual_seed(7)
    for parameter in (model.cls_token, model[0].weight, model[2].weight):
        expected = nn.init.trunc_normal_(torch.empty(parameter.shape), std=0.02)
        torch.testing.assert_close(parameter.data, expected)
    assert (model[0].rel_pos_h == 0).all()
    assert (model.pos_embed == 1).all(), "fixed"
    assert all((m.bias == 0.02).all() for m in model)
