"""The command `tinygrad-edu`: `commands.py` reads the command line, `job.py` does the work, `report.py` shows it."""

from .commands import main

__all__ = ["main"]
