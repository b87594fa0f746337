"""The process that examines a file, apart from the one that grades it: `python -m tinygrad_edu.testing.grader`."""

import json
import os
import sys
from contextlib import suppress

from ._isolation import examine_and_tell

if __name__ == "__main__":
    examine_and_tell(json.loads(sys.argv[1]))
    with suppress(Exception):  # closed, or full
        sys.stdout.flush()
    os._exit(0)  # without waiting for threads that the file may have started
