"""tinygrad_edu: a scalar autograd engine to read in one sitting, see at work, trust, and grow out of.

    import tinygrad_edu as tg

To read the code, follow this order: `rules.py` and `ops.py` (what an operation is, and all of them), `engine.py` (Value
and `backward()`), `nn.py`, `optim.py`, `train/fit.py`. This file only spells out the public names. It imports nothing
but the standard library; the modules, and what draws or compiles, are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engine import Value
from .functional import (
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    clamp,
    cos,
    cosh,
    define_op,
    dot,
    elu,
    erfc,
    exp,
    exp2,
    expm1,
    gelu,
    leaky_relu,
    log,
    log1p,
    log2,
    log10,
    log_softmax,
    logsumexp,
    maximum,
    mean,
    minimum,
    prod,
    relu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softmax,
    softplus,
    sqrt,
    step,
    take,
    tan,
    tanh,
    total,
    where,
)
from .gradients import derivative, grad, hessian, hvp, jacobian, value_and_grad
from .modes import no_grad

if TYPE_CHECKING:
    from tinygrad_edu.viz.explorer import explore
    from tinygrad_edu.viz.graph import draw, draw_dot, trace

    from . import data, losses, nn, optim, testing, train
    from .compiler import compile, record

__version__ = "0.1.0"

__all__ = [
    "Value",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "clamp",
    "compile",
    "cos",
    "cosh",
    "data",
    "define_op",
    "derivative",
    "dot",
    "draw",
    "draw_dot",
    "elu",
    "erfc",
    "exp",
    "exp2",
    "explore",
    "expm1",
    "gelu",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "leaky_relu",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logsumexp",
    "losses",
    "maximum",
    "mean",
    "minimum",
    "nn",
    "no_grad",
    "optim",
    "prod",
    "record",
    "relu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "sqrt",
    "step",
    "take",
    "tan",
    "tanh",
    "testing",
    "total",
    "trace",
    "train",
    "value_and_grad",
    "where",
]


def __getattr__(name: str) -> Any:
    if name in ("data", "losses", "nn", "optim", "testing", "train"):
        return import_module(f".{name}", __name__)
    if name in ("compile", "record"):
        return getattr(import_module(".compiler", __name__), name)
    if name == "load":
        return import_module(".train", __name__).load
    if name == "explore":
        return import_module(".viz.explorer", __name__).explore
    if name in ("draw", "draw_dot", "trace"):
        return getattr(import_module(".viz.graph", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
