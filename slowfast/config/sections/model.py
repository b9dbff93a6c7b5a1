"""MODEL and BN: which network, its head, its loss and its normalisation."""

from __future__ import annotations

from slowfast.config.names import ARCHS, HEAD_ACTS, LOSSES, MODEL_NAMES, NORM_TYPES
from slowfast.config.schema import Key, Section, at_least, between, texts

MODEL = Section(
    "MODEL",
    "The network as a whole.",
    (
        Key("MODEL_NAME", "SlowFast", "Family of the network.", choices=MODEL_NAMES),
        Key("ARCH", "slowfast", "Member of the family; sets the temporal kernels.", choices=ARCHS),
        Key(
            "SINGLE_PATHWAY_ARCH",
            ["2d", "c2d", "i3d", "slow", "x3d", "mvit", "maskmvit"],
            "Values of ARCH that take all frames in one pathway.",
            check=texts,
            rule="a list of names",
        ),
        Key(
            "MULTI_PATHWAY_ARCH",
            ["slowfast"],
            "Values of ARCH that take a Slow and a Fast pathway.",
            check=texts,
            rule="a list of names",
        ),
        Key("NUM_CLASSES", 400, "Classes of the last layer.", at_least(1), "at least 1"),
        Key("HEAD_ACT", "softmax", "Activation of the scores.", choices=HEAD_ACTS),
        Key("LOSS_FUNC", "cross_entropy", "Training loss.", choices=LOSSES),
        Key(
            "LABEL_SMOOTHING",
            0.0,
            "Share of the target given to all classes alike (cross_entropy).",
            check=lambda value: 0 <= value < 1,
            rule="from 0 to below 1",
        ),
        Key(
            "DROPOUT_RATE",
            0.5,
            "Probability of dropping a feature before the last layer.",
            check=lambda value: 0 <= value < 1,
            rule="from 0 to below 1",
        ),
        Key(
            "DROPCONNECT_RATE",
            0.0,
            "Probability of dropping a residual branch in public files; it changes nothing, here "
            "and there.",
            check=lambda value: 0 <= value < 1,
            rule="from 0 to below 1",
        ),
        Key("FC_INIT_STD", 0.01, "Standard deviation of the last layer's initial weights.",
            at_least(0), "at least 0"),
        Key(
            "DETACH_FINAL_FC",
            False,
            "Train the last layer only; batch-norm statistics below it still follow the data "
            "(FREEZE ['all but head'] keeps them).",
        ),
        Key(
            "FREEZE",
            [],
            "Parts whose weights are not trained and whose batch norms keep their statistics, "
            "named as in checkpoints: 's1' or 'blocks.0', or 'all but head'.",
            check=texts,
            rule="a list of names",
        ),
        Key("FROZEN_BN", False, "Keep batch-norm statistics as loaded; weights still learn."),
        Key("ACT_CHECKPOINT", False, "Recompute activations in the backward pass to save memory."),
        Key("FP16_ALLREDUCE", False, "Exchange gradients between processes in 16 bits."),
        Key("CHANNELS_LAST", False, "Keep features in channels_last_3d memory order."),
        Key("COMPILE", False, "Compile the network with torch.compile."),
    ),
)  # fmt: skip
BN = Section(
    "BN",
    "Batch normalisation.",
    (
        Key("NORM_TYPE", "batchnorm", "Kind of batch norm.", choices=NORM_TYPES),
        Key(
            "WEIGHT_DECAY",
            0.0,
            "Weight decay of normalisation layers.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "USE_PRECISE_STATS",
            False,
            "Average the statistics over training batches before validating or saving.",
        ),
        Key(
            "NUM_BATCHES_PRECISE",
            200,
            "Batches for USE_PRECISE_STATS.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "NUM_SPLITS",
            1,
            "Parts of a batch with statistics of their own (sub_batchnorm). Must divide the clips "
            "of a process.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "NUM_SYNC_DEVICES",
            1,
            "Processes that share statistics (sync_batchnorm): groups of consecutive ranks. Must "
            "divide the number of processes; one alone is plain batch norm.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key("GLOBAL_SYNC", False, "Share statistics among all processes of all machines."),
    ),
)
MIXUP = Section(
    "MIXUP",
    "Mixup and CutMix of training clips (1710.09412, 1905.04899).",
    (
        Key(
            "ENABLE",
            False,
            "Mix clips and their labels; MODEL.LOSS_FUNC soft_cross_entropy, or bce_logit where "
            "videos have several labels.",
        ),
        Key("ALPHA", 0.8, "Mixup's Beta parameter; 0: no mixup.", at_least(0), "at least 0"),
        Key("CUTMIX_ALPHA", 1.0, "CutMix's Beta parameter; 0: none.", at_least(0), "at least 0"),
        Key("PROB", 1.0, "Probability of mixing a batch.", between(0, 1), "from 0 to 1"),
        Key(
            "SWITCH_PROB",
            0.5,
            "Probability of CutMix rather than mixup when both are on.",
            check=between(0, 1),
            rule="from 0 to 1",
        ),
        Key(
            "LABEL_SMOOTH_VALUE",
            0.1,
            "Share of the soft target given to all classes alike.",
            check=between(0, 1),
            rule="from 0 to 1",
        ),
    ),
)
