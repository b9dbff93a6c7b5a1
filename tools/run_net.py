#!/usr/bin/env python3
"""Train and/or test, as the YAML says: python tools/run_net.py --cfg FILE [KEY VALUE ...]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout needs no installation

from slowfast.cli.run import main

if __name__ == "__main__":
    sys.exit(main(program="run_net.py"))
