"""EMA: the running mean of the weights, which is evaluated in their place."""

from __future__ import annotations

from slowfast.config.schema import Key, Section

EMA = Section(
    "EMA",
    "A running mean of the weights over the steps (Polyak & Juditsky, 1992).",
    (
        Key(
            "ENABLE",
            False,
            "Keep it in the checkpoints, and validate, test, predict and convert with it; needs "
            "the memory of the weights once more. A run that starts from such a checkpoint "
            "(TRAIN.CHECKPOINT_FILE_PATH) takes the trained weights, not the mean.",
        ),
        Key(
            "DECAY",
            0.9999,
            "Share of the mean that stays after a step: it reaches about 1 / (1 - DECAY) steps "
            "back.",
            check=lambda value: 0 <= value < 1,
            rule="from 0 to below 1",
        ),
    ),
)
