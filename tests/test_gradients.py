"""Gradients as values: `grad`, derivatives of any order, Jacobians and Hessians, held against 50-digit mathematics."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import MPContext

import tinygrad_edu as tg
from tinygrad_edu import Value, derivative, grad, hessian, hvp, jacobian, no_grad, value_and_grad
from tinygrad_edu.graph import topological_order
from tinygrad_edu.ops import CONSTANT

mp = MPContext()
mp.dps = 50


# ---- grad ------------------------------------------------------------------------------------------------------------
def test_one_x_gives_one_gradient_and_a_sequence_a_list() -> None:
    x, y = Value(2.0), Value(3.0)
    z = x * x * y
    assert grad(z, x) == 12.0
    assert type(grad(z, x)) is float
    assert grad(z, [x, y]) == [12.0, 4.0]
    assert grad(z, (y, x)) == [4.0, 12.0]
    assert grad(z, (v for v in (x, x))) == [12.0, 12.0]
    assert grad(z, []) == []


def test_with_create_graph_gradients_are_values() -> None:
    x, y = Value(2.0), Value(3.0)
    z = x * x * y
    in_x, in_y = grad(z, [x, y], create_graph=True)
    assert [type(g) for g in (in_x, in_y)] == [Value, Value]
    assert (in_x.data, in_y.data) == (12.0, 4.0)
    assert (grad(in_x, [x, y]), grad(in_y, [x, y])) == ([6.0, 4.0], [4.0, 0.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_it_touches_no_grad(create_graph: bool) -> None:
    x = Value(2.0)
    inner = x * x
    y = inner.exp() + 3.0
    for v in topological_order(y):
        v.grad = 7.0
    gradient = grad(y, [x, inner], create_graph=create_graph)  # type: ignore[call-overload]
    assert [v.grad for v in topological_order(y)] == [7.0] * len(topological_order(y))
    assert [g.data if create_graph else g for g in gradient] == [4 * math.exp(4), math.exp(4)]


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_x_may_be(create_graph: bool) -> None:
    x, unrelated, number = Value(3.0), Value(5.0), Value(4.0).detach()
    inner = x * x
    other = inner + x
    y = inner * other * number
    targets = {
        "a leaf": (x, 4 * (4 * 27.0 + 3 * 9.0)),  # y = 4·(x⁴ + x³)
        "an interior node": (other, 4 * 9.0),
        "one that another target depends on": (inner, 4 * (12.0 + 9.0)),
        "y itself": (y, 1.0),
        "what y does not depend on": (unrelated, 0.0),
        "what depends on y": (y * 2.0, 0.0),
        "a constant, which gets no gradient": (number, 0.0),
    }
    xs = [v for v, _ in targets.values()]
    gradients = grad(y, xs, create_graph=create_graph)  # type: ignore[call-overload]
    got = [g.data if create_graph else g for g in gradients]
    assert dict(zip(targets, got)) == {name: gradient for name, (_, gradient) in targets.items()}
    assert all(type(g) is (Value if create_graph else float) for g in gradients)


def test_y_may_be_a_leaf_or_a_constant() -> None:
    x, c = Value(3.0), Value(4.0).detach()
    assert (grad(x, x), grad(x, c), grad(c, x)) == (1.0, 0.0, 0.0)
    assert grad(grad(x, x, create_graph=True), x) == 0.0


@pytest.mark.parametrize(
    "arguments",
    [
        (3.0, Value(1.0)),
        (None, Value(1.0)),
        ([Value(1.0)], Value(1.0)),
        (Value(1.0), 3.0),
        (Value(1.0), None),
        (Value(1.0), [3.0]),
        (Value(1.0), [Value(1.0), None]),
        (Value(1.0), "x"),
    ],
)
def test_y_and_x_are_values(arguments: tuple[Any, Any]) -> None:
    """Not so much as a zero for what is no node, which would pass for a gradient."""
    y, x = arguments
    with pytest.raises(TypeError, match="Value"):
        grad(y, x)


def test_a_constant_gets_no_gradient_by_whatever_way() -> None:
    x, c = Value(3.0), Value(2.0).detach()
    for y in (x * c, x * (c * 1.0), x * c.exp(), c * c):
        assert grad(y, c) == 0.0


def test_under_no_grad_it_gives_constants() -> None:
    x = Value(2.0)
    y = x**3
    with no_grad():
        slope = grad(y, x, create_graph=True)
        assert grad(y, x) == 12.0
    assert (slope.data, slope._rule) == (12.0, CONSTANT)


def test_a_graph_of_gradients_goes_into_a_loss() -> None:
    """A penalty on the slope, as physics-informed models have it: ∂/∂w of (∂(w·x²)/∂x)² = 8·w·x²."""
    w, x = Value(3.0), Value(2.0)
    slope = grad(w * x**2, x, create_graph=True)
    (slope**2).backward()
    assert w.grad == 8 * 3.0 * 4.0
    assert x.grad == 8 * 9.0 * 2.0


def test_only_what_leads_to_x_is_differentiated() -> None:
    """The infinite slope of √0 is no concern of b's."""
    a, b = Value(0.0), Value(2.0)
    y = a.sqrt() + b * b
    assert grad(y, b) == 4.0
    assert grad(y, b, create_graph=True).data == 4.0
    with pytest.raises(ZeroDivisionError, match="the derivative of sqrt is infinite"):
        grad(y, [a, b])


