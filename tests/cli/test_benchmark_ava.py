"""Mirrors slowfast/cli/benchmark_ava.py."""

from __future__ import annotations

import pytest
import simplejson

from slowfast.cli.benchmark import main


def test_reading_and_evaluating_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ava-eval", "--boxes", "30", "--repeats", "2"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("\n") == 3
    assert main([*words, "--json"]) == 0
    rows = simplejson.loads(capsys.readouterr().out)["rows"]
    assert [(row["what"], row["rows"]) for row in rows] == [
        ("read detections", 2400), ("read and evaluate", 2400)
    ]  # fmt: skip
    assert all(row["seconds"] >= 0 for row in rows)
