"""Training: `fit`, the history of a run, callbacks; checkpoints, progress bars, and the command's predictor."""

from .callbacks import ReduceOnPlateau
from .fit import evaluate, fit
from .history import DivergenceError, History, TrainingInterrupted
from .predictor import Predictor, load

__all__ = [
    "DivergenceError",
    "History",
    "Predictor",
    "ReduceOnPlateau",
    "TrainingInterrupted",
    "evaluate",
    "fit",
    "load",
]
