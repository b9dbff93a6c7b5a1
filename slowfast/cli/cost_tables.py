"""The pages of `slowfast complexity --table`: what recipes cost, beside what was published."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from slowfast.config import load_cfg
from slowfast.models.build import build_model
from slowfast.models.complexity import Cost, count_cost
from slowfast.models.input_spec import example_input
from slowfast.viz.complexity_page import Point, Row, draw, render
from slowfast.viz.zoo_page import ZooRow, render_zoo

CONFIGS = Path("configs")
PAPER = CONFIGS / "paper" / "published.json"
ZOO = CONFIGS / "published.json"
CROPS = (224, 256)  # pixels; training and testing


def build_network(cfg_file: str | Path, opts: list[str] | None = None) -> torch.nn.Module:
    """The network of a recipe on the meta device, in eval mode: shapes without weights."""
    cfg = load_cfg(cfg_file, overrides=["NUM_GPUS", 1, *(opts or [])])
    with torch.device("meta"):
        return build_model(cfg).eval()


def cost_at(net: torch.nn.Module, crop: int) -> Cost:
    """Of one clip of `crop` pixels in height and width."""
    return count_cost(net, example_input(net, size=crop))


def write_paper(out: Path) -> None:
    """The tables of the SlowFast paper, and a plot of cost against accuracy beside the page.

    Raises:
        ValueError: the recipes are not here.
    """
    published = _read(PAPER)
    rows = [
        Row(
            table=table["title"],
            title=entry["title"],
            recipe=entry["recipe"],
            ours=_costs(PAPER.parent / f"{entry['recipe']}.yaml"),
            printed={int(crop): cost for crop, cost in entry["gflops"].items()},
            top1=entry.get("top1"),
            top5=entry.get("top5"),
            map=entry.get("map"),
            note=entry.get("note", ""),
        )
        for table in published["tables"]
        for entry in table["rows"]
    ]
    plot = out.parent / "assets" / "complexity.png"
    draw(*_plot_points(published["figure"]), plot)
    out.write_text(render(rows, source=published["source"], plot=os.path.relpath(plot, out.parent)))


def write_zoo(out: Path) -> None:
    """Every recipe with its cost, and where weights of it were published.

    Raises:
        ValueError: the recipes are not here.
    """
    published: dict[str, list[dict[str, Any]]] = {}
    for entry in _read(ZOO)["rows"]:
        published.setdefault(entry.pop("recipe"), []).append(entry)
    rows = []
    for path in sorted(CONFIGS.rglob("*.yaml")):
        name = path.relative_to(CONFIGS).with_suffix("").as_posix()
        if "_BASE_" not in path.parts and not name.startswith("paper/"):
            for entry in published.pop(name, [{}]):
                rows.append(_zoo_row(name, path, entry))
    assert not published, f"published figures without a recipe: {list(published)}"
    out.write_text(render_zoo(rows))


# Name of a table -> what writes its page, and where to.
TABLES: dict[str, tuple[Callable[[Path], None], Path]] = {
    "paper": (write_paper, Path("docs/complexity.md")),
    "zoo": (write_zoo, Path("MODEL_ZOO.md")),
}


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"{path} is not here: run this in a checkout of the project")
    return json.loads(path.read_text())


def _costs(recipe: Path) -> dict[int, float]:
    net = build_network(recipe)
    return {crop: cost_at(net, crop).gflops for crop in CROPS}


def _plot_points(figure: Any) -> tuple[list[Point], list[tuple[Point, Point]]]:
    """What `draw` takes: networks with published accuracy, and which gain by a Fast pathway."""
    points = {
        entry["recipe"]: Point(
            entry["label"],
            entry["family"],
            _costs(CONFIGS / f"{entry['recipe']}.yaml")[256],
            entry["top1"],
        )
        for entry in figure["points"]
    }
    return list(points.values()), [(points[slow], points[fast]) for slow, fast in figure["gains"]]


def _zoo_row(name: str, path: Path, entry: dict[str, Any]) -> ZooRow:
    cfg = load_cfg(path, overrides=["NUM_GPUS", 1])
    try:
        cost = cost_at(build_network(path), cfg.DATA.TEST_CROP_SIZE)
    except ValueError:  # a network of a later release: its recipe is listed all the same
        cost = None
    return ZooRow(
        recipe=name,
        frames=f"{cfg.DATA.NUM_FRAMES} x {cfg.DATA.SAMPLING_RATE}",
        crop=cfg.DATA.TEST_CROP_SIZE,
        cost=cost,
        by_map=cfg.DETECTION.ENABLE or cfg.DATA.MULTI_LABEL,
        **entry,
    )
