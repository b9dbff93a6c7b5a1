"""Mirrors slowfast/models/lateral.py."""

from __future__ import annotations

import pytest
import torch

from slowfast.models.lateral import FUSIONS, FuseFastToSlow, Lateral


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
    with pytest.raises(ValueError, match=r"FUSION is 't-convv'.*did you mean 't-conv'"):
        Lateral(fusion="t-convv")
    with pytest.raises(ValueError, match="'ttoc-sum' adds ALPHA x 8 = 32 Fast channels to 64 Slow"):
        Lateral(alpha=4, fusion="ttoc-sum").connect(64, 8)


def numbered(channels: int, frames: int) -> torch.Tensor:
    """(1, channels, frames, 1, 1): channel c of frame t holds 10 c + t."""
    value = 10 * torch.arange(channels)[:, None] + torch.arange(frames)
    return value.float()[None, :, :, None, None]


def test_time_strided_sampling_takes_every_alpha_th_frame() -> None:
    fuse = Lateral(alpha=4, fusion="t-sample").connect(3, 2)
    fused, same = fuse([torch.zeros(1, 3, 2, 1, 1), fast := numbered(2, 8)])
    assert fused[0, 3:, :, 0, 0].tolist() == [[0, 4], [10, 14]]
    assert same is fast


@pytest.mark.parametrize("fusion", ["ttoc-concat", "ttoc-sum"])
def test_time_to_channel_packs_alpha_frames_into_one(fusion: str) -> None:
    fuse = Lateral(alpha=2, fusion=fusion).connect(4, 2)
    fused, _ = fuse([torch.zeros(1, 4, 3, 1, 1), numbered(2, 6)])
    packed = fused[0, -4:, :, 0, 0].tolist()
    assert packed == [[0, 2, 4], [1, 3, 5], [10, 12, 14], [11, 13, 15]]
    assert fused.shape[1] == (8 if fusion == "ttoc-concat" else 4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_channels_added_are_those_announced(fusion: str) -> None:
    lateral = Lateral(alpha=4, fusion=fusion)
    fused, _ = lateral.connect(32, 8)([torch.zeros(1, 32, 2, 4, 4), torch.zeros(1, 8, 8, 4, 4)])
    assert fused.shape == (1, 32 + lateral.dim_added(8), 2, 4, 4)


@pytest.mark.parametrize("fusion", ["t-conv", "t-sample", "ttoc-concat"])
def test_smaller_fast_frames_are_spread_over_the_slow_ones(fusion: str) -> None:
    fuse = Lateral(alpha=2, kernel=1, fusion=fusion).connect(4, 2).eval()
    fused, _ = fuse([torch.zeros(1, 4, 2, 6, 6), torch.rand(1, 2, 4, 3, 3)])
    added = fused[0, 4:]
    assert added.shape[-2:] == (6, 6)
    assert torch.equal(added[..., ::2, ::2], added[..., 1::2, 1::2])
