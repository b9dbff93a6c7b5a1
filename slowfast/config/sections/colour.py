"""The keys of DATA that say what becomes of colours, in training and before the network."""

from __future__ import annotations

from slowfast.config.schema import Key, between, is_whole, numbers

PROBABILITY = "from 0 to 1"
COLOUR = (
    Key(
        "INPUT_CHANNEL_NUM",
        [3, 3],
        "Channels of the input, one entry a pathway.",
        check=lambda value: bool(value) and all(map(is_whole, value)),
        rule="a list of whole numbers from 1",
    ),
    Key(
        "MEAN",
        [0.45, 0.45, 0.45],
        "Subtracted from each channel, of pixels from 0 to 1.",
        check=lambda value: bool(value) and numbers()(value),
        rule="a list of numbers",
    ),
    Key(
        "STD",
        [0.225, 0.225, 0.225],
        "What each channel is divided by after that.",
        check=lambda value: bool(value) and numbers()(value) and min(value) > 0,
        rule="a list of numbers above 0",
    ),
    Key("REVERSE_INPUT_CHANNEL", False, "Turn RGB into BGR, as the last step."),
    Key(
        "TRAIN_PCA_EIGVAL",
        [0.225, 0.224, 0.229],
        "Eigenvalues of the lighting jitter.",
        check=numbers(3),
        rule="three numbers",
    ),
    Key(
        "TRAIN_PCA_EIGVEC",
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.814], [-0.5836, -0.6948, 0.4203]],
        "Eigenvectors of the lighting jitter.",
        check=lambda value: len(value) == 3 and all(numbers(3)(row) for row in value),
        rule="three lists of three numbers",
    ),
    Key(
        "COLOR_RND_GRAYSCALE",
        0.0,
        "Probability of a gray training clip.",
        check=between(0, 1),
        rule=PROBABILITY,
    ),
    Key(
        "TIME_DIFF_PROB",
        0.0,
        "Probability of replacing a training clip by the differences of its frames.",
        check=between(0, 1),
        rule=PROBABILITY,
    ),
)
SSL = (
    Key("SSL_COLOR_JITTER", False, "Colour augmentation of self-supervised training."),
    Key(
        "SSL_COLOR_BRI_CON_SAT",
        [0.4, 0.4, 0.4],
        "Its strength in brightness, contrast and saturation.",
        check=numbers(3, low=0),
        rule="three numbers from 0",
    ),
    Key("SSL_COLOR_HUE", 0.1, "Its strength in hue.", between(0, 0.5), "from 0 to 0.5"),
    Key(
        "SSL_MOCOV2_AUG",
        False,
        "Change colours of four fifths and blur half of the clips, as MoCo v2 does (2003.04297).",
    ),
    Key(
        "SSL_BLUR_SIGMA_MIN",
        [0.0, 0.1],
        "Least standard deviation of the blur in time and space, frames and pixels.",
        check=numbers(2, low=0),
        rule="two numbers from 0",
    ),
    Key(
        "SSL_BLUR_SIGMA_MAX",
        [0.0, 2.0],
        "Largest standard deviation of the blur in time and space, frames and pixels.",
        check=numbers(2, low=0),
        rule="two numbers from 0",
    ),
)
