"""`gradcheck`: is a gradient right, and if not, where and why. `check.py` is the place to begin."""

from .check import GradientCheck, assert_gradients, gradcheck

__all__ = ["GradientCheck", "assert_gradients", "gradcheck"]
