"""Names of Caffe2 blobs, as the published SlowFast and non-local models have them.

The naming that is assumed, with S a stage 2 to 5, B a block from 0, L a branch letter:

=====================================  ==================================================
``conv1_w``                            convolution of the stem
``res_conv1_bn_*``                     its norm
``resS_B_branch1_w``, ``.._bn_*``      shortcut
``resS_B_branch2L_w``, ``.._bn_*``     convolution and norm L of the block
``nonlocal_convS_B_theta_w``, ``_b``   non-local block after block B: theta, phi, g, out
``nonlocal_convS_B_bn_*``              its norm
``t_pool1_subsample_w``, ``.._bn_*``   lateral connection after the stem
``t_resS_B_branch2c_bn_subsample_*``   lateral connection after stage S; B is its last block
``t_`` in front of the others          the Fast pathway
``pred_w``, ``pred_b``                 classifier; ``fc1000_w`` in ImageNet models
=====================================  ==================================================

A norm has ``_s`` (scale), ``_b`` (shift), ``_rm`` (running mean), ``_riv`` (running variance;
the name says inverse, the value is not). The state of the solver is no weight: ``lr``,
``model_iter``, ``epoch``, ``*_momentum``. A blob of any other name has no place in a network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from slowfast.engine.checkpoint.layouts.translated import Translated

_NORM = {"s": "weight", "b": "bias", "rm": "running_mean", "riv": "running_var"}
_CONV = {"w": "weight", "b": "bias"}
_NORM_END = r"_(?P<norm>s|b|rm|riv)"
_CONV_END = r"_(?P<conv>w|b)"
_BLOCK = r"(?P<fast>t_)?res(?P<stage>[2-5])_(?P<block>\d+)"
_RULES = tuple(
    (re.compile(pattern + "$"), name)
    for pattern, name in (
        (rf"(?P<fast>t_)?conv1{_CONV_END}", "s1.pathway{p}_stem.conv"),
        (rf"(?P<fast>t_)?res_conv1_bn{_NORM_END}", "s1.pathway{p}_stem.bn"),
        (rf"t_pool1_subsample_bn{_NORM_END}", "s1_fuse.bn"),
        (rf"t_pool1_subsample{_CONV_END}", "s1_fuse.conv_f2s"),
        (rf"t_res(?P<stage>[2-5])_\d+_branch2\w_bn_subsample_bn{_NORM_END}", "s{stage}_fuse.bn"),
        (rf"t_res(?P<stage>[2-5])_\d+_branch2\w_bn_subsample{_CONV_END}", "s{stage}_fuse.conv_f2s"),
        (rf"{_BLOCK}_branch1_bn{_NORM_END}", "s{stage}.pathway{p}_res{block}.branch1_bn"),
        (rf"{_BLOCK}_branch1{_CONV_END}", "s{stage}.pathway{p}_res{block}.branch1"),
        (
            rf"{_BLOCK}_branch2(?P<letter>[a-c])_bn{_NORM_END}",
            "s{stage}.pathway{p}_res{block}.branch2.{letter}_bn",
        ),
        (
            rf"{_BLOCK}_branch2(?P<letter>[a-c]){_CONV_END}",
            "s{stage}.pathway{p}_res{block}.branch2.{letter}",
        ),
        (
            rf"(?P<fast>t_)?nonlocal_conv(?P<stage>[2-5])_(?P<block>\d+)_bn{_NORM_END}",
            "s{stage}.pathway{p}_nonlocal{block}.bn",
        ),
        (
            rf"(?P<fast>t_)?nonlocal_conv(?P<stage>[2-5])_(?P<block>\d+)"
            rf"_(?P<part>theta|phi|g|out){_CONV_END}",
            "s{stage}.pathway{p}_nonlocal{block}.conv_{part}",
        ),
        (rf"(pred|fc1000){_CONV_END}", "head.projection"),
    )
)


_SOLVER = re.compile(r"lr|model_iter|epoch|.*_momentum")


def is_caffe2(state: Mapping[str, Tensor]) -> bool:
    return "conv1_w" in state and any(re.match(r"res2_0_branch2a_", name) for name in state)


def public_name(blob: str) -> str | None:
    """The public name of a blob; None: it is not a weight that networks have.

    >>> public_name("t_res3_2_branch2b_bn_riv")
    's3.pathway1_res2.branch2.b_bn.running_var'
    """
    for pattern, name in _RULES:
        match = pattern.match(blob)
        if match:
            parts = match.groupdict()
            end = _NORM[parts["norm"]] if "norm" in parts else _CONV[parts["conv"]]
            return name.format(p=1 if parts.get("fast") else 0, **parts) + f".{end}"
    return None


def translate(blobs: Mapping[str, Tensor]) -> Translated:
    """The classifier of some files is a 1x1x1 convolution, (K, C, 1, 1, 1); ours is linear.

    Blobs that no rule knows keep their names, so that they are reported as unused.
    """
    state: dict[str, Tensor] = {}
    others = []
    for blob, value in blobs.items():
        name = public_name(blob)
        if name == "head.projection.weight" and value.dim() > 2:
            value = value.flatten(1)
        if name is None and _SOLVER.fullmatch(blob):
            others.append(blob)
        else:
            state[name or blob] = value
    return Translated(state, "Caffe2", ignored=others)
