#!/usr/bin/env python3
"""Measure decoding, networks and training on this machine, as ratios in one run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout needs no installation

from slowfast.cli.benchmark import main

if __name__ == "__main__":
    sys.exit(main(program="benchmark.py"))
