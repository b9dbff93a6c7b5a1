"""Mirrors slowfast/viz/zoo_page.py."""

from __future__ import annotations

from slowfast.models import count_cost, create_model, example_input
from slowfast.viz.zoo_page import ZooRow, render_zoo


def test_a_recipe_with_and_without_weights() -> None:
    net = create_model("slow_r18_4x16", num_classes=5, crop_size=64).eval()
    cost = count_cost(net, example_input(net))
    rows = [
        ZooRow("K/A", "4 x 16", 64, cost, 72.4, 90.2, views="10 x 3", weights="https://x/a.pyth"),
        ZooRow("K/B", "8 x 8", 64, None),
        ZooRow(
            "AVA/C",
            "8 x 8",
            64,
            None,
            map=19.5,
            weights="https://x/c.pkl",
            note="v2.1",
            by_map=True,
        ),
        ZooRow("Motions/D", "4 x 4", 48, None, top1=99.3),
        ZooRow("Motions/E", "4 x 5", 72, None, map=98.5, by_map=True),
    ]
    page = render_zoo(rows)
    figures = f"{cost.params / 1e6:.2f} | {cost.gflops:.2f} at 64"
    assert (
        f"| [A](configs/K/A.yaml) | 4 x 16 | {figures} | 72.4 / 90.2 | 10 x 3 "
        "| [a.pyth](https://x/a.pyth) |" in page
    )
    assert "| [B](configs/K/B.yaml) | 8 x 8 |  |  |  |  |  |" in page
    assert "| 19.5 |  | [c.pkl](https://x/c.pkl); v2.1 |" in page
    assert "| published mAP, % |" in page
    assert "| measured top-1 / top-5, % or mAP, % |" in page
    assert "| 99.3 |" in page
    assert "| mAP 98.5 |" in page
    assert page.index("## K") < page.index("## AVA")
