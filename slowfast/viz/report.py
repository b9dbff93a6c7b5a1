"""Writes `report.html`: one file that shows a run, from what lies in its OUTPUT_DIR."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from slowfast.viz.page import Part, Tile, page, tiles
from slowfast.viz.report_boxes import boxes_part
from slowfast.viz.report_classes import class_part, confusion_part, num_classes
from slowfast.viz.report_labels import labels_part
from slowfast.viz.report_mistakes import mistakes_part
from slowfast.viz.report_precision import pr_part, precision_part
from slowfast.viz.report_run import (
    bad_part,
    curves_part,
    data_part,
    samples_left_out,
    settings_part,
    supply_part,
)
from slowfast.viz.run_files import EXPECTED, RunFiles, read_run


def write_report(
    output_dir: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    num_mistakes: int = 12,
    changed: Iterable[str] = (),
) -> Path:
    """Write ``report.html`` into the folder of a run; nothing in it is fetched from elsewhere.

    Files that are absent are named in the report, and the sections that need them left out.

    Args:
        output_dir: OUTPUT_DIR of the run.
        class_names: names in place of those in ``test_results.json``.
        num_mistakes: most confident mistakes to show as clips (REPORT.NUM_MISTAKES).
        changed: config keys to mark, those that are not at their default.

    Returns:
        Path of the report.

    Raises:
        ValueError: the folder is not that of a run, or there is not one name for each class.
    """
    run = read_run(Path(output_dir))
    names = _names(run, class_names)
    parts = [
        curves_part(run),
        confusion_part(run, names),
        class_part(run, names),
        precision_part(run),
        pr_part(run),
        mistakes_part(run, names, num_mistakes),
        labels_part(run, names, num_mistakes),
        boxes_part(run, num_mistakes),
        supply_part(run),
        data_part(run),
        bad_part(run),
        settings_part(run, set(changed)),
        _missing_part(run),
    ]
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    text = page(
        _title(run),
        str(run.folder.resolve()),
        tiles(_headline(run)),
        parts,
        f"Written by slowfast on {made}.",
    )
    path = run.folder / "report.html"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    # Bytes of a file name that are no text become \udc.., as in the log.
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(path)
    return path


def _names(run: RunFiles, given: Sequence[str] | None) -> list[str]:
    count = num_classes(run)
    found = [str(entry.get("name", i)) for i, entry in enumerate(run.results.get("per_class", []))]
    names = list(given) if given is not None else found or [str(i) for i in range(count)]
    if given is not None and count and len(names) != count:
        raise ValueError(
            f"report: expected a name for each of {count} classes, got {len(names)}; "
            "give as many as MODEL.NUM_CLASSES"
        )
    return names


def _title(run: RunFiles) -> str:
    network = run.setting("MODEL.MODEL_NAME") or run.model.get("name") or "Run"
    arch = run.setting("MODEL.ARCH") or run.model.get("arch") or ""
    if arch and arch.lower() != str(network).lower():
        network = f"{network} ({arch})"
    data = Path(str(run.setting("DATA.PATH_TO_DATA_DIR") or "")).name
    return f"{network} on {data}" if data else str(network)


def _headline(run: RunFiles) -> list[Tile]:
    results, model = run.results, run.model
    shown: list[Tile] = []
    for key, label in (("top1", "top-1 accuracy"), ("top5", "top-5 accuracy")):
        if isinstance(results.get(key), int | float):
            shown.append(Tile(f"{results[key]:.1f} %", label, lead=not shown))
    of_boxes = bool(run.setting("DETECTION.ENABLE"))
    precision = "frame-mAP at IoU 0.5" if of_boxes else "mAP"
    if isinstance(results.get("map"), int | float):
        shown.append(Tile(f"{results['map']:.1f} %", precision, lead=not shown))
    for key, label in (("num_boxes", "boxes judged"), ("num_keyframes", "test keyframes")):
        if key in results:
            shown.append(Tile(f"{results[key]:,}", label))
    if "num_videos" in results:
        shown.append(Tile(f"{results['num_videos']:,}", "test videos"))
    if "views_per_video" in results:
        each = "views of each box" if of_boxes else "views of each, counted once"
        shown.append(Tile(str(results["views_per_video"]), each))
    if left_out := results.get("left_out"):
        what = f"{samples_left_out(left_out)} left out, unreadable"
        shown.append(Tile(f"{len(left_out):,}", what))
    if not shown:
        errors = [r["top1_err"] for r in run.of_type("val_epoch") if "top1_err" in r]
        if errors:
            shown.append(Tile(f"{100 - min(errors):.1f} %", "best top-1 on val", lead=True))
        means = [
            r["map"] for r in run.of_type("val_epoch") if isinstance(r.get("map"), int | float)
        ]
        if means:
            shown.append(Tile(f"{max(means):.1f} %", f"best {precision} on val", lead=True))
    if "params" in model:
        shown.append(Tile(_count(model["params"]), "parameters"))
    if "gflops" in model:
        shown.append(Tile(f"{model['gflops']:.3g}", "GFLOPs a view"))
    seconds = sum(record.get("seconds") or 0 for record in run.of_type("train_epoch"))
    if seconds:
        shown.append(Tile(_duration(seconds), "training"))
    return shown


def _missing_part(run: RunFiles) -> Part:
    lines = "".join(
        f"<li><code>{name}</code> ({_plain(why)}): no {EXPECTED.get(name, 'mistakes')}</li>"
        for name, why in run.missing.items()
    )
    body = f'<div class="card warn"><ul>{lines}</ul></div>' if lines else ""
    return Part("missing", "What this report lacks", body)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _count(number: int) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{f'{number / size:#.3g}'.removesuffix('.')} {unit}"
    return str(number)


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
