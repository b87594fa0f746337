"""The compiler: a function of Values becomes an array program that can be read, differentiated, and run on arrays.

To read it, follow this order: `tape.py` (the scalar tape), `trace.py` (how a function gets there, with `_reach.py` and
`_advice.py`), `program.py` (the array program), `roll.py` (from one to the other, with `_sums.py`, `_leaves.py`,
`_layout.py` and `_loops.py`), `samples.py` (the axis of samples), `vjp.py` (gradients, with `_live.py` and `_tidy.py`),
`printers/` (text), `backends/` and `_runner.py` (how programs run), `compiled.py` (`compile` and `record`, with
`_structure.py`), `training.py` (`fit(compile=True)`, with `_join.py`, `_array_optimizer.py`, `_data_rows.py` and
`_snapshot.py`), `jax_training.py` (`fit(compile="jax")`, with `_pieces.py` and `jax_processes.py`). What needs NumPy is
loaded on first use: `gradcheck` and the grader need only tapes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .tape import Entry, Tape
from .trace import RecordingError

if TYPE_CHECKING:
    from .compiled import Compiled, Recorded, compile, record

__all__ = ["Compiled", "Entry", "Recorded", "RecordingError", "Tape", "compile", "record"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(".compiled", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
