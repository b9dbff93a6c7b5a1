"""The demo of the README, with the claim it makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import simplejson

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_slowfast_tells_the_rates_apart_and_slow_only_cannot(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "demo.py")]
    folders = ["--out", str(tmp_path / "demo"), "--data", str(tmp_path / "motions")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}  # as a new user has it
    done = subprocess.run(
        [*command, *folders], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    top1 = {}
    for name in ("slowfast_tiny", "slow_tiny"):
        run = tmp_path / "demo" / name / "seed0"
        results = simplejson.loads((run / "test_results.json").read_text())
        assert results["num_views"] == 240 * 30
        assert (run / "report.html").stat().st_size > 50_000
        top1[name] = results["top1"]
    # Means of three seeds are in the README; one seed is allowed to be a little off them.
    assert top1["slowfast_tiny"] >= 93
    assert top1["slow_tiny"] < 72
    assert (tmp_path / "demo" / "comparison.png").stat().st_size > 10_000
