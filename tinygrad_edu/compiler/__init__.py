"""The compiler: a function of Values becomes an array program that can be read, differentiated, and run on arrays.

To read it, follow this order: `tape.py` (the scalar tape), `trace.py` (how a function gets there, with `reach.py` and
`advice.py`), `program.py` (the array program), `roll.py` (from one to the other, with `sums.py`, `leaves.py`,
`layout.py` and `loops.py`), `samples.py` (the axis of samples), `vjp.py` (gradients, with `live.py` and `tidy.py`),
`printers/` (text), `backends/` and `runs.py` (what runs), `compiled.py` (the doors: `compile` and `record`).
"""

from .compiled import Compiled, Recorded, compile, record
from .tape import Node, Tape
from .trace import RecordingError

__all__ = ["Compiled", "Node", "Recorded", "RecordingError", "Tape", "compile", "record"]
