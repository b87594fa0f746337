"""Optimizers, which move parameters downhill along their gradients, and learning-rate schedules.

The training loop is PyTorch's: `optimizer.zero_grad(); loss.backward(); optimizer.step()`. What all optimizers share is
done by `Optimizer`; each one states only its formula for one parameter, in the letters of the textbooks: θ is the
parameter, g = ∇L its gradient, η the learning rate. The formula uses arithmetic alone, so that it holds for arrays of
all parameters as well: compiled training computes with these. Defaults, names and formulas are those of PyTorch's
documentation, https://docs.pytorch.org/docs/stable/optim.html. A schedule is a function from the number of updates made
so far to a learning rate, and can stand wherever a learning rate can. When to step is left to `train/fit.py`, what
happens on arrays to `compiler/`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import starmap
from typing import Any, ClassVar

from ._validate import require_names, to_float
from .engine import Value
from .errors import described, shown
from .ops import LEAF
from .rules import Number

Schedule = Callable[[int], float]  # the number of updates made so far -> the learning rate of the next one
Parameters = Iterable[Value | tuple[str, Value]]
State = tuple[Number, ...]  # what an optimizer remembers of a parameter: a number for each of its `buffers`
Changes = Sequence[tuple[object, str, object]]  # objects, each with the name of an attribute and what it is to be


class Optimizer:
    """What optimizers share; one of your own states its `update`, and in `buffers` the names of what it remembers.

    `params` are n Values, or n pairs of a name and a Value as `model.named_parameters()` gives them; without a name a
    parameter goes by its label. `lr` is a learning rate or a schedule; `weight_decay` is the λ of a term ½λθ² in the
    loss; `steps` counts the calls of `step()`; `states` is what is remembered of each parameter. Raises `ValueError`
    for no parameters, for one that is given twice or is computed from others, and for numbers out of range, `TypeError`
    for what is no Value.

    An `update` of arithmetic alone, with `s**0.5` for a root, serves numbers and arrays of them. One that looks at its
    numbers, or calls functions of `math`, as this one does, is run for one parameter at a time.

    >>> class SignDescent(Optimizer):
    ...     def update(self, θ, g, η, state):
    ...         return θ - η * math.copysign(1.0, g), state
    >>> w = Value(3.0)
    >>> (w * w).backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    2.5
    """

    buffers: ClassVar[tuple[str, ...]] = ()  # each is one number a parameter, 0 at first
    nonnegative: ClassVar[tuple[str, ...]] = ()  # those of them that are never below 0

    def __init__(self, params: Parameters, lr: float | Schedule, weight_decay: float = 0.0) -> None:
        self.params, self._names = _named(params)
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter, but the list is empty")
        self.lr = lr
        self.weight_decay = _within("[0, ∞)", "weight_decay", weight_decay)
        self.steps = 0
        self.states: list[State] = [(0.0,) * len(self.buffers)] * len(self.params)

    @property
    def lr(self) -> float:
        """The learning rate of the next update. Set it, to a number or a schedule, to change it."""
        return _within("[0, ∞)", f"the learning rate of update {self.steps}", self.schedule(self.steps))

    @lr.setter
    def lr(self, lr: float | Schedule) -> None:
        self.schedule = lr if callable(lr) else constant(lr)

    def zero_grad(self) -> None:
        """Sets every gradient to 0, as `backward()` adds to what is there."""
        for p in self.params:
            p.grad = 0.0

    def step(self) -> None:
        """Updates every parameter from its gradient: all of them or, when an error is raised, none.

        A parameter whose gradient is None stays as it is, and so does what is remembered of it: neither momentum nor
        weight decay moves it. Raises `FloatingPointError`, naming the parameter, where a gradient or what it would lead
        to is inf or nan; `TypeError` where a parameter or a gradient has been set to what is no number.
        """
        η, changes, states = self.lr, [], []
        try:
            for i, (p, state) in enumerate(zip(self.params, self.states)):
                if p.grad is not None:
                    g = to_float(p.grad)
                    if not math.isfinite(g):
                        raise self._not_finite("gradient", i, g)
                    θ, state = self.moved(to_float(p.data), g, η, state)
                    for x in (θ, *state):
                        if not math.isfinite(x):
                            raise self._not_finite("update", i, x)
                    changes.append(
                        (p, "data", float(θ))
                    )  # a plain number, also of an update that computes with NumPy's
                    state = tuple(map(float, state))
                states.append(state)
        except (TypeError, OverflowError):
            _gradients(self.params, self._names)  # say which one it is
            for i, p in enumerate(self.params):
                to_float(p.data, _called(i, self._names))
            raise
        set_together([*changes, (self, "states", states), (self, "steps", self.steps + 1)])

    def moved(self, θ: Number, g: Number, η: float, state: State) -> tuple[Number, State]:
        """Weight decay and formula: where a step leads from a parameter, its gradient, and what is remembered of it.

        These are numbers; or arrays of n numbers for n parameters, and the answer is arrays.
        """
        θ, g = self.decay(θ, g, η)
        return self.update(θ, g, η, state)

    def decay(self, θ: Number, g: Number, η: float) -> tuple[Number, Number]:
        """The weight decay: parameter and gradient as the formula is to see them."""
        return θ, g + self.weight_decay * θ

    def update(self, θ: Number, g: Number, η: float, state: State) -> tuple[Number, State]:
        """The formula: the new parameter, and the new state, one number for each of `buffers`."""
        raise NotImplementedError(f"{type(self).__name__} must define update(self, θ, g, η, state)")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside the parameters and the arguments that the optimizer was made with.

        It is plain data, for JSON: the optimizer's name, the number of steps, and for each buffer a dict of n numbers
        by the names of the parameters; where a parameter has no name, or two have the same, by their places.

        >>> SGD([("w", Value(1.0)), ("b", Value(2.0))], momentum=0.9).state_dict()
        {'optimizer': 'SGD', 'steps': 0, 'buffers': {'v': {'w': 0.0, 'b': 0.0}}}
        """
        columns = {
            buffer: {key: state[i] for key, state in zip(self._keys(), self.states)}
            for i, buffer in enumerate(self.buffers)
        }
        return {"optimizer": type(self).__name__, "steps": self.steps, "buffers": columns}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a `state_dict()`, bit for bit, in whatever order the parameters were then.

        Raises `ValueError`, and changes nothing, if it does not fit.
        """
        expected, keys = self.state_dict(), self._keys()
        if not isinstance(state_dict, dict) or state_dict.keys() != expected.keys():
            raise ValueError(f"the state of an optimizer is a dict of {', '.join(expected)}, as state_dict() makes it")
        name, steps, columns = (state_dict[key] for key in expected)
        if name != expected["optimizer"]:
            raise ValueError(f"the state is that of the optimizer {shown(name)}, not of {expected['optimizer']!r}")
        if type(steps) is not int or steps < 0:
            raise ValueError(f"the steps of an optimizer's state must be 0, 1, 2, …, not {shown(steps)}")
        if not isinstance(columns, dict) or columns.keys() != set(self.buffers):
            raise ValueError(f"the buffers of {name} must be a dict of {', '.join(self.buffers) or 'nothing'}")
        for buffer, numbers in columns.items():
            if not isinstance(numbers, dict):
                raise ValueError(f"buffer {buffer!r} must be a dict of numbers by parameters, not {shown(numbers)}")
            require_names(f"buffer {buffer!r} is not that of these parameters", numbers, keys)
        states = [tuple([self._read(buffer, columns[buffer][key]) for buffer in self.buffers]) for key in keys]
        set_together([(self, "states", states), (self, "steps", steps)])

    def _keys(self) -> list[str]:
        """What the state of each parameter is saved under: its name, or its place where it has none."""
        keys = [name or str(i) for i, name in enumerate(self._names)]
        return keys if len({*keys}) == len(keys) else [str(i) for i in range(len(keys))]

    def _read(self, buffer: str, x: Any) -> float:
        """A number of a state that comes from outside."""
        try:
            number = to_float(x)
        except (TypeError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"buffer {buffer!r} must hold finite numbers, not {shown(x)}")
        if number < 0.0 and buffer in self.nonnegative:
            raise ValueError(f"buffer {buffer!r} is never negative: it must hold numbers of 0 or more, not {number}")
        return number

    def _not_finite(self, what: str, i: int, x: float) -> FloatingPointError:
        return FloatingPointError(
            f"the {what} of {_called(i, self._names)} is {x}, and nothing has been changed: "
            f"lower the learning rate (now {self.lr}), or bring the data to a scale near 1"
        )


def clip_grad_norm(params: Parameters, max_norm: float) -> float:
    """Where the norm of all gradients together, ‖g‖ = √(Σ gᵢ²), is larger than max_norm, makes them shorter.

    Each gᵢ becomes gᵢ · max_norm / (‖g‖ + 10⁻⁶): the direction stays. Call it between `backward()` and `step()`.
    Parameters whose gradient is None count for nothing.

    Args:
        params: Values, or pairs of a name and a Value, as `parameters()` and `named_parameters()` of a model give them.
        max_norm: A number of 0 or more; with `math.inf` the norm is only measured.

    Returns:
        The norm before.

    Raises:
        FloatingPointError: The norm is inf or nan; the parameter to blame is named, and nothing is changed.
        TypeError: A gradient is no number, or a parameter is no Value.

    Example:
        >>> a, b = Value(0.0), Value(0.0)
        >>> a.grad, b.grad = 30.0, 40.0
        >>> clip_grad_norm([a, b], max_norm=1.0)
        50.0
        >>> round(a.grad, 6), round(b.grad, 6)
        (0.6, 0.8)

    Source: PyTorch's `clip_grad_norm_`.
    """
    max_norm = _within("[0, ∞]", "max_norm", max_norm)
    values, names = _named(params)
    gradients = _gradients(values, names)
    norm = math.hypot(*gradients.values())  # does not overflow where a square would
    if not math.isfinite(norm):
        largest = max(gradients, key=lambda i: math.inf if math.isnan(gradients[i]) else abs(gradients[i]))
        raise FloatingPointError(
            f"the norm of the gradients is {norm}, and nothing has been changed: "
            f"the gradient of {_called(largest, names)} is {gradients[largest]}"
        )
    if norm > max_norm:
        scale = max_norm / (norm + 1e-6)
        set_together([(values[i], "grad", g * scale) for i, g in gradients.items()])
    return norm


class SGD(Optimizer):
    """Gradient descent, θ ← θ − η∇L; stochastic, as its name says, when the gradient is that of one batch.

    With `momentum` μ the velocity v ← μv + g takes the place of the gradient; with `nesterov` g + μv does, the gradient
    seen from one step ahead. Raises `ValueError` for nesterov without momentum. Source: Sutskever et al., On the
    importance of initialization and momentum in deep learning, 2013.

    >>> w = Value(1.0)
    >>> (w * w).backward()
    >>> SGD([w], lr=0.1).step()
    >>> w.data
    0.8
    """

    buffers = ("v",)

    def __init__(
        self,
        params: Parameters,
        lr: float | Schedule = 1e-3,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum = _within("[0, 1)", "momentum", momentum)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ValueError(f"nesterov looks ahead along the momentum, so momentum must be above 0, not {momentum}")

    def update(self, θ: Number, g: Number, η: float, state: State) -> tuple[Number, State]:
        (v,) = state
        if self.momentum:
            v = self.momentum * v + g
            g = g + self.momentum * v if self.nesterov else v
        return θ - η * g, (v,)


class AdaGrad(Optimizer):
    """Each parameter's step shrinks with the squares of all its gradients: s ← s + g², θ ← θ − ηg / (√s + eps).

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods, 2011.

    >>> w = Value(1.0)
    >>> (w * w).backward()
    >>> AdaGrad([w], lr=0.1).step()
    >>> round(w.data, 6)
    0.9
    """

    buffers = ("s",)
    nonnegative = ("s",)

    def __init__(
        self, params: Parameters, lr: float | Schedule = 1e-2, *, eps: float = 1e-10, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.eps = _within("(0, ∞)", "eps", eps)

    def update(self, θ: Number, g: Number, η: float, state: State) -> tuple[Number, State]:
        (s,) = state
        s = s + g * g
        return θ - η * g / (s**0.5 + self.eps), (s,)


class RMSProp(Optimizer):
    """AdaGrad that forgets: s ← αs + (1 − α)g², θ ← θ − ηg / (√s + eps).

    With `momentum` μ, b ← μb + g / (√s + eps) and θ ← θ − ηb. Source: Hinton, Neural Networks for Machine Learning,
    lecture 6, 2012.

    >>> w = Value(1.0)
    >>> (w * w).backward()
    >>> RMSProp([w], lr=0.1, alpha=0.75).step()
    >>> round(w.data, 6)
    0.8
    """

    buffers = ("s", "b")
    nonnegative = ("s",)

    def __init__(
        self,
        params: Parameters,
        lr: float | Schedule = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.alpha = _within("[0, 1)", "alpha", alpha)
        self.eps = _within("(0, ∞)", "eps", eps)
        self.momentum = _within("[0, 1)", "momentum", momentum)

    def update(self, θ: Number, g: Number, η: float, state: State) -> tuple[Number, State]:
        s, b = state
        s = self.alpha * s + (1.0 - self.alpha) * g * g
        b = self.momentum * b + g / (s**0.5 + self.eps)
        return θ - η * b, (s, b)


class Adam(Optimizer):
    """RMSProp with momentum in the gradient itself, both averages corrected for their start at 0.

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), θ ← θ − ηm̂ / (√v̂ + eps), where
    t = 1, 2, … counts the updates of the parameter and `betas` is (β₁, β₂). Source: Kingma and Ba, Adam, 2014.

    >>> w = Value(1.0)
    >>> (w * w).backward()
    >>> Adam([w], lr=0.1).step()
    >>> round(w.data, 6)
    0.9
    """

    buffers = ("m", "v", "t")
    nonnegative = ("v", "t")

    def __init__(
        self,
        params: Parameters,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        if not isinstance(betas, Sequence) or len(betas) != 2:
            raise ValueError(f"betas must be two numbers, as (0.9, 0.999), not {betas!r}")
        β1, β2 = betas
        self.betas = _within("[0, 1)", "betas[0]", β1), _within("[0, 1)", "betas[1]", β2)
        self.eps = _within("(0, ∞)", "eps", eps)

    def update(self, θ: Number, g: Number, η: float, state: State) -> tuple[Number, State]:
        (m, v, t), (β1, β2) = state, self.betas
        t = t + 1.0
        m = β1 * m + (1.0 - β1) * g
        v = β2 * v + (1.0 - β2) * g * g
        m_hat, v_hat = m / (1.0 - β1**t), v / (1.0 - β2**t)
        return θ - η * m_hat / (v_hat**0.5 + self.eps), (m, v, t)


class AdamW(Adam):
    """Adam with the weight decay taken out of the gradient: θ ← θ − ηλθ, then Adam's update with g alone.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017.

    >>> w = Value(1.0)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    0.95
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def decay(self, θ: Number, g: Number, η: float) -> tuple[Number, Number]:
        return θ - η * self.weight_decay * θ, g


