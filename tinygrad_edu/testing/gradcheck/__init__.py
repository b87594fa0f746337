"""`gradcheck`: whether a gradient is right, and if not, where and why. Begin to read with `check.py`."""

from .check import GradientCheck, assert_gradients, gradcheck

__all__ = ["GradientCheck", "assert_gradients", "gradcheck"]
