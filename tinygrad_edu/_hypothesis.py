"""What Hypothesis is told when it is imported: how to make a Value where a type hint asks for one.

Hypothesis finds `register` by the entry point in `pyproject.toml`, where this package is installed. The strategies are
left to `testing/strategies.py`, which is loaded with the first Value.
"""

from typing import Any

from .engine import Value


def register() -> None:
    """Registers a strategy for `Value`, so that `from_type`, `builds` and `@given(...)` with hints find it."""
    from hypothesis import strategies as st

    st.register_type_strategy(Value, _make_strategy)


def _make_strategy(_: type[Value]) -> Any:
    from .testing import strategies

    return strategies.values()
