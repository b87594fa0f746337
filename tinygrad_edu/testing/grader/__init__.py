"""The grader examines anybody's engine, concept by concept. Begin to read with `grade.py`."""

from .concepts import CONCEPTS, Concept
from .grade import examine, grade, grade_file, suite
from .grades import Grade, Location, Result

__all__ = ["CONCEPTS", "Concept", "Grade", "Location", "Result", "examine", "grade", "grade_file", "suite"]
