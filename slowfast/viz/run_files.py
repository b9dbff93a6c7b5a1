"""What a run has left in its OUTPUT_DIR, read with patience: files may be absent or cut short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from slowfast.engine.pr_curves import NAME as CURVES

# File -> what a reader of the report misses without it.
EXPECTED = {
    "config.yaml": "settings",
    "model.json": "parameters and GFLOPs",
    "data.json": "data fingerprint",
    "metrics.jsonl": "learning curves and data supply",
    "test_results.json": "test figures, confusion matrix and classes",
    "predictions.jsonl": "mistakes",
}

Record = dict[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """Content of the files of a run; what is absent is empty and named in `missing`."""

    folder: Path
    config: Record = field(default_factory=dict)
    model: Record = field(default_factory=dict)
    data: Record = field(default_factory=dict)
    metrics: list[Record] = field(default_factory=list)
    results: Record = field(default_factory=dict)
    predictions: list[Record] = field(default_factory=list)
    curves: Record = field(default_factory=dict)
    bad_samples: list[Record] = field(default_factory=list)
    missing: Mapping[str, str] = field(default_factory=dict)  # file -> why

    def of_type(self, kind: str) -> list[Record]:
        """Records of `metrics.jsonl` of that ``_type``; a repeated epoch keeps its last one."""
        found = [record for record in self.metrics if record.get("_type") == kind]
        by_epoch = {record.get("epoch", i): record for i, record in enumerate(found)}
        return list(by_epoch.values())

    def setting(self, key: str, default: Any = None) -> Any:
        """Value of a dotted key of the config."""
        node: Any = self.config
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return default
            node = node[part]
        return node


def read_run(output_dir: str | Path) -> RunFiles:
    """Read all there is.

    Raises:
        ValueError: there is no such folder, or nothing of a run in it.
    """
    folder = Path(output_dir)
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected the OUTPUT_DIR of a run, found no folder")
    missing: dict[str, str] = {}
    config = _read(folder / "config.yaml", yaml.safe_load, missing)
    run = RunFiles(
        folder,
        config=config if isinstance(config, dict) else {},
        model=_mapping(folder / "model.json", missing),
        data=_mapping(folder / "data.json", missing),
        metrics=_lines(folder / "metrics.jsonl", missing),
        results=_mapping(folder / "test_results.json", missing),
        predictions=_lines(folder / str(_predictions_name(config)), missing),
        # Of tests that are judged by precision only; without it there are no such sections.
        curves=_mapping(folder / CURVES, {}),
        bad_samples=_lines(folder / "bad_samples.jsonl", {}),
        missing=missing,
    )
    if len(missing) == len(EXPECTED):
        raise ValueError(
            f"{folder}: expected the OUTPUT_DIR of a run, found none of {', '.join(EXPECTED)}"
        )
    return run


def _predictions_name(config: Any) -> str:
    """The file that TEST.PREDICTIONS names."""
    test = config.get("TEST") if isinstance(config, dict) else None
    name = test.get("PREDICTIONS") if isinstance(test, dict) else None
    return name or "predictions.jsonl"


def _read(path: Path, parse: Any, missing: dict[str, str]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing[path.name] = "not there"
    except (OSError, ValueError, yaml.YAMLError) as error:
        missing[path.name] = f"cannot be read: {str(error).splitlines()[0]}"
    return None


def _mapping(path: Path, missing: dict[str, str]) -> Record:
    content = _read(path, json.loads, missing)
    return content if isinstance(content, dict) else {}


def _lines(path: Path, missing: dict[str, str]) -> list[Record]:
    """JSON objects, one a line; a last line that a crash cut short is left out."""
    text = _read(path, str, missing)
    records = []
    for line in (text or "").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records
