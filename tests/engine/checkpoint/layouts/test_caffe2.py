"""Mirrors slowfast/engine/checkpoint/layouts/caffe2.py."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from slowfast import create_model
from slowfast.engine.checkpoint.integrity import CheckpointError
from slowfast.engine.checkpoint.layouts.caffe2 import public_name
from slowfast.engine.checkpoint.load import load_weights
from slowfast.engine.checkpoint.state import read_checkpoint
from slowfast.models.zoo import example_input

Network = Callable[[str], nn.Module]
ENDS = {
    "norm": {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"},
    "conv": {"weight": "w", "bias": "b"},
}


def blob_name(key: str, keys: Iterable[str]) -> str:
    """The Caffe2 name of a public one, written down the other way round."""
    path, _, end = key.rpartition(".")
    stage, _, module = path.partition(".")
    kind = "norm" if module.endswith("bn") else "conv"
    if path == "head.projection":
        return f"pred_{ENDS[kind][end]}"
    if stage == "s1":
        pathway, part = re.fullmatch(r"pathway(\d)_stem\.(conv|bn)", module).groups()
        blob = {"conv": "conv1", "bn": "res_conv1_bn"}[part]
    elif stage.endswith("_fuse"):
        pathway, number = "1", int(stage[1])
        blocks = [k for k in keys if k.startswith(f"s{number}.pathway1_res")]
        last = max((int(k.split("_res")[1].split(".")[0]) for k in blocks), default=0)
        after = "pool1" if number == 1 else f"res{number}_{last}_branch2c_bn"
        blob = f"{after}_subsample" + ("_bn" if kind == "norm" else "")
    else:
        pathway, what, block, part = re.fullmatch(
            r"pathway(\d)_(res|nonlocal)(\d+)\.(.+)", module
        ).groups()
        between = "res" if what == "res" else "nonlocal_conv"
        part = part.replace("branch2.", "branch2").removeprefix("conv_")
        blob = f"{between}{stage[1]}_{block}_{part}"
    return ("t_" if pathway == "1" else "") + f"{blob}_{ENDS[kind][end]}"


@pytest.fixture
def network(lively: Callable[[nn.Module], nn.Module]) -> Network:
    """Makes a narrow network whose tensors are all different."""

    def make(name: str) -> nn.Module:
        return lively(create_model(name, num_classes=5, crop_size=32, width=16, adaptive_pool=True))

    return make


def blobs_of(net: nn.Module) -> dict[str, Tensor]:
    state = net.state_dict()
    weights = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    blobs = {blob_name(key, state): value for key, value in weights.items()}
    assert len(blobs) == len(weights)
    return blobs


@pytest.mark.parametrize(
    "name",
    [
        *("slow_r50_8x8", "i3d_nln_r50_8x8", "slowfast_nln_r50_4x16", "slow_r18_4x16"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                *("c2d_r50_8x8", "i3d_r50_8x8", "slowfast_r50_8x8", "slowfast_r101_8x8"),
                "slowfast_nln_r101_16x8",
            )
        ),
    ],
)
def test_every_tensor_of_a_network_has_a_blob(name: str, network: Network) -> None:
    net = network(name)
    target = create_model(name, num_classes=5, crop_size=32, width=16, adaptive_pool=True).eval()
    report = load_weights(target, blobs_of(net), source="a.pkl")
    assert report.complete
    assert report.layout == "Caffe2"
    assert not report.exact  # there is no state of an optimizer that would fit
    clips = example_input(net)
    with torch.inference_mode():
        scores = net(list(clips))
        assert scores.std() > 0.01
        assert torch.equal(target(list(clips)), scores)


def test_names_as_they_are_published() -> None:
    expected = {
        "conv1_w": "s1.pathway0_stem.conv.weight",
        "res_conv1_bn_riv": "s1.pathway0_stem.bn.running_var",
        "t_conv1_w": "s1.pathway1_stem.conv.weight",
        "t_res_conv1_bn_s": "s1.pathway1_stem.bn.weight",
        "t_pool1_subsample_w": "s1_fuse.conv_f2s.weight",
        "t_pool1_subsample_bn_rm": "s1_fuse.bn.running_mean",
        "t_res4_5_branch2c_bn_subsample_w": "s4_fuse.conv_f2s.weight",
        "t_res4_22_branch2c_bn_subsample_bn_b": "s4_fuse.bn.bias",
        "res2_0_branch1_w": "s2.pathway0_res0.branch1.weight",
        "res2_0_branch2a_w": "s2.pathway0_res0.branch2.a.weight",
        "res2_0_branch2a_bn_rm": "s2.pathway0_res0.branch2.a_bn.running_mean",
        "t_res5_2_branch2c_bn_b": "s5.pathway1_res2.branch2.c_bn.bias",
        "nonlocal_conv3_1_theta_w": "s3.pathway0_nonlocal1.conv_theta.weight",
        "nonlocal_conv4_5_bn_s": "s4.pathway0_nonlocal5.bn.weight",
        "pred_b": "head.projection.bias",
        "lr": None,
        "conv1_w_momentum": None,
        "model_iter": None,
    }
    assert {blob: public_name(blob) for blob in expected} == expected


def test_state_of_the_solver_is_put_aside_and_a_missing_weight_is_not(network: Network) -> None:
    net = network("slow_r50_8x8")
    blobs = blobs_of(net)
    extra = {"lr": torch.zeros(1), "conv1_w_momentum": torch.zeros(1)}
    target = network("slow_r50_8x8")
    report = load_weights(target, blobs | extra, source="a.pkl")
    assert report.ignored == list(extra)
    assert "converted from the names of Caffe2; 2 ignored (no weights): lr, conv1" in str(report)
    del blobs["res3_1_branch2b_w"]
    with pytest.raises(CheckpointError, match=r"s3\.pathway0_res1\.branch2\.b\.weight"):
        load_weights(target, blobs, source="a.pkl")


def test_a_classifier_that_was_a_convolution_is_flattened(network: Network) -> None:
    net = network("slow_r50_8x8")
    blobs = blobs_of(net)
    blobs["pred_w"] = blobs["pred_w"][:, :, None, None, None]
    target = network("slow_r50_8x8")
    load_weights(target, blobs, source="a.pkl")
    assert torch.equal(target.head.projection.weight, net.head.projection.weight)


def test_a_file_is_read_by_its_name_or_by_the_config(tmp_path: Path, network: Network) -> None:
    blobs = {name: value.numpy() for name, value in blobs_of(network("slow_r18_4x16")).items()}
    for name in ("a.pkl", "a.weights"):
        (tmp_path / name).write_bytes(pickle.dumps({"blobs": blobs}, 2))
        content = read_checkpoint(tmp_path / name, caffe2=name == "a.weights")
        assert load_weights(network("slow_r18_4x16"), content["model_state"], source=name).complete


def test_a_blob_that_has_no_place_is_an_error(network: Network) -> None:
    """One more stage, a misspelt name: only the solver's own entries are passed over."""
    blobs = blobs_of(network("slow_r18_4x16"))
    solver = dict.fromkeys(("lr", "model_iter", "epoch", "pred_w_momentum"), torch.zeros(1))
    assert load_weights(network("slow_r18_4x16"), blobs | solver, source="a.pkl").ignored
    for blob in ("res9_0_branch2a_w", "pred_w_average", "lr_w", "epochs"):
        with pytest.raises(CheckpointError, match=rf"1 unused \(not in the network\): {blob}"):
            load_weights(network("slow_r18_4x16"), blobs | {blob: torch.ones(1)}, source="a.pkl")


def test_a_classifier_of_another_shape_is_named(network: Network) -> None:
    blobs = blobs_of(network("slow_r18_4x16"))
    for value in (torch.tensor(1.0), torch.ones(3)):
        with pytest.raises(
            CheckpointError, match=r"head\.projection\.weight \(\((3,)?\) in the file"
        ):
            load_weights(network("slow_r18_4x16"), blobs | {"pred_w": value}, source="a.pkl")
