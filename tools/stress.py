#!/usr/bin/env python3
"""Try what must hold whatever happens: odd and hostile files, disturbed training."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout needs no installation

from slowfast.cli.stress import main

if __name__ == "__main__":
    sys.exit(main(program="stress.py"))