# ---- derivatives of any order ----------------------------------------------------------------------------------------
# a function of one number, the same for 50 digits, and where to look at it
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
    "x⁵": (lambda x: x**5, lambda x: x**5, -1.5),
    "1/x": (lambda x: 1 / x, lambda x: 1 / x, -0.7),
    "√x": (lambda x: tg.sqrt(x), mp.sqrt, 2.0),
    "x^-1.5": (lambda x: x**-1.5, lambda x: x ** mp.mpf(-1.5), 2.0),
    "xˣ": (lambda x: x**x, lambda x: x**x, 1.3),
    "2ˣ": (lambda x: 2**x, lambda x: mp.mpf(2) ** x, 0.4),
    "eˣ": (lambda x: tg.exp(x), mp.exp, 0.4),
    "eˣ - 1": (lambda x: tg.expm1(x), mp.expm1, 0.4),
    "log x": (lambda x: tg.log(x), mp.log, 0.6),
    "log(1 + x)": (lambda x: tg.log1p(x), mp.log1p, 0.6),
    "sin x": (lambda x: tg.sin(x), mp.sin, 0.6),
    "cos x²": (lambda x: tg.cos(x * x), lambda x: mp.cos(x * x), 0.6),
    "tan x": (lambda x: tg.tan(x), mp.tan, 0.6),
    "asin x": (lambda x: tg.asin(x), mp.asin, 0.3),
    "acos x": (lambda x: tg.acos(x), mp.acos, 0.3),
    "atan x": (lambda x: tg.atan(x), mp.atan, 0.3),
    "sinh x · cosh x": (lambda x: tg.sinh(x) * tg.cosh(x), lambda x: mp.sinh(x) * mp.cosh(x), 0.3),
    "tanh x": (lambda x: tg.tanh(x), mp.tanh, 0.3),
    "σ(x)": (lambda x: tg.sigmoid(x), lambda x: 1 / (1 + mp.exp(-x)), -0.8),
    "softplus": (lambda x: tg.softplus(x), lambda x: mp.log1p(mp.exp(x)), -0.8),
    "silu": (lambda x: tg.silu(x), lambda x: x / (1 + mp.exp(-x)), -0.8),
    "gelu": (lambda x: tg.gelu(x), lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, -0.8),
    "elu": (lambda x: tg.elu(x), mp.expm1, -0.8),
    "softmax": (lambda x: tg.softmax([x, 1.0, -x])[0],
                lambda x: mp.exp(x) / (mp.exp(x) + mp.e + mp.exp(-x)), 0.3),
    "a bell": (lambda x: tg.exp(-x * x / 2), lambda x: mp.exp(-x * x / 2), 0.9),
    "a mixture": (lambda x: tg.logsumexp([x, x * x, 1.0]) * tg.dot([x, 2.0], [x, x]),
                  lambda x: mp.log(mp.exp(x) + mp.exp(x * x) + mp.e) * (x * x + 2 * x), 0.3),
}  # fmt: skip


