#!/usr/bin/env python3
"""The main job in minutes: make the built-in data, train and test SlowFast and Slow-only on it."""

import sys

from slowfast.cli.demo import main

if __name__ == "__main__":
    sys.exit(main(program="demo.py"))
