"""The compiler: a function of Values becomes plain data, a readable program, and runs without a graph.

To read it, follow this order: `tape.py` (the data), `trace.py` (how a function gets there), `passes.py` (from tape
to tape), `source.py` and `languages.py` (the text), `program.py`, `batch.py` and `training.py` (what runs it).
"""

from .program import Compiled, compile, record
from .tape import Node, Output, Tape
from .trace import RecordingError

__all__ = ["Compiled", "Node", "Output", "RecordingError", "Tape", "compile", "record"]
