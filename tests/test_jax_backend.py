"""Compiled functions that JAX runs, as a specification: the same results and errors as NumPy's, in either precision.

What a program in JAX computes is left to `test_printers.py`. JAX's own settings are the user's.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Value, compile, record

W = [Value(x, label=f"w[{i}]") for i, x in enumerate((0.5, -1.25))]
LINE = np.linspace(-1.0, 2.0, 7)


def neuron(x: Any, y: Any) -> Any:
    return tg.tanh(W[0] * x + W[1] * y) * y


ARGUMENTS: dict[str, tuple[Any, Any]] = {
    "numbers": (0.5, 2.0),
    "an array and a number": (LINE, 2.0),
    "two arrays": (LINE, LINE[::-1]),
    "a grid": (LINE[:, None], LINE),
    "no samples": (np.zeros(0), 1.0),
}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize(("dtype", "digits"), [("float64", 1e-12), ("float32", 1e-5)])
def test_values_and_gradients_are_those_of_numpy(name: str, dtype: Any, digits: float) -> None:
    arguments, theirs = ARGUMENTS[name], compile(neuron)
    ours = compile(neuron, backend="jax", dtype=dtype)
    value, slopes = ours.value_and_grad(*arguments)
    true_value, true_slopes = theirs.value_and_grad(*arguments)
    true = [true_value, true_value, *true_slopes]
    for got, expected in zip([ours(*arguments), value, *slopes], true, strict=True):
        np.testing.assert_allclose(got, expected, digits, digits)
        assert type(got) is type(expected)
        assert not np.size(got) or getattr(got, "dtype", dtype) == dtype
    gradients = []
    for compiled in (ours, theirs):
        for w in W:
            w.grad = 0.0
        compiled.backward(*arguments)
        gradients.append([w.grad for w in W])
    np.testing.assert_allclose(*gradients, digits, digits)


def test_results_may_be_written_to() -> None:
    y = compile(neuron, backend="jax")(LINE, 2.0)
    y[0] = 7.0
    assert y[0] == 7.0


def test_the_users_setting_stays_and_makes_no_difference() -> None:
    before = jax.config.jax_enable_x64
    for setting in (False, True):
        with jax.enable_x64(setting):
            third = compile(lambda x: x / 3.0, backend="jax")(1.0)
            assert third == 1.0 / 3.0
            assert compile(lambda x: x / 3.0, backend="jax", dtype="float32")(1.0) == np.float32(1.0) / np.float32(3.0)
            assert jax.config.jax_enable_x64 is setting
    assert jax.config.jax_enable_x64 is before


def test_arrays_of_jax_come_back_as_such() -> None:
    ours = compile(neuron, backend="jax")
    with jax.enable_x64(True):
        y = ours(jnp.asarray(LINE), 2.0)
        value, (dx, dy) = ours.value_and_grad(jnp.asarray(LINE), 2.0)
    assert isinstance(y, jax.Array)
    assert isinstance(value, jax.Array)
    assert isinstance(dx, jax.Array)
    assert type(dy) is float
    assert y.dtype == jnp.float64
    np.testing.assert_allclose(y, compile(neuron)(LINE, 2.0), 1e-12)
    assert type(ours(LINE, 2.0)) is np.ndarray


def test_a_program_is_a_function_of_jax() -> None:
    program = record(lambda x: tg.tanh(W[0] * x) * x, 1.0)
    with jax.enable_x64(True):
        w = jnp.array([W[0].data])
        slopes = jax.vmap(jax.jit(jax.grad(lambda x: program.jax(x, w)[0])))(jnp.asarray(LINE))
    _, (expected,) = compile(lambda x: tg.tanh(W[0] * x) * x).value_and_grad(LINE)
    np.testing.assert_allclose(slopes, expected, 1e-12)


@pytest.mark.parametrize(
    ("f", "bad", "error", "message"),
    [
        (tg.log, -1.0, ValueError, "log is not defined at -1.0"),
        (lambda x: 1.0 / x, 0.0, ZeroDivisionError, "division by zero"),
        (tg.exp, 1000.0, OverflowError, "exp is too large at 1000.0"),
    ],
)
def test_the_engine_says_what_is_not_defined(f: Callable[..., Value], bad: float, error: type, message: str) -> None:
    compiled = compile(f, backend="jax")
    with pytest.raises(error) as on_the_engine:
        f(Value(bad, label="x"))
    for argument, place in ((bad, ""), (np.array([1.0, 2.0, bad]), ", in sample 2")):
        with pytest.raises(error) as caught:
            compiled(argument)
        assert str(caught.value) == f"{on_the_engine.value}{place}"


def test_it_decorates_functions_and_methods() -> None:
    class Line:
        slope = Value(3.0)

        @compile(backend="jax")
        def at(self, x: Any) -> Any:
            return self.slope * x

    @compile(backend="jax", dtype="float32")
    def square(x: Any) -> Any:
        return x * x

    assert Line().at(2.0) == 6.0
    assert square(3.0) == 9.0
    assert (square.backend, square.dtype) == ("jax", "float32")
    assert compile(square, backend="jax", dtype="float32") is square
    assert compile(square).backend == "numpy"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "torch"}, "is 'numpy' or 'jax', not 'torch'"),
        ({"backend": "numpy", "dtype": "float32"}, "NumPy computes in 'float64'"),
        ({"backend": "jax", "dtype": "float16"}, "dtype 'float16' cannot be had"),
    ],
)
def test_what_cannot_be_had_is_told_before_the_first_call(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile(neuron, **options)
    with pytest.raises(ValueError, match=message):
        compile(**options)
