"""Mirrors slowfast/models/roi_head.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from slowfast.log import LOGGER
from slowfast.models import create_model, example_boxes, example_input
from slowfast.models.heads import X3DHead
from slowfast.models.roi_head import RoIHead, RoIOptions, RoIPool

TINY = {"num_classes": 3, "crop_size": 64, "dropout": 0.0}


def boxes(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "x3d":
        return create_model("x3d_xs", **TINY, depth=0.5, detection=True)
    extra = {"stage_blocks": (1, 1, 1, 1), "width": 8}
    return create_model(
        f"{name}_r50_{'32x2' if name == 'slowfast' else '4x16'}_ava", **TINY, **extra
    )


SMALL = ("slow", "slowfast", "x3d")


def test_mean_over_time_then_bilinear_then_max_over_the_box() -> None:
    """On a ramp, the largest of 7x7 cells is the mean of the samples of the last one."""
    ramp = torch.arange(8.0).expand(1, 1, 2, 8, 8).clone()  # the column
    ramp[:, :, 1] += 2  # frames differ: their mean is the column + 1
    pool = RoIPool(RoIOptions(resolution=7, stride=16, aligned=True))
    got = pool(ramp, boxes((0, 16, 16, 128, 128)))
    # From 0.5 to 7.5, with the shift of a half: cells of width 1 centred at 1, 2, ... 7.
    torch.testing.assert_close(got, torch.tensor([[7.0 + 1]]))
    unaligned = RoIPool(RoIOptions(resolution=7, stride=16, aligned=False))
    # From 1 to 7: the last of seven cells of width 6 / 7 is centred at 1 + 6.5 * 6 / 7.
    got = unaligned(ramp, boxes((0, 16, 16, 112, 112)))
    torch.testing.assert_close(got, torch.tensor([[1 + 6.5 * 6 / 7 + 1]]))


def test_the_first_column_is_the_clip() -> None:
    x = torch.zeros(2, 1, 1, 4, 4)
    x[1] = 5
    got = RoIPool(RoIOptions())(x, boxes((1, 0, 0, 64, 64), (0, 0, 0, 64, 64), (1, 8, 8, 32, 32)))
    torch.testing.assert_close(got.flatten(), torch.tensor([5.0, 0.0, 5.0]))


def test_activation_in_training_too() -> None:
    head = RoIHead([2], 3, RoIOptions(), dropout=0.0, act="sigmoid").train()
    xs = [torch.randn(1, 2, 2, 4, 4)]
    rows = boxes((0, 0, 0, 64, 64))
    scores = head(xs, rows)
    torch.testing.assert_close(scores, head.projection(head.pool(xs[0], rows)).sigmoid())
    torch.testing.assert_close(scores, head.eval()(xs, rows))
    single_label = RoIHead([2], 3, RoIOptions(), dropout=0.0, act="softmax")
    torch.testing.assert_close(single_label(xs, rows).sum(1), torch.ones(1))


def test_pathways_with_other_numbers_of_frames_are_joined() -> None:
    head = RoIHead([2, 1], 3, RoIOptions(), dropout=0.0, act="none")
    xs = [torch.randn(1, 2, 2, 4, 4), torch.randn(1, 1, 8, 4, 4)]
    rows = boxes((0, 3, 5, 60, 64))
    pooled = torch.cat([head.pool(x, rows) for x in xs], dim=1)
    assert pooled.shape == (1, 3)
    torch.testing.assert_close(head(xs, rows), head.projection(pooled))


def test_detached_features_get_no_gradient() -> None:
    for make in (
        lambda detach: RoIHead([2], 3, RoIOptions(), detach=detach),
        lambda detach: X3DHead(2, 4, 5, 3, None, pool_boxes=RoIPool(RoIOptions()), detach=detach),
    ):
        for detach in (False, True):
            x = torch.randn(2, 2, 2, 4, 4, requires_grad=True)
            head = make(detach)
            head([x], boxes((0, 0, 0, 64, 64), (1, 0, 0, 64, 64))).sum().backward()
            assert (x.grad is None) == detach
            assert head.projection.weight.grad is not None


def test_weights_of_x3d_on_whole_clips_load() -> None:
    settings = {**TINY, "depth": 0.5}
    clips = create_model("x3d_xs", **settings)
    with_boxes = create_model("x3d_xs", **settings, detection=True)
    assert list(with_boxes.state_dict()) == list(clips.state_dict())
    with_boxes.load_state_dict(clips.state_dict())


@pytest.mark.parametrize("name", SMALL)
def test_step_and_no_boxes_at_all(name: str) -> None:
    net = small(name)
    clips = example_input(net, batch=2)
    for rows in (example_boxes(net, 2), torch.zeros(0, 5)):
        net.zero_grad()
        scores = net(clips, rows)
        assert scores.shape == (len(rows), 3)
        scores.sum().backward()
        assert net.head.projection.weight.grad is not None


@pytest.mark.parametrize(
    "name", ["slow", *(pytest.param(name, marks=pytest.mark.slow) for name in SMALL[1:])]
)
def test_compiles_exports_and_runs_in_half_precision(name: str) -> None:
    net = small(name).eval()
    clips, rows = example_input(net, batch=2), boxes((0, 4, 4, 50, 60), (1, 0, 0, 64, 64))
    with torch.inference_mode():
        expected = net(clips, rows)
        compiled = torch.compile(net, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(clips, rows), expected)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(net(clips, rows).float(), expected, rtol=0.1, atol=0.1)
    exported = torch.export.export(net, (clips, rows)).module()
    torch.testing.assert_close(exported(clips, rows), expected)
    net = net.bfloat16().to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        half = net([clip.bfloat16() for clip in clips], rows)
    torch.testing.assert_close(half.float(), expected, rtol=0.1, atol=0.1)


def test_boxes_that_cannot_be() -> None:
    net = small("slow")
    clips = example_input(net, batch=2)
    with pytest.raises(
        ValueError, match=r"classifies boxes: call net\(pathways, boxes\) .* \(M, 5"
    ):
        net(clips)
    with pytest.raises(ValueError, match=r"boxes: expected a float tensor .*, got \(2, 4\)"):
        net(clips, torch.zeros(2, 4))
    for index in (2, -1):
        with pytest.raises(ValueError, match=rf"from 0 to 1 in a batch of 2, got {index}"):
            net(clips, boxes((index, 0, 0, 64, 64)))
    for index in (0.5, float("nan")):
        with pytest.raises(ValueError, match=rf"index of the clip, .* got {index}"):
            net(clips, boxes((index, 0, 0, 64, 64)))
    for corner in (float("nan"), float("inf"), -1e9):
        with pytest.raises(ValueError, match=r"expected corners in pixels, got (nan|inf|-1e.09);"):
            net(clips, boxes((0, 0, corner, 64, 64)))
    with pytest.raises(ValueError, match=r"expected a float tensor .*, got list"):
        net(clips, [[0, 0, 0, 64, 64]])


def test_features_elsewhere_than_the_boxes_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(LOGGER, "warning", lambda text, *args: said.append(text % args))
    RoIOptions(stride=16).compare(16)
    assert not said
    RoIOptions(stride=16).compare(32)
    assert "SPATIAL_SCALE_FACTOR is 16, but the features of this network are 32 pixels" in said[0]


def test_example_boxes() -> None:
    assert example_boxes(create_model("x3d_xs")) is None
    net = small("slow")
    assert example_boxes(net, 2).tolist() == [[0, 0, 0, 64, 64], [1, 0, 0, 64, 64]]
    assert example_boxes(net, size=96).tolist() == [[0, 0, 0, 96, 96]]
