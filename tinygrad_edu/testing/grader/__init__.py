"""`grade` examines anybody's engine, concept by concept. `grade.py` is the place to begin."""

from .grade import grade, grade_file

__all__ = ["grade", "grade_file"]
