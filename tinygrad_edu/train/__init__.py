"""Training: `fit` and the history of a run; checkpoints, progress bars, and the predictor that the command saves."""

from .fit import evaluate, fit
from .history import DivergenceError, History, TrainingInterrupted
from .predictor import Predictor, load

__all__ = ["DivergenceError", "History", "Predictor", "TrainingInterrupted", "evaluate", "fit", "load"]
