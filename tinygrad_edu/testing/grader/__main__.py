"""The process that examines a file, as `_isolation.py` starts it: `python -m tinygrad_edu.testing.grader`."""

import json
import os
import sys
from contextlib import suppress

from ._isolation import run_task

if __name__ == "__main__":
    run_task(json.loads(sys.argv[1]))
    with suppress(Exception):  # it is closed, or the disk is full
        sys.stdout.flush()
    os._exit(0)  # without waiting for threads that the file may have started
