"""Report sections on the run itself: learning curves, data supply, data, bad samples, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import Any

from slowfast.engine.meters import WAIT_LIMIT
from slowfast.viz.page import Part, card, settings, table
from slowfast.viz.plots import Series, line_chart
from slowfast.viz.run_files import Record, RunFiles

MAX_BAD_ROWS = 50

# Shown without unfolding the whole config.
TELLING = (
    "MODEL.MODEL_NAME",
    "MODEL.ARCH",
    "MODEL.NUM_CLASSES",
    "DATA.NUM_FRAMES",
    "DATA.SAMPLING_RATE",
    "DATA.TARGET_FPS",
    "SLOWFAST.ALPHA",
    "SLOWFAST.BETA_INV",
    "DATA.TRAIN_CROP_SIZE",
    "DATA.TEST_CROP_SIZE",
    "TRAIN.BATCH_SIZE",
    "SOLVER.OPTIMIZING_METHOD",
    "SOLVER.BASE_LR",
    "SOLVER.LR_POLICY",
    "SOLVER.MAX_EPOCH",
    "SOLVER.WARMUP_EPOCHS",
    "SOLVER.WEIGHT_DECAY",
    "TRAIN.CHECKPOINT_FILE_PATH",
    "TRAIN.MIXED_PRECISION",
    "TEST.NUM_ENSEMBLE_VIEWS",
    "TEST.NUM_SPATIAL_CROPS",
    "TEST.CHECKPOINT_FILE_PATH",
    "DATA.ENSEMBLE_METHOD",
    "NUM_GPUS",
    "RNG_SEED",
)


def curves_part(run: RunFiles) -> Part:
    """Loss, errors or precision, and learning rate by epoch."""
    train, val = run.of_type("train_epoch"), run.of_type("val_epoch")
    loss = [_series("train", "c1", train, "loss"), _series("val", "c2", val, "loss")]
    error = [_series("train", "c1", train, "top1_err"), _series("val", "c2", val, "top1_err")]
    precision = [_series("val", "c2", val, "map")]
    fine = _series("lr", "c3", run.metrics, "lr", kind="train_iter")
    rate = fine if fine.points else _series("lr", "c3", train, "lr")
    charts = (
        ("Top-1 error, %", line_chart("Top-1 error", error, x_label="epoch", y_format=_short)),
        (
            "Validation mAP, %",
            line_chart("Validation mAP", precision, x_label="epoch", y_format=_short, y_top=100),
        ),
        ("Loss", line_chart("Loss", loss, x_label="epoch", y_format=_short)),
        ("Learning rate", line_chart("Learning rate", [rate], x_label="epoch", y_format=_rate)),
    )
    body = "".join(card(svg, title=title) for title, svg in charts)
    note = "Errors are those of one clip a video; the test takes all views of each."
    if run.setting("DETECTION.ENABLE"):
        note = "Validation sees the middle of each frame, the test all of it."
    elif precision[0].points:
        note = "Validation takes one clip a video; the test takes all views of each."
    return Part(
        "curves", "Learning curves", f'<div class="grid">{body}</div>' if body else "", note
    )


def supply_part(run: RunFiles) -> Part:
    """Throughput, and whether the input or the network was the limit."""
    epochs = run.of_type("train_epoch")
    timed = [e for e in epochs if e.get("seconds") and isinstance(e.get("data_wait"), int | float)]
    if not timed:
        return Part("supply", "Speed and data supply", "")
    total = sum(e["seconds"] for e in timed)
    wait = sum(e["seconds"] * e["data_wait"] for e in timed) / total
    limited = wait > WAIT_LIMIT
    if limited:
        workers = run.setting("DATA_LOADER.NUM_WORKERS")
        verdict = (
            f"The input was the limit: {wait:.0%} of the time the network waited for data. More "
            f"decoding processes (DATA_LOADER.NUM_WORKERS is {workers}), smaller or re-encoded "
            "files, or a faster disk would help."
        )
    else:
        verdict = f"The network was the limit: only {wait:.0%} of the time it waited for data."
    speed = [_series("clips/s", "c1", epochs, "clips_per_s")]
    waits = [Series("wait", "c2", [(e["epoch"], 100 * e["data_wait"]) for e in timed])]
    charts = card(
        line_chart("Clips a second", speed, x_label="epoch", y_format=_short),
        title="Clips a second in training",
    ) + card(
        line_chart("Waiting for data", waits, x_label="epoch", y_format=_percent, y_top=100),
        title="Share of time spent waiting for data",
    )
    css = "verdict bad" if limited else "verdict"
    body = card(f"<b>{escape(verdict)}</b>", css=css) + f'<div class="grid">{charts}</div>'
    return Part("supply", "Speed and data supply", body)


def data_part(run: RunFiles) -> Part:
    """What identifies the data of each split."""
    keys: list[str] = []
    splits = {name: each for name, each in run.data.items() if isinstance(each, Mapping)}
    for fingerprint in splits.values():
        keys += [key for key in fingerprint if key not in keys]
    rows: list[list[Any]] = [
        [key.replace("_", " "), *(each.get(key, "") for each in splits.values())] for key in keys
    ]
    rows += [[key, value] for key, value in run.data.items() if key not in splits]
    return Part(
        "data",
        "Data",
        card(table(["", *splits], [list(map(_cell, row)) for row in rows])),
        "Two runs whose hashes agree saw the same list of videos with the same labels.",
    )


def bad_part(run: RunFiles) -> Part:
    """What could not be read, and what the test left out: videos, or keyframes of them."""
    rows = [
        [_place(bad, "path"), bad.get("cause", ""), _replacement(bad)] for bad in run.bad_samples
    ]
    known = {row[0] for row in rows}
    left_out = [_left_out(entry) for entry in run.results.get("left_out") or []]
    rows += [row for row in left_out if row[0] not in known]
    what = samples_left_out([*run.bad_samples, *(run.results.get("left_out") or [])])
    shown = table([what[:-1].capitalize(), "Cause", "Replaced by"], rows[:MAX_BAD_ROWS])
    if len(rows) > MAX_BAD_ROWS:
        shown += f'<p class="note">and {len(rows) - MAX_BAD_ROWS} more in bad_samples.jsonl</p>'
    return Part("bad", f"{what.capitalize()} that could not be read ({len(rows)})", card(shown))


def samples_left_out(entries: Sequence[Any]) -> str:
    """What the entries are, in a word: videos, or keyframes of them."""
    of_keyframes = any(isinstance(entry, Mapping) and "second" in entry for entry in entries)
    return "keyframes" if of_keyframes else "videos"


def settings_part(run: RunFiles, changed: set[str]) -> Part:
    """The telling settings, and all of them to unfold."""
    flat = dict(_flatten(run.config))
    if not flat:
        return Part("settings", "Settings", "")
    telling = [key for key in TELLING if key in flat]
    telling += [key for key in sorted(changed) if key in flat and key not in telling]
    body = settings([(key, flat[key]) for key in telling], changed=changed) + (
        f"<details><summary>All {len(flat)} settings</summary>"
        f"{settings(flat.items(), changed=changed)}</details>"
    )
    intro = "Marked: not at the default." if changed else ""
    return Part("settings", "Settings", card(body), intro)


def _flatten(node: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in node.items():
        key = f"{prefix}{name}"
        found += _flatten(value, f"{key}.") if isinstance(value, Mapping) else [(key, value)]
    return found


def _series(
    name: str, colour: str, records: list[Record], key: str, *, kind: str | None = None
) -> Series:
    points = []
    for record in records:
        value, epoch = record.get(key), record.get("epoch")
        if not isinstance(value, int | float) or not isinstance(epoch, int | float):
            continue
        if kind is not None:
            if record.get("_type") != kind or not record.get("iters"):
                continue
            epoch = epoch - 1 + record.get("iter", 0) / record["iters"]
        points.append((float(epoch), float(value)))
    return Series(name, colour, points)


def _replacement(bad: Record) -> str:
    other = bad.get("replaced_by")
    return "left out" if other is None else f"{samples_left_out([bad])[:-1]} {other}"


def _left_out(entry: Any) -> list[str]:
    if isinstance(entry, Mapping):
        return [_place(entry, "video"), str(entry.get("cause", "")), "left out"]
    return [str(entry), "", "left out"]


def _place(entry: Mapping[str, Any], key: str) -> str:
    """The file, and the second of it if that is a keyframe."""
    path = str(entry.get(key, ""))
    return f"{path} at {entry['second']:g} s" if "second" in entry else path


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    if len(text) == 64 and text.isalnum():
        return f"{text[:16]}…"  # a sha256: enough to tell two apart
    return str(PurePath(text)) if "/" in text else text


def _short(value: float) -> str:
    return f"{value:.3g}"


def _rate(value: float) -> str:
    return f"{value:.2g}"


def _percent(value: float) -> str:
    return f"{value:.0f} %"
