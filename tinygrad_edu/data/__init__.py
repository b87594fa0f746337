"""Data to learn from: tables and CSV files, bundled and made-up sets, preprocessing, splits and batches, and scores."""

from .metrics import ClassScores, accuracy, auc, class_scores, confusion_matrix, r2
from .preprocessing import Categories, Features, Standardizer, Target
from .sets import engel, line, moons, penguins, spiral
from .splits import batches, split
from .tables import Table, read_csv

__all__ = [
    "Categories",
    "ClassScores",
    "Features",
    "Standardizer",
    "Table",
    "Target",
    "accuracy",
    "auc",
    "batches",
    "class_scores",
    "confusion_matrix",
    "engel",
    "line",
    "moons",
    "penguins",
    "r2",
    "read_csv",
    "spiral",
    "split",
]
