"""tinygrad_edu: a scalar autograd engine to read in one sitting, see at work, trust, and grow out of.

    import tinygrad_edu as tg

To read the code, follow this order: `rules.py` and `ops.py` (what an operation is, and all of them), `engine.py` (Value
and `backward()`), `nn.py`, `optim.py`, `train/fit.py`. This file only lists the public names. To import it loads the
standard library only; the modules, and the functions that draw or compile, are loaded on first use.
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

    from . import data, losses, nn, optim, teach, testing, train
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
    "teach",
    "testing",
    "total",
    "trace",
    "train",
    "value_and_grad",
    "where",
]


_MODULES = ("data", "losses", "nn", "optim", "teach", "testing", "train")
_HOMES = {  # of the functions that are loaded on first use
    "compile": "compiler",
    "draw": "viz.graph",
    "draw_dot": "viz.graph",
    "explore": "viz.explorer",
    "load": "train",
    "record": "compiler",
    "trace": "viz.graph",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
