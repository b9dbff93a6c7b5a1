#!/usr/bin/env python3
"""Train and/or test, as the YAML says: python tools/run_net.py --cfg FILE [KEY VALUE ...]."""

import sys

from slowfast.cli.run import main

if __name__ == "__main__":
    sys.exit(main(program="run_net.py"))
