#!/usr/bin/env python3
"""The main job in minutes: make the built-in data, train and test SlowFast and Slow-only on it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout needs no installation

from slowfast.cli.demo import main

if __name__ == "__main__":
    sys.exit(main(program="demo.py"))
