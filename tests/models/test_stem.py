"""Mirrors slowfast/models/stem.py."""

from __future__ import annotations

import torch

from slowfast.models.stem import ResNetStem, VideoStem


def test_a_stem_a_pathway_each_a_quarter_of_the_size() -> None:
    stem = VideoStem([ResNetStem(3, 8, 1), ResNetStem(1, 2, 5)])
    slow, fast = stem([torch.rand(1, 3, 2, 32, 48), torch.rand(1, 1, 8, 32, 48)])
    assert slow.shape == (1, 8, 2, 8, 12)
    assert fast.shape == (1, 2, 8, 8, 12)
    assert list(dict(stem.named_parameters()))[:2] == [
        "pathway0_stem.conv.weight",
        "pathway0_stem.bn.weight",
    ]


def test_without_its_pool_half_the_size() -> None:
    stem = ResNetStem(3, 8, 1, pool=False)
    assert stem(torch.rand(1, 3, 2, 32, 48)).shape == (1, 8, 2, 16, 24)
