"""TRAIN and TEST: what to run on which data, and from which weights."""

from __future__ import annotations

from slowfast.config.names import DATASETS
from slowfast.config.schema import Key, Section, at_least, is_whole, texts

CHECKPOINT_TYPES = ("pytorch", "caffe2")

TRAIN = Section(
    "TRAIN",
    "Training.",
    (
        Key("ENABLE", True, "Train."),
        Key("DATASET", "kinetics", "Format of the training and validation data.", choices=DATASETS),
        Key(
            "BATCH_SIZE",
            64,
            "Clips in a step on one machine, divided evenly among its NUM_GPUS; "
            "with NUM_SHARDS machines a step takes NUM_SHARDS times as many.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "GRAD_ACCUM_STEPS",
            1,
            "Parts that a process cuts its clips of a step into, one after the other, to save "
            "memory; the step and its learning rate stay the same. Batch norm takes the statistics "
            "of a part, and moves its running ones once for each.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key("EVAL_PERIOD", 10, "Epochs between two validations.", at_least(1), "at least 1"),
        Key("CHECKPOINT_PERIOD", 10, "Epochs between two checkpoints.", at_least(1), "at least 1"),
        Key(
            "CHECKPOINT_PERIOD_STEPS",
            0,
            "Also save every so many steps within an epoch; 0: at ends of epochs only.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "CHECKPOINT_FORMAT",
            "pyth",
            "'pyth': one file in the public layout, written by the first process; 'sharded': a "
            "folder of torch.distributed.checkpoint, to which every process writes its share.",
            choices=("pyth", "sharded"),
        ),
        Key(
            "CHECKPOINT_ASYNC",
            False,
            "Write checkpoints while training goes on; the state is copied first.",
        ),
        Key(
            "AUTO_RESUME",
            True,
            "Continue from the newest checkpoint in OUTPUT_DIR if any; False: begin anew at each "
            "start, also after a fault. Checkpoints beyond that are moved to "
            "checkpoints/set_aside.",
        ),
        Key(
            "CHECKPOINT_FILE_PATH",
            "",
            "Weights to start from, .pyth, .safetensors or Caffe2 .pkl; empty: random ones.",
        ),
        Key(
            "CHECKPOINT_TYPE",
            "pytorch",
            "Kind of CHECKPOINT_FILE_PATH, where the file itself does not tell.",
            choices=CHECKPOINT_TYPES,
        ),
        Key(
            "CHECKPOINT_INFLATE",
            False,
            "Inflate 2D weights: repeat them over time and divide by the kernel's length.",
        ),
        Key(
            "CHECKPOINT_IN_INIT",
            False,
            "Start from ImageNet weights, repeated over time and not divided.",
        ),
        Key(
            "CHECKPOINT_EPOCH_RESET",
            False,
            "Take the weights only and start at epoch 0, as for fine-tuning.",
        ),
        Key(
            "CHECKPOINT_CLEAR_NAME_PATTERN",
            [],
            "Text to cut out of the checkpoint's names, such as 'backbone.'.",
            check=texts,
            rule="a list of names",
        ),
        Key(
            "ALLOW_PARTIAL",
            False,
            "Initialise anew what a checkpoint lacks or holds in another shape, "
            "instead of stopping.",
        ),
        Key(
            "PARALLEL",
            "ddp",
            "How processes share a step: each with a copy of the network ('ddp'), or with a part "
            "of every tensor of it and of its optimizer ('fsdp'), for networks that do not fit.",
            choices=("ddp", "fsdp"),
        ),
        Key("MIXED_PRECISION", False, "Run forward passes in AMP_DTYPE."),
        Key(
            "AMP_DTYPE",
            "float16",
            "Number format of mixed precision; float16 scales the loss.",
            choices=("float16", "bfloat16"),
        ),
        Key(
            "KILL_LOSS_EXPLOSION_FACTOR",
            0.0,
            "Stop when the loss, the mean of all ranks, exceeds this many times its running mean "
            "(of about the last 100 steps); 0: never.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "ON_NONFINITE",
            "raise",
            "When the loss of any rank, or the gradients, are not finite: raise stops all ranks; "
            "skip leaves the step out on all of them, with weights, optimizer and batch-norm "
            "statistics as they were (under float16 the scaler skips gradients that overflow, "
            "which is not counted).",
            choices=("raise", "skip"),
        ),
        Key(
            "MAX_NONFINITE",
            10,
            "Steps that ON_NONFINITE skip leaves out in a run before it stops.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "ALLOW_BATCH_CHANGE",
            False,
            "Go on from a checkpoint of another global batch (BATCH_SIZE times machines), at the "
            "same share of the epoch.",
        ),
    ),
)
TEST = Section(
    "TEST",
    "Testing with several views of each video.",
    (
        Key("ENABLE", True, "Test, after training if that is enabled."),
        Key("DATASET", "kinetics", "Format of the test data.", choices=DATASETS),
        Key(
            "BATCH_SIZE",
            8,
            "Clips in a step on one machine, divided evenly among its NUM_GPUS.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "NUM_ENSEMBLE_VIEWS",
            10,
            "Clips of each video, spread evenly over its length.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "NUM_SPATIAL_CROPS",
            3,
            "Crops of each clip along its longer side: 3, or 1 for the centre.",
            check=lambda value: value in (1, 3),
            rule="1 or 3",
        ),
        Key(
            "NUM_TEMPORAL_CLIPS",
            [],
            "Numbers of clips to test one after the other; empty: NUM_ENSEMBLE_VIEWS only.",
            check=lambda value: all(map(is_whole, value)),
            rule="a list of whole numbers from 1",
        ),
        Key("CHECKPOINT_FILE_PATH", "", "Weights to test; empty: the newest of OUTPUT_DIR."),
        Key(
            "CHECKPOINT_TYPE",
            "pytorch",
            "Kind of CHECKPOINT_FILE_PATH, where the file itself does not tell.",
            choices=CHECKPOINT_TYPES,
        ),
        Key("MIXED_PRECISION", False, "Test in TRAIN.AMP_DTYPE."),
        Key(
            "PREDICTIONS",
            "predictions.jsonl",
            "File in OUTPUT_DIR with a line of scores for each test video; empty: none.",
        ),
        Key(
            "SAVE_RESULTS_PATH",
            "",
            "File in OUTPUT_DIR for scores and labels as the public pickle; empty: none.",
        ),
    ),
)
