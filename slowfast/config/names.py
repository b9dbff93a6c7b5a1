"""The names a config may hold; config imports nothing of ours, so the tables are here."""

from __future__ import annotations

MODEL_NAMES = (
    "SlowFast",
    "ResNet",
    "ResNet_nopool",
    "X3D",
    "MViT",
    "MaskMViT",
    "ContrastiveModel",
    # Networks of the pytorchvideo recipes.
    "PTVSlowFast",
    "PTVResNet",
    "PTVX3D",
    "PTVMViT",
    "PTVCSN",
    "PTVR2plus1D",
)
ARCHS = (
    "slowfast",
    "slow",
    "fast",
    "c2d",
    "i3d",
    "2d",
    "slow_c2d",
    "slow_i3d",
    "x3d",
    "mvit",
    "maskmvit",
    "csn",
    "r2plus1d",
)


class AnyCase(tuple[str, ...]):
    """Names that may be written in capital letters."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


# "folder" and "csv" are for your own videos; docs/data.md has the formats of all.
DATASETS = AnyCase(
    (
        "kinetics",
        "folder",
        "csv",
        "ucf101",
        "hmdb51",
        "charades",
        "ssv2",
        "ava",
        "imagenet",
        "imagenetprefetch",
        "ptvkinetics",
        "ptvcharades",
        "ptvssv2",
    )
)
HEAD_ACTS = ("softmax", "sigmoid", "none")
LOSSES = (
    "cross_entropy",
    "soft_cross_entropy",
    "bce",
    "bce_logit",
    "mse",
    "multi_mse",
    "contrastive_loss",
)
NORM_TYPES = ("batchnorm", "sub_batchnorm", "sync_batchnorm", "sync_batchnorm_apex")
LR_POLICIES = ("cosine", "steps_with_relative_lrs")
OPTIMIZERS = ("sgd", "adam", "adamw", "mt_adamw")
ENSEMBLES = ("sum", "max")
# Families whose stages are set by RESNET and NONLOCAL, one entry a pathway.
RESNET_FAMILIES = (
    *("SlowFast", "ResNet", "ResNet_nopool"),
    *("PTVSlowFast", "PTVResNet", "PTVCSN", "PTVR2plus1D"),
)