@pytest.mark.parametrize("n", range(6))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_order_0_to_5(name: str, n: int) -> None:
    f, truth, x = FUNCTIONS[name]
    true = float(mp.diff(truth, mp.mpf(x), n))
    got = derivative(f, n)(x)
    assert type(got) is float
    assert got == pytest.approx(true, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("f", [lambda x: x**2, lambda x: x * x, lambda x: tg.prod([x, x])])
def test_derivatives_at_zero(f: Callable[[Value], Value]) -> None:
    assert [derivative(f, n)(0.0) for n in range(5)] == [0.0, 0.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize("zero", [0, 0.0, Value(0.0), Value(0.0).detach()])
def test_the_zeroth_power_is_flat_at_zero_too(zero: Any) -> None:
    """x⁰ is 1 for every x: all its derivatives in x are 0, also where the 0 in the exponent is itself a Value."""
    assert [derivative(lambda x: x**zero, n)(0.0) for n in range(4)] == [1.0, 0.0, 0.0, 0.0]


def test_a_derivative_is_a_function_to_be_differentiated() -> None:
    assert derivative(derivative(lambda x: x**4))(2.0) == 48.0
    assert derivative(derivative(derivative(tg.sin), 2))(0.3) == pytest.approx(math.sin(0.3), rel=1e-15)
    assert derivative(lambda x: x * derivative(tg.exp)(x))(1.0) == pytest.approx(2 * math.e, rel=1e-15)


def test_a_derivative_at_a_value_is_a_value_of_the_same_graph() -> None:
    a = Value(0.5)
    y = derivative(lambda x: x**3)(a * 2.0)
    assert (type(y), y.data) == (Value, 3.0)
    assert grad(y, a) == 12.0  # y = 3·(2a)²


def test_a_derivative_at_a_constant_is_no_less_a_derivative() -> None:
    y = derivative(lambda x: x**3)(Value(2.0).detach())
    assert (type(y), y.data) == (Value, 12.0)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (lambda f: derivative(f)(3.0), 6.0),
        (lambda f: derivative(f)(Value(3.0)).data, 6.0),
        (lambda f: value_and_grad(f)(3.0), (9.0, [6.0])),
        (lambda f: jacobian(lambda x: [f(x)])(3.0), [[6.0]]),
        (lambda f: hessian(f)(3.0), [[2.0]]),
        (lambda f: hvp(f, [1.0])(3.0), [2.0]),
    ],
)
def test_under_no_grad_a_derivative_is_right_all_the_same(transform: Callable[[Any], Any], expected: Any) -> None:
    """Not silently 0, because nothing was recorded."""
    with no_grad():
        assert transform(lambda x: x * x) == expected
        assert (Value(2.0) * 3.0)._prev == ()  # and afterwards nothing is recorded, as before


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        # d/dx of x · d(x + y)/dy at y = x, that is of x · 1
        (lambda x: x * derivative(lambda y: x + y)(x), 1.0, 1.0),
        # d/dx of d(x·y)/dy at y = x, that is of x
        (lambda x: derivative(lambda y: x * y)(x), 3.0, 1.0),
        # d/dx of d²(x·y²)/dy² at y = x, that is of 2x
        (lambda x: derivative(lambda y: x * y**2, 2)(x), 3.0, 2.0),
        # and at another point, where nothing can be mistaken
        (lambda x: derivative(lambda y: x * y)(2 * x), 3.0, 1.0),
    ],
)
def test_nested_derivatives_are_not_confused(f: Callable[[Value], Value], x: float, expected: float) -> None:
    """The inner derivative is in y alone, though y stands at x.

    Source: Siskind and Pearlmutter, Perturbation Confusion and Referential Transparency, 2005.
    """
    assert derivative(f)(x) == expected


