"""SOLVER and MULTIGRID: optimizer, learning rate and the schedule of batch shapes."""

from __future__ import annotations

from slowfast.config.names import LR_POLICIES, OPTIMIZERS
from slowfast.config.schema import Key, Section, above, at_least, between, numbers

LEARNING_RATE = (
    Key("BASE_LR", 0.1, "Learning rate after warm-up.", at_least(0), "at least 0"),
    Key(
        "BASE_LR_SCALE_NUM_SHARDS",
        False,
        "Multiply BASE_LR, WARMUP_START_LR and COSINE_END_LR by NUM_SHARDS; loading does so and "
        "then sets this to False, so that a written config holds the rates in use.",
    ),
    Key("LR_POLICY", "cosine", "Course of the learning rate.", choices=LR_POLICIES),
    Key("MAX_EPOCH", 300, "Epochs to train.", at_least(1), "at least 1"),
    Key("COSINE_END_LR", 0.0, "Learning rate at the end of the cosine.",
        at_least(0), "at least 0"),
    Key("COSINE_AFTER_WARMUP", False, "Begin the cosine at the end of warm-up, not at epoch 0."),
    Key("STEPS", [], "Epochs at which each learning rate of LRS begins (steps_with_relative_lrs).",
        numbers(low=0), "a list of numbers from 0"),
    Key("LRS", [], "Learning rates from each of STEPS on, as factors of BASE_LR.",
        numbers(low=0), "a list of numbers from 0"),
    Key("STEP_SIZE", 1, "Epochs between two steps of public policies that no recipe uses.",
        at_least(1), "at least 1"),
    Key("GAMMA", 0.1, "Factor of such a step.", above(0), "above 0"),
    Key("WARMUP_EPOCHS", 0.0, "Epochs of linear warm-up.", at_least(0), "at least 0"),
    Key("WARMUP_START_LR", 0.01, "Learning rate that warm-up starts from.",
        at_least(0), "at least 0"),
    Key("WARMUP_FACTOR", 0.1, "Start of warm-up as a share of BASE_LR in older configs; "
        "WARMUP_START_LR is what counts.", at_least(0), "at least 0"),
)  # fmt: skip
OPTIMIZER = (
    Key("OPTIMIZING_METHOD", "sgd", "Optimizer.", choices=OPTIMIZERS),
    Key("MOMENTUM", 0.9, "Momentum of SGD.", between(0, 1), "from 0 to 1"),
    Key("DAMPENING", 0.0, "Dampening of SGD's momentum; Nesterov needs 0.",
        between(0, 1), "from 0 to 1"),
    Key("NESTEROV", True, "Nesterov momentum."),
    Key("BETAS", [0.9, 0.999], "Decay of Adam's two running means.",
        lambda value: numbers(2, low=0)(value) and max(value) < 1, "two numbers from 0 to below 1"),
    Key("WEIGHT_DECAY", 1e-4, "Weight decay; BN.WEIGHT_DECAY is that of normalisation layers.",
        at_least(0), "at least 0"),
    Key("ZERO_WD_1D_PARAM", False, "No weight decay on biases and other one-dimensional weights."),
    Key("LAYER_DECAY", 1.0, "Factor of the learning rate from a layer to the one below it.",
        lambda value: 0 < value <= 1, "above 0 and at most 1"),
    Key("LARS_ON", False, "Adapt the learning rate to each layer (1708.03888)."),
    Key("CLIP_GRAD_VAL", None, "Largest value of a gradient; None: no limit.",
        above(0), "above 0 or None", kinds=(float, type(None))),
    Key("CLIP_GRAD_L2NORM", None, "Largest norm of all gradients together; None: no limit.",
        above(0), "above 0 or None", kinds=(float, type(None))),
)  # fmt: skip
SOLVER = Section("SOLVER", "Optimizer and learning rate.", (*LEARNING_RATE, *OPTIMIZER))
MULTIGRID = Section(
    "MULTIGRID",
    "Batch shapes that change in training (1912.00998).",
    (
        Key("LONG_CYCLE", False, "Change the shape over the stages of training."),
        Key("SHORT_CYCLE", False, "Change the crop from iteration to iteration."),
        Key(
            "LONG_CYCLE_FACTORS",
            [[0.25, 0.5**0.5], [0.5, 0.5**0.5], [0.5, 1], [1, 1]],
            "Shapes of the long cycle: factors of frames and crop side.",
            check=lambda value: (
                len(value) > 0 and all(numbers(2, low=0)(row) and min(row) > 0 for row in value)
            ),
            rule="a list of [frames, crop] factors above 0",
        ),
        Key(
            "SHORT_CYCLE_FACTORS",
            [0.5, 0.5**0.5],
            "Crop sides of the short cycle besides the full one, as factors of it.",
            check=lambda value: numbers(low=0)(value) and 0 not in value,
            rule="a list of numbers above 0",
        ),
        Key("LONG_CYCLE_SAMPLING_RATE", 0, "SAMPLING_RATE of the shape at hand; set by the "
            "schedule.", at_least(0), "at least 0"),
        Key("EPOCH_FACTOR", 1.5, "Epochs relative to MAX_EPOCH.", above(0), "above 0"),
        Key("EVAL_FREQ", 3, "Validations in each shape of the long cycle.",
            at_least(1), "at least 1"),
        Key("BN_BASE_SIZE", 8, "Clips that share batch-norm statistics.",
            at_least(1), "at least 1"),
        Key("DEFAULT_B", 0, "Batch size of the recipe; set by the schedule.",
            at_least(0), "at least 0"),
        Key("DEFAULT_T", 0, "Frames of the recipe; set by the schedule.",
            at_least(0), "at least 0"),
        Key("DEFAULT_S", 0, "Crop side of the recipe, pixels; set by the schedule.",
            at_least(0), "at least 0"),
    ),
)  # fmt: skip
