"""Mirrors slowfast/models/lateral.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.models.lateral import FuseFastToSlow, Lateral


@pytest.mark.parametrize(("alpha", "frames"), [(4, 8), (8, 4)])
def test_slow_gains_channels_and_fast_is_untouched(alpha: int, frames: int) -> None:
    fuse = FuseFastToSlow(8, Lateral(alpha, ratio=2, kernel=5))
    slow, fast = torch.zeros(2, 64, frames, 7, 7), torch.randn(2, 8, alpha * frames, 7, 7)
    fused, same = fuse([slow, fast])
    assert fused.shape == (2, 64 + 2 * 8, frames, 7, 7)
    assert torch.equal(fused[:, :64], slow)
    assert same is fast


@pytest.mark.parametrize(
    ("frame", "seen"), [(3, [0, 1, 0]), (4, [0, 1, 0]), (5, [0, 1, 0]), (6, [0, 0, 0])]
)
def test_slow_frame_t_sees_the_fast_frames_around_alpha_t(frame: int, seen: list[int]) -> None:
    """With alpha 4 and kernel 3, Slow frame 1 sees Fast frames 3 to 5; nobody sees frame 6."""
    fuse = FuseFastToSlow(1, Lateral(alpha=4, ratio=1, kernel=3)).eval()
    torch.nn.init.ones_(fuse.conv_f2s.weight)
    fast = torch.zeros(1, 1, 12, 1, 1)
    fast[0, 0, frame] = 1.0
    fused, _ = fuse([torch.zeros(1, 1, 3, 1, 1), fast])
    expected = torch.tensor(seen, dtype=torch.float32)
    torch.testing.assert_close(fused[0, 1].flatten(), expected, rtol=0, atol=1e-5)


def test_checkpoint_keys() -> None:
    """Published checkpoints depend on these names and on this order."""
    names = [name for name, _ in FuseFastToSlow(8, Lateral()).named_parameters()]
    assert names == ["conv_f2s.weight", "bn.weight", "bn.bias"]


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ValueError, match="FUSION_KERNEL_SZ is 4, but must be odd"):
        Lateral(kernel=4)
    with pytest.raises(ValueError, match=r"SLOWFAST\.ALPHA is 0"):
        Lateral(alpha=0)
