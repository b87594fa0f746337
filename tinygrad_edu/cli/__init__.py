"""The command `tinygrad-edu`. Begin with `commands.py`; `experiment.py` does the work, `report.py` shows it."""

from .commands import main

__all__ = ["main"]
