"""`gradcheck`: whether a gradient is right, and if not, where and why. Begin to read with `check.py`."""

from .check import assert_gradients, gradcheck
from .report import GradientCheck

__all__ = ["GradientCheck", "assert_gradients", "gradcheck"]
