"""TENSORBOARD: curves; keys of public files for more, which report.html shows instead."""

from __future__ import annotations

from slowfast.config.schema import Key, Section, at_least, numbers, texts

FIGSIZE = "two numbers above 0"
LAYERS = "a list of layer names"


def _size(value: list[float]) -> bool:
    return numbers(2)(value) and min(value) > 0


def _classes_plot(name: str, doc: str, *more: Key) -> Section:
    """A plot of some or all classes."""
    return Section(
        f"TENSORBOARD.{name}",
        doc,
        (
            Key("ENABLE", False, "Draw it."),
            Key("FIGSIZE", [8, 8], "Width and height, inches.", _size, FIGSIZE),
            Key("SUBSET_PATH", "", "File with the classes to show, one a line; empty: all."),
            *more,
        ),
    )


TENSORBOARD = Section(
    "TENSORBOARD",
    "What is shown in TensorBoard.",
    (
        Key("ENABLE", False, "Write TensorBoard files."),
        Key("LOG_DIR", "", "Folder in OUTPUT_DIR for them; empty: named after the data set."),
        Key("CLASS_NAMES_PATH", "", "JSON {name: id} of the classes; empty: numbers are shown."),
        Key("CATEGORIES_PATH", "", "JSON {category: [class names]} for plots by category."),
        Key("PREDICTIONS_PATH", "", "Pickle of earlier predictions to show instead of running."),
    ),
)
CONFUSION_MATRIX = _classes_plot("CONFUSION_MATRIX", "Confusion matrix; report.html shows it.")
HISTOGRAM = _classes_plot(
    "HISTOGRAM",
    "Histogram of the predictions for each true class; rows of the matrix in report.html.",
    Key("TOPK", 10, "Most predicted classes to show.", at_least(1), "at least 1"),
)
MODEL_VIS = Section(
    "TENSORBOARD.MODEL_VIS",
    "Weights, activations and inputs of the network; not in this version.",
    (
        Key("ENABLE", False, "Show them."),
        Key("MODEL_WEIGHTS", False, "Show weights."),
        Key("ACTIVATIONS", False, "Show activations."),
        Key("INPUT_VIDEO", False, "Show input clips."),
        Key("LAYER_LIST", [], "Layers whose activations are shown.", texts, LAYERS),
        Key("TOPK_PREDS", 1, "Predictions written on a clip.", at_least(1), "at least 1"),
        Key("COLORMAP", "Pastel2", "Matplotlib's colour map for boxes and labels."),
    ),
)
GRAD_CAM = Section(
    "TENSORBOARD.MODEL_VIS.GRAD_CAM",
    "Where a prediction comes from in the clip (1610.02391).",
    (
        Key("ENABLE", True, "Show it, if MODEL_VIS is enabled."),
        Key("LAYER_LIST", [], "Layer to look at, one a pathway.", texts, LAYERS),
        Key("USE_TRUE_LABEL", False, "Explain the true class, not the predicted one."),
        Key("COLORMAP", "viridis", "Matplotlib's colour map."),
    ),
)
WRONG_PRED_VIS = Section(
    "TENSORBOARD.WRONG_PRED_VIS",
    "Videos that were classified wrongly; report.html shows them.",
    (
        Key("ENABLE", False, "Show them."),
        Key("TAG", "Incorrectly classified videos.", "Title in TensorBoard."),
        Key("SUBSET_PATH", "", "File with the classes to show, one a line; empty: all."),
    ),
)
