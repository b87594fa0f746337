"""The exercises of lesson 6, build it yourself."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

from tinygrad_edu.teach.exercise import Exercise


def add_sine(rules: dict[str, Any], on_any_number: Callable[..., Any]) -> tuple[Any, Any]:
    """Each is the slope of the other, but for a sign."""
    sin, cos = on_any_number("sin", math.sin), on_any_number("cos", math.cos)
    rules["sin"] = (lambda a: sin(a), lambda y, a: (cos(a),))
    rules["cos"] = (lambda a: cos(a), lambda y, a: (-sin(a),))
    return sin, cos


def slopes(y: Any, a: Any, b: Any, log: Callable[[Any], Any] = math.log) -> tuple[Any, Any]:
    """∂y/∂a and ∂y/∂b of y = aᵇ = e^(b·log a)."""
    return b * y / a, y * log(a)


def _draw(rng: Random) -> tuple[float, float, float]:
    a, b = rng.uniform(0.5, 3), rng.uniform(-2, 2)
    return a**b, a, b


SIN, COS = math.sin(1.0), math.cos(1.0)

EXERCISES = (
    Exercise(
        "6.1",
        "sin and cos in the table",
        "derivatives",
        shows="two entries, each with the other in its slope, are enough for derivatives of every order: after four of "
        "them the sine is back.",
        hints=[
            "An entry is a value and a slope, as for tanh and exp. What is the slope of the sine?",
            "The slope of sin is cos, that of cos is −sin; in the table they are the functions `sin` and `cos` that "
            "also take Nodes, made by on_any_number.",
            'RULES["sin"] = (lambda a: sin(a), lambda y, a: (cos(a),)), and for cos (-sin(a),). Then four times: y = '
            "y.gradients(numbers=lambda node: node)[x], and y.data into the list.",
        ],
        code=add_sine,
        right=lambda: ([COS, -SIN, -COS, SIN],),
        mistakes=[
            (
                "the second one has the wrong sign: what is the derivative of the cosine?",
                lambda: ([COS, SIN, COS, SIN],),
            ),
            (
                "four derivatives are asked for, without the sine itself at the front.",
                lambda: ([SIN, COS, -SIN, -COS],),
            ),
        ],
    ),
    Exercise(
        "6.2",
        "the slopes of a power",
        "slopes",
        shows="the exponent is an input like any other. It gets an entry of its own, since for a plain exponent there "
        "must be no logarithm: (−2)² is 4, and log(−2) is not defined.",
        hints=[
            "A power is aᵇ = e^(b·log a). Differentiate that, once in a and once in b.",
            "In b it is e^(b·log a) times log a.",
            "In a it is b·aᵇ⁻¹, which is b·y/a; in b it is y·log(a). Return the two as a pair.",
        ],
        code=slopes,
        right=lambda: (slopes,),
        mistakes=[
            ("the exponent is a variable, too, so its slope is not 0.", lambda: (lambda y, a, b: (b * y / a, 0.0),)),
            (
                "these are right, in another order: first the one in a.",
                lambda: (lambda y, a, b: (y * math.log(a), b * y / a),),
            ),
        ],
        draw=_draw,
    ),
)
