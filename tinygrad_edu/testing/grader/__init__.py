"""`grade` examines anybody's engine, concept by concept. `grade.py` is the place to begin."""

from .concepts import CONCEPTS, Concept
from .grade import grade, grade_file, suite
from .grades import Grade, Place, Result

__all__ = ["CONCEPTS", "Concept", "Grade", "Place", "Result", "grade", "grade_file", "suite"]
