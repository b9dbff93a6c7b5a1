"""Mirrors slowfast/viz/complexity_page.py."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from slowfast.viz.complexity_page import Point, Row, draw, figure_of, render


def test_cells_say_how_far_off_they_are() -> None:
    rows = [
        Row("One", "a", "x/a", {224: 5.2825}, {224: 4.9}, top1=51.7, top5=78.5, note="why"),
        Row("One", "b", "x/b", {224: 26.152}, {224: 26.2}),
        Row("Two", "c", "x/c", {224: 1.0}, map=19.0),
    ]
    page = render(rows, source="a paper", plot="plot.png")
    assert "| a | 4.9 | 5.3 | +7.8 % | 51.7 / 78.5 | `x/a`; why |" in page
    assert "| b | 26.2 | 26.2 | -0.2 % |  | `x/b` |" in page
    assert "| c |  | 1.0 |  | 19.0 | `x/c` |" in page
    assert "Of 2 printed figures 1 are met" in page
    assert "![Cost against accuracy](plot.png)" in page


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    slow, fused = Point("4x16", "Slow-only", 27.3, 72.6), Point("4x16", "SlowFast", 36.1, 75.6)
    path = tmp_path / "assets" / "plot.png"
    draw([slow, fused], [(slow, fused)], path)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_no_line_passes_through_what_a_fast_pathway_gains() -> None:
    """Costs and accuracies of the page's own plot."""
    slow = [Point("4x16", "Slow-only", 27.3, 72.6), Point("8x8", "Slow-only", 54.5, 74.8)]
    fused = [Point("4x16", "SlowFast", 36.1, 75.6), Point("8x8", "SlowFast", 65.7, 77.0)]
    rest = [Point("R101", "SlowFast", gflops, top1) for gflops, top1 in ((106, 77.9), (234, 79.8))]
    figure = figure_of([*slow, *fused, *rest], list(zip(slow, fused, strict=True)))
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    labels = {text.get_text(): text for text in axes.texts if text.get_text().startswith("+")}
    assert list(labels) == ["+3.0", "+2.2"]
    for label in labels.values():
        box = label.get_window_extent()
        for line in axes.lines:
            path = line.get_transform().transform_path(line.get_path())
            assert not path.intersects_bbox(box, filled=False)
