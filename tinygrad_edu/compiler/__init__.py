"""The compiler: a function of Values becomes an array program that can be read, differentiated, and run on arrays.

To read it, follow this order: `tape.py` (the scalar tape), `trace.py` (how a function gets there, with `_reach.py` and
`_advice.py`), `program.py` (the array program), `roll.py` (from one to the other, with `_sums.py`, `_leaves.py`,
`_layout.py` and `_loops.py`), `samples.py` (the axis of samples), `vjp.py` (gradients, with `_live.py` and `_tidy.py`),
`printers/` (text), `backends/` and `_runs.py` (what runs), `compiled.py` (the doors: `compile` and `record`).
"""

from .compiled import Compiled, Recorded, compile, record
from .tape import Node, Tape
from .trace import RecordingError

__all__ = ["Compiled", "Node", "Recorded", "RecordingError", "Tape", "compile", "record"]