OPTIMIZERS: dict[str, type[SGD | AdaGrad | RMSProp | Adam]] = {
    "sgd": SGD,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


def by_name(name: str) -> type[SGD | AdaGrad | RMSProp | Adam]:
    """The optimizer class of that name. Raises `ValueError`, with all the names, where there is none.

    >>> by_name("adam")([Value(1.0)]).lr
    0.001
    """
    if name not in [*OPTIMIZERS]:
        raise ValueError(f"no optimizer is called {name!r}: choose from {', '.join(OPTIMIZERS)}")
    return OPTIMIZERS[name]


# ---- schedules: the number t of updates made so far -> the learning rate of the next one -----------------------------
# Each is a formula with its numbers filled in, so that it can be pickled, as a function made in place could not.
def constant(lr: float) -> Schedule:
    """Always lr.

    >>> constant(0.1)(1000)
    0.1
    """
    return partial(_constant, _within("[0, ∞)", "lr", lr))


def _constant(lr: float, t: int) -> float:
    return lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Times factor after `every` updates: lr · factor^⌊t / every⌋, as PyTorch's StepLR.

    >>> [step_decay(1.0, every=2, factor=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    lr, every, factor = _within("[0, ∞)", "lr", lr), _count("every", every), _within("(0, ∞)", "factor", factor)
    return partial(_step_decay, lr, every, factor)


def _step_decay(lr: float, every: int, factor: float, t: int) -> float:
    return lr * factor ** (t // every)


def exponential(lr: float, factor: float) -> Schedule:
    """Times factor after each update: lr · factorᵗ, as PyTorch's ExponentialLR.

    >>> exponential(1.0, factor=0.5)(3)
    0.125
    """
    return step_decay(lr, every=1, factor=factor)


def cosine(lr: float, steps: int, minimum: float = 0.0) -> Schedule:
    """Half a cosine wave from lr down to minimum: minimum + ½(lr − minimum)(1 + cos(πt / steps)).

    As PyTorch's CosineAnnealingLR it climbs again after `steps` updates. Source: Loshchilov and Hutter, SGDR, 2016.

    >>> round(cosine(1.0, steps=10)(5), 12)
    0.5
    """
    lr, steps, minimum = _within("[0, ∞)", "lr", lr), _count("steps", steps), _within("[0, ∞)", "minimum", minimum)
    return partial(_cosine, lr, steps, minimum)


def _cosine(lr: float, steps: int, minimum: float, t: int) -> float:
    return minimum + 0.5 * (lr - minimum) * (1.0 + math.cos(math.pi * t / steps))


def linear(lr: float, steps: int, end: float = 0.0) -> Schedule:
    """A straight line from lr to end in `steps` updates, and end from then on, as PyTorch's LinearLR.

    >>> [linear(1.0, steps=4)(t) for t in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    lr, steps, end = _within("[0, ∞)", "lr", lr), _count("steps", steps), _within("[0, ∞)", "end", end)
    return partial(_linear, lr, steps, end)


def _linear(lr: float, steps: int, end: float, t: int) -> float:
    return lr + (end - lr) * min(t, steps) / steps


def warmup(lr: float | Schedule, steps: int, start_factor: float = 1 / 3) -> Schedule:
    """Any learning rate or schedule, times a factor that rises from start_factor to 1 along a line in `steps` updates.

    The schedule counts its updates from the start of the warm-up, so that `warmup(cosine(0.1, steps=100), steps=10)` is
    at its minimum after 100 updates. Source: Goyal et al., Accurate, Large Minibatch SGD, 2017.

    >>> [warmup(1.0, steps=4, start_factor=0.5)(t) for t in (0, 2, 4, 9)]
    [0.5, 0.75, 1.0, 1.0]
    """
    schedule = lr if callable(lr) else constant(lr)
    factor = linear(_within("(0, 1]", "start_factor", start_factor), steps, end=1.0)
    return partial(_product, factor, schedule)


def _product(factor: Schedule, schedule: Schedule, t: int) -> float:
    return factor(t) * schedule(t)


# ---- checks ----------------------------------------------------------------------------------------------------------
_INTERVALS: dict[str, Callable[[float], bool]] = {
    "[0, ∞]": lambda x: 0.0 <= x <= math.inf,
    "[0, ∞)": lambda x: 0.0 <= x < math.inf,
    "(0, ∞)": lambda x: 0.0 < x < math.inf,
    "[0, 1)": lambda x: 0.0 <= x < 1.0,
    "(0, 1]": lambda x: 0.0 < x <= 1.0,
}


def _within(interval: str, name: str, x: float) -> float:
    if not _INTERVALS[interval](x := to_float(x, name)):
        raise ValueError(f"{name} must lie in {interval}, not be {x}")
    return x


def _count(name: str, n: int) -> int:
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"{name} must be a number of updates, 1, 2, 3, …, not {n!r}")
    return n


def _named(params: Parameters) -> tuple[list[Value], list[str]]:
    """The parameters, and their names: those that came with them, else their labels."""
    if isinstance(params, Value) or not isinstance(params, Iterable):
        raise TypeError(f"parameters are a list of Values, as model.parameters() gives it, not {type(params).__name__}")
    pairs = [p if isinstance(p, tuple) and len(p) == 2 else ("", p) for p in params]
    names = [name or getattr(p, "label", "") for name, p in pairs]
    seen: set[int] = set()
    for i, (_, p) in enumerate(pairs):
        if not isinstance(p, Value):
            must_be = f"parameter {i} must be a Value, or a pair of a name and a Value"
            raise TypeError(f"{must_be}, as model.named_parameters() gives them, not {described(p)}")
        if p._rule is not LEAF:
            raise ValueError(
                f"{_called(i, names)} is computed, by {p._rule.name!r}: parameters are leaves only, such as Value(0.5)"
            )
        if id(p) in seen:
            raise ValueError(f"{_called(i, names)} is given twice: it would be moved twice in each step")
        seen.add(id(p))
    return [p for _, p in pairs], names


def _called(i: int, names: Sequence[str]) -> str:
    """A parameter by its name, or by its place where it has none, for a message."""
    return f"parameter {repr(names[i]) if names[i] else i}"


def _gradients(params: Sequence[Value], names: Sequence[str]) -> dict[int, float]:
    """The gradients that there are, by the places of their parameters: None is no gradient, as in PyTorch."""
    present = {i: p.grad for i, p in enumerate(params) if p.grad is not None}
    return {i: to_float(g, f"the gradient of {_called(i, names)}") for i, g in present.items()}


# ---- changes that belong together ------------------------------------------------------------------------------------
def set_together(changes: Changes) -> None:
    """Sets every attribute, or none where Ctrl-C comes in between.

    Python looks for Ctrl-C between its own instructions, never in the midst of one; and this is one instruction, which
    runs through all the changes in C code.
    """
    any(starmap(setattr, changes))  # setattr returns None, so that `any` goes on to the last