@pytest.mark.parametrize("shift", [0.0, 1e3, -1e3, 1e10, -1e10, 1e17])
def test_the_slopes_of_logsumexp_are_shares_of_1_however_many_digits_its_value_has_lost(shift: float) -> None:
    xs = [Value(shift), Value(shift), Value(shift)]
    assert grad(tg.logsumexp(xs), xs) == pytest.approx([1 / 3] * 3, rel=1e-15)


# ---- functions of several numbers ------------------------------------------------------------------------------------
def rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def test_value_and_grad() -> None:
    assert value_and_grad(rosenbrock)(-1.0, 2.0) == (104.0, [396.0, 200.0])
    assert value_and_grad(lambda x: x)(3) == (3.0, [1.0])
    assert value_and_grad(lambda x, y: x)(3.0, 4.0) == (3.0, [1.0, 0.0])
    assert value_and_grad(lambda x: 5)(3.0) == (5.0, [0.0])
    assert value_and_grad(lambda: Value(5.0))() == (5.0, [])


def test_jacobian() -> None:
    f = lambda x, y, z: [x * y, tg.sin(z), 7.0, x]  # noqa: E731
    assert jacobian(f)(2.0, 3.0, 0.0) == [[3.0, 2.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert jacobian(lambda x: (x * k for k in range(3)))(1.0) == [[0.0], [1.0], [2.0]]
    assert jacobian(lambda x: [])(1.0) == []


def test_hessian() -> None:
    assert hessian(rosenbrock)(-1.0, 2.0) == [[402.0, 400.0], [400.0, 200.0]]
    assert hessian(lambda x, y: 3 * x)(1.0, 2.0) == [[0.0, 0.0], [0.0, 0.0]]
    assert hessian(lambda x: 5.0)(1.0) == [[0.0]]


def wavy(*xs: Any) -> Any:
    s = tg.dot(xs, [0.3 * i - 0.5 for i in range(len(xs))])
    return tg.tanh(s) * tg.logsumexp(xs) + tg.exp(tg.sin(xs[0]) * xs[-1]) + tg.prod(xs) + tg.softplus(s) ** 2


points = st.lists(st.floats(-2, 2), min_size=1, max_size=4)


@given(points)
def test_a_hessian_is_symmetric(xs: list[float]) -> None:
    H = hessian(wavy)(*xs)
    for i in range(len(xs)):
        assert H[i] == pytest.approx([row[i] for row in H], rel=1e-9, abs=1e-9)


@given(points, st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_hvp_is_the_hessian_times_the_vector(xs: list[float], v: list[float]) -> None:
    v = v[: len(xs)]
    product = [sum(h * vj for h, vj in zip(row, v)) for row in hessian(wavy)(*xs)]
    assert hvp(wavy, v)(*xs) == pytest.approx(product, rel=1e-9, abs=1e-9)


@given(points)
def test_a_hessian_is_the_jacobian_of_the_gradient(xs: list[float]) -> None:
    def gradient(*at: Value) -> list[Value]:
        return grad(wavy(*at), at, create_graph=True)

    assert jacobian(gradient)(*xs) == hessian(wavy)(*xs)


@given(points)
def test_gradients_are_those_of_backward(xs: list[float]) -> None:
    leaves = [Value(x) for x in xs]
    y = wavy(*leaves)
    y.backward()
    assert value_and_grad(wavy)(*xs) == (y.data, [leaf.grad for leaf in leaves])


# ---- bad input -------------------------------------------------------------------------------------------------------
# fmt: off
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: derivative(lambda x: (x, x))(1.0), TypeError, "must return one number, not tuple.*jacobian"),
    (lambda: derivative(lambda x: None)(1.0), TypeError, "must return one number, not NoneType"),
    (lambda: derivative(lambda x: "x")(1.0), TypeError, "must return one number, not str"),
    (lambda: derivative(lambda x: x, -1), ValueError, "order .* 0 or more, not -1"),
    (lambda: derivative(lambda x: x, 1.5), ValueError, r"order .* not 1\.5"),
    (lambda: derivative(tg.sin)("1"), TypeError, "str '1'"),
    (lambda: derivative(tg.log)(-1.0), ValueError, r"log is not defined at -1\.0"),
    (lambda: derivative(tg.sqrt)(0.0), ZeroDivisionError, "the derivative of sqrt is infinite"),
    (lambda: value_and_grad(lambda x: [x])(1.0), TypeError, "must return one number, not list"),
    (lambda: hessian(lambda x: [x])(1.0), TypeError, "must return one number, not list"),
    (lambda: hvp(lambda x: [x], [1.0])(1.0), TypeError, "must return one number, not list"),
    (lambda: hvp(lambda x, y: x * y, [1.0])(1.0, 2.0), ValueError, "1 numbers.* 2 arguments"),
    (lambda: hvp(lambda x, y: x * y, [1.0, "a"])(1.0, 2.0), TypeError, "str 'a'"),
    (lambda: jacobian(lambda x: x)(1.0), TypeError, "a sequence of numbers.*value_and_grad"),
    (lambda: jacobian(lambda x: 3.0)(1.0), TypeError, "a sequence of numbers"),
    (lambda: jacobian(lambda x: None)(1.0), TypeError, "sequence.* not NoneType"),
    (lambda: jacobian(lambda x: [x, "a"])(1.0), TypeError, "not str"),
    (lambda: jacobian(lambda x: [[x]])(1.0), TypeError, "not list"),
]
# fmt: on


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_under_no_grad_a_derivative_at_a_value_is_a_constant() -> None:
    v = Value(3.0)
    with tg.no_grad():
        d = derivative(lambda y: y**3)(v)
    (v * d).backward()
    assert (d.data, v.grad) == (27.0, 27.0)

    def f(x: Value) -> Value:
        with tg.no_grad():
            d = derivative(lambda y: x * y)(2.0)
        return x * d

    assert derivative(f)(3.0) == 3.0


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: derivative(lambda y: x * y)(2.0),
        lambda x: value_and_grad(lambda y: x * y)(2.0)[1][0],
        lambda x: value_and_grad(lambda y: x + 0.0 * y)(2.0)[0],
        lambda x: tg.jacobian(lambda y: [y, x * y])(2.0)[1][0],
        lambda x: hessian(lambda y: 0.5 * x * y * y)(2.0)[0][0],
        lambda x: hvp(lambda y: 0.5 * x * y * y, [1.0])(2.0)[0],
        lambda x: grad(x * x * 0.5, x, create_graph=True),
    ],
)
@pytest.mark.parametrize("outer", ["derivative", "value_and_grad", "jacobian", "hessian", "hvp"])
def test_all_functions_that_differentiate_can_be_nested(inner: Callable[[Any], Any], outer: str) -> None:
    """Each inner one is x, so that the whole is d/dx x² = 2x, or d²/dx² x² = 2."""

    def f(x: Any) -> Any:
        return x * inner(x)

    result = {
        "derivative": lambda: derivative(f)(3.0),
        "value_and_grad": lambda: value_and_grad(f)(3.0)[1][0],
        "jacobian": lambda: tg.jacobian(lambda x: [f(x)])(3.0)[0][0],
        "hessian": lambda: 3.0 * hessian(f)(3.0)[0][0],
        "hvp": lambda: hvp(f, [3.0])(3.0)[0],
    }[outer]()
    assert (result, type(result)) == (6.0, float)


def test_what_does_not_depend_on_the_outer_arguments_is_a_plain_number_inside_too() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(derivative(lambda y: y * y)(2.0))
        return x * seen[0]

    assert (derivative(f)(1.0), seen[0], type(seen[0])) == (4.0, 4.0, float)
