"""Top level: machines, seed, output and log of a run."""

from __future__ import annotations

from slowfast.config.schema import Key, Section, above, at_least

RUN = Section(
    "",
    "What a run as a whole needs.",
    (
        Key(
            "NUM_GPUS",
            1,
            "GPUs of this machine to use, one process each; 0 runs on the CPU.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "NUM_SHARDS",
            1,
            "Machines that run together.",
            check=at_least(1),
            rule="at least 1",
        ),
        Key(
            "SHARD_ID",
            0,
            "Number of this machine among them, from 0.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "DIST_BACKEND",
            "nccl",
            "Backend of torch.distributed; on CPUs 'gloo' is used whatever this says.",
            choices=("nccl", "gloo", "mpi", "ucc"),
        ),
        Key(
            "DIST_TIMEOUT_MINUTES",
            30,
            "Minutes that a collective operation waits for the other processes before it fails.",
            check=above(0),
            rule="more than 0",
            kinds=(int, float),
        ),
        Key(
            "DIST_MAX_RESTARTS",
            3,
            "How often all processes are started again after one of them has failed; they go on "
            "from the newest checkpoint.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "RNG_SEED",
            1,
            "Seed of initial weights, sample order and augmentation.",
            check=at_least(0),
            rule="at least 0",
        ),
        Key(
            "OUTPUT_DIR",
            ".",
            "Folder of logs, checkpoints, predictions and the report.",
            check=lambda value: len(value) > 0,
            rule="a folder ('.' is the current one)",
        ),
        Key(
            "TASK",
            "",
            "What is learned, for self-supervised recipes ('ssl', 'ssl_eval...'); "
            "stands in front of checkpoint names.",
        ),
        Key("LOG_PERIOD", 10, "Iterations between two log lines.", at_least(1), "at least 1"),
        Key("LOG_MODEL_INFO", True, "Log the network, its parameters and its FLOPs at the start."),
    ),
)
BENCHMARK = Section(
    "BENCHMARK",
    "Read by the data-loading benchmark.",
    (
        Key("NUM_EPOCHS", 5, "Epochs to load.", at_least(1), "at least 1"),
        Key("LOG_PERIOD", 100, "Iterations between two log lines.", at_least(1), "at least 1"),
        Key("SHUFFLE", True, "Load in shuffled order, as in training."),
    ),
)
REPORT = Section(
    "REPORT",
    "The self-contained `report.html` that a run ends with.",
    (
        Key("ENABLE", True, "Write the report."),
        Key(
            "NUM_MISTAKES",
            12,
            "Most confident mistakes to show as animated clips.",
            check=at_least(0),
            rule="at least 0",
        ),
    ),
)
