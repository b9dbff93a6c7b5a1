"""MODEL_ZOO.md: every recipe with its cost, and the weights that were published for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slowfast.models.complexity import Cost


@dataclass(frozen=True)
class ZooRow:
    """A recipe, and one set of published weights if there are any."""

    recipe: str  # path below configs, without .yaml
    frames: str  # "T x sampling rate" of what is decoded
    crop: int  # pixels of a test view
    cost: Cost | None  # None: a network that this release does not build
    top1: float | None = None  # percent, as published; those of `HERE` as measured
    top5: float | None = None
    map: float | None = None
    views: str = ""  # "clips x crops" behind the published figure
    weights: str = ""  # address
    note: str = ""
    by_map: bool = False  # its task is judged by mAP


HERE = "Motions"  # recipes of the built-in data; nobody else publishes figures of it

HEADER = """# Model zoo

All recipes of `configs/`, with what a view costs (counted here, a multiply-add once, at the
recipe's test crop) and the accuracy and weights that were published for them by the authors of
PySlowFast and PyTorchVideo. The accuracies are theirs: this project checks that networks, weights
layouts, sampling and preprocessing are the same ([tests/parity](tests/parity)), and has not run
Kinetics. Only the figures of [Motions](#motions), the built-in data, were measured here. Some of
the addresses may be gone. The recipes of `configs/paper` are in
[docs/complexity.md](docs/complexity.md). This page is written by `slowfast complexity --table zoo`.

## Load weights

    curl -LO ADDRESS
    python tools/run_net.py --cfg configs/Kinetics/c2/SLOWFAST_8x8_R50.yaml \\
      TEST.CHECKPOINT_FILE_PATH SLOWFAST_8x8_R50.pkl DATA.PATH_TO_DATA_DIR lists NUM_GPUS 1

Files of PySlowFast (`.pyth`), Caffe2 (`.pkl`), PyTorchVideo and torchvision load as they are; the
log says which layout was found and what became of each tensor. `slowfast convert IN OUT` writes
the public layout, or `.safetensors`.

    slowfast predict --cfg configs/Kinetics/c2/SLOWFAST_8x8_R50.yaml \\
      --checkpoint SLOWFAST_8x8_R50.pkl video.mp4
"""


def render_zoo(rows: Sequence[ZooRow]) -> str:
    """The page as Markdown, a table for each folder of recipes."""
    parts = [HEADER]
    for folder in dict.fromkeys(row.recipe.rpartition("/")[0] for row in rows):
        own = [row for row in rows if row.recipe.rpartition("/")[0] == folder]
        parts += [f"## {folder}\n", _table(folder, own)]
    return "\n".join(parts)


def _table(folder: str, rows: Sequence[ZooRow]) -> str:
    figures = dict.fromkeys("mAP, %" if row.by_map else "top-1 / top-5, %" for row in rows)
    origin = "measured" if folder == HERE else "published"
    lines = [
        "| recipe | frames x rate | M parameters | GFLOPs | "
        f"{origin} {' or '.join(figures)} | views | weights |",
        "|---|---|--:|--:|---|---|---|",
    ]
    for row in rows:
        name = row.recipe.rpartition("/")[2]
        cost = ("", "") if row.cost is None else _cost(row.cost, row.crop)
        file = row.weights.rpartition("/")[2]
        weights = f"[{file if '.' in file else 'weights'}]({row.weights})"
        cells = [
            f"[{name}](configs/{row.recipe}.yaml)",
            row.frames,
            *cost,
            _accuracy(row, mixed=len(figures) > 1),
            row.views,
            "; ".join(filter(None, [weights if row.weights else "", row.note])),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cost(cost: Cost, crop: int) -> tuple[str, str]:
    digits = 1 if cost.gflops >= 10 else 2
    return f"{cost.params / 1e6:.2f}", f"{cost.gflops:.{digits}f} at {crop}"


def _accuracy(row: ZooRow, *, mixed: bool) -> str:
    if row.map is not None:
        return f"mAP {row.map:.1f}" if mixed else f"{row.map:.1f}"
    shown = [f"{value:.1f}" for value in (row.top1, row.top5) if value is not None]
    return " / ".join(shown)
