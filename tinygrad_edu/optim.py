"""Optimizers, which move parameters downhill along their gradients, and learning-rate schedules.

The training loop is PyTorch's: `optimizer.zero_grad(); loss.backward(); optimizer.step()`. What all optimizers share is
done by `Optimizer`; each one states only its formula for one parameter, in the letters of the textbooks: θ is the
parameter, g = ∇L its gradient, η the learning rate. Defaults, names and formulas are those of PyTorch's documentation,
https://docs.pytorch.org/docs/stable/optim.html. A schedule is a function from the number of updates made so far to a
learning rate, and can stand wherever a learning rate can. When to step is left to `train.py`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import starmap
from typing import Any, ClassVar

from .engine import Value
from .errors import described, shown, to_float
from .ops import LEAF

Schedule = Callable[[int], float]  # the number of updates made so far -> the learning rate of the next one
Parameters = Iterable[Value | tuple[str, Value]]
State = tuple[float, ...]  # what an optimizer remembers of one parameter


class Optimizer:
    """What optimizers share; one of your own states its `update`, and in `buffers` the names of what it remembers.

    `params` are n Values, or n pairs of a name and a Value as `model.named_parameters()` gives them; `lr` is a learning
    rate or a schedule; `weight_decay` is the λ of a term ½λθ² in the loss; `steps` counts the updates made. Raises
    `ValueError` for no parameters, for one that is given twice or is computed from others, and for numbers out of
    range, `TypeError` for what is no Value.

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
    squares: ClassVar[tuple[str, ...]] = ()  # those of them that are never below 0

    def __init__(self, params: Parameters, lr: float | Schedule, weight_decay: float = 0.0) -> None:
        self.params, self._names = _named(params)
        self.lr = lr
        self.weight_decay = _within("[0, ∞)", "weight_decay", weight_decay)
        self.steps = 0
        self._states: list[State] = [(0.0,) * len(self.buffers)] * len(self.params)

    @property
    def lr(self) -> float:
        """The learning rate of the next update. Set it, to a number or a schedule, to change it."""
        return _within("[0, ∞)", f"the learning rate of update {self.steps}", self._schedule(self.steps))

    @lr.setter
    def lr(self, lr: float | Schedule) -> None:
        self._schedule = lr if callable(lr) else constant(lr)

    def zero_grad(self) -> None:
        """Sets every gradient to 0, as `backward()` adds to what is there."""
        for p in self.params:
            p.grad = 0.0

    def step(self) -> None:
        """Updates every parameter from its gradient: all of them or, when an error is raised, none.

        Raises `FloatingPointError`, naming the parameter, where a gradient or what it would lead to is inf or nan;
        `TypeError` where a parameter or a gradient has been set to what is no number, such as None.
        """
        η = self.lr
        try:
            self._require_finite("gradient", [(p.grad,) for p in self.params])
            results = []
            for p, state in zip(self.params, self._states):
                θ, g = self.decay(p.data, p.grad, η)
                θ, state = self.update(θ, g, η, state)
                results.append((θ, *state))
        except TypeError:
            for i, p in enumerate(self.params):  # say which one it is
                to_float(p.grad, f"the gradient of {self._called(i)}")
                to_float(p.data, self._called(i))
            raise
        self._require_finite("update", results)
        changes: list[tuple[object, str, object]] = [(p, "data", result[0]) for p, result in zip(self.params, results)]
        changes += [(self, "_states", [result[1:] for result in results]), (self, "steps", self.steps + 1)]
        any(starmap(setattr, changes))  # runs through them in C code, which Ctrl-C does not stop halfway

    def decay(self, θ: float, g: float, η: float) -> tuple[float, float]:
        """The weight decay: parameter and gradient as the formula is to see them."""
        return θ, g + self.weight_decay * θ

    def update(self, θ: float, g: float, η: float, state: State) -> tuple[float, State]:
        """The formula: the new parameter, and the new state, one number for each of `buffers`."""
        raise NotImplementedError(f"{type(self).__name__} must define update(self, θ, g, η, state)")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside the parameters and the arguments that the optimizer was made with.

        It is plain data, for JSON: the optimizer's name, the number of steps, and for each buffer a list of n numbers.
        """
        columns = {buffer: [state[i] for state in self._states] for i, buffer in enumerate(self.buffers)}
        return {"optimizer": type(self).__name__, "steps": self.steps, "buffers": columns}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a `state_dict()`, bit for bit. Raises `ValueError`, and changes nothing, if it does not fit."""
        expected = self.state_dict()
        if not isinstance(state_dict, dict) or state_dict.keys() != expected.keys():
            raise ValueError(f"the state of an optimizer is a dict of {', '.join(expected)}, as state_dict() makes it")
        name, steps, columns = (state_dict[key] for key in expected)
        if name != expected["optimizer"]:
            raise ValueError(f"the state is that of the optimizer {shown(name)}, not of {expected['optimizer']!r}")
        if type(steps) is not int or steps < 0:
            raise ValueError(f"the steps of an optimizer's state must be 0, 1, 2, …, not {shown(steps)}")
        if not isinstance(columns, dict) or columns.keys() != set(self.buffers):
            raise ValueError(f"the buffers of {name} must be a dict of {', '.join(self.buffers) or 'nothing'}")
        n = len(self.params)
        for buffer, numbers in columns.items():
            if not isinstance(numbers, list) or len(numbers) != n:
                found = len(numbers) if isinstance(numbers, list) else type(numbers).__name__
                raise ValueError(f"buffer {buffer!r} must be a list of {n} numbers, one a parameter, not {found}")
            for x in numbers:
                if not isinstance(x, float) or not math.isfinite(x):
                    raise ValueError(f"buffer {buffer!r} must hold finite floats, not {shown(x)}")
                if x < 0.0 and buffer in self.squares:
                    raise ValueError(f"buffer {buffer!r} is made of squares: it must hold floats of 0 or more, not {x}")
        self.steps = steps
        self._states = [tuple([columns[buffer][i] for buffer in self.buffers]) for i in range(n)]

    def _called(self, i: int) -> str:
        name = self._names[i] or self.params[i].label
        return f"parameter {repr(name) if name else i}"

    def _require_finite(self, what: str, rows: Sequence[State]) -> None:
        for i, row in enumerate(rows):
            if not all(map(math.isfinite, row)):
                bad = next(x for x in row if not math.isfinite(x))
                raise FloatingPointError(
                    f"the {what} of {self._called(i)} is {bad}, and nothing has been changed: "
                    f"lower the learning rate (now {self.lr}), or bring the data to a scale near 1"
                )


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

    def update(self, θ: float, g: float, η: float, state: State) -> tuple[float, State]:
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
    squares = ("s",)

    def __init__(
        self, params: Parameters, lr: float | Schedule = 1e-2, *, eps: float = 1e-10, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.eps = _within("(0, ∞)", "eps", eps)

    def update(self, θ: float, g: float, η: float, state: State) -> tuple[float, State]:
        (s,) = state
        s = s + g * g
        return θ - η * g / (math.sqrt(s) + self.eps), (s,)


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
    squares = ("s",)

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

    def update(self, θ: float, g: float, η: float, state: State) -> tuple[float, State]:
        s, b = state
        s = self.alpha * s + (1.0 - self.alpha) * g * g
        b = self.momentum * b + g / (math.sqrt(s) + self.eps)
        return θ - η * b, (s, b)


class Adam(Optimizer):
    """RMSProp with momentum in the gradient itself, both averages corrected for their start at 0.

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), θ ← θ − ηm̂ / (√v̂ + eps), where
    t = 1, 2, … counts the updates and `betas` is (β₁, β₂). Source: Kingma and Ba, Adam, 2014.

    >>> w = Value(1.0)
    >>> (w * w).backward()
    >>> Adam([w], lr=0.1).step()
    >>> round(w.data, 6)
    0.9
    """

    buffers = ("m", "v")
    squares = ("v",)

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

    def update(self, θ: float, g: float, η: float, state: State) -> tuple[float, State]:
        (m, v), (β1, β2), t = state, self.betas, self.steps + 1
        m = β1 * m + (1.0 - β1) * g
        v = β2 * v + (1.0 - β2) * g * g
        m_hat, v_hat = m / (1.0 - β1**t), v / (1.0 - β2**t)
        return θ - η * m_hat / (math.sqrt(v_hat) + self.eps), (m, v)


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

    def decay(self, θ: float, g: float, η: float) -> tuple[float, float]:
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
def constant(lr: float) -> Schedule:
    """Always lr.

    >>> constant(0.1)(1000)
    0.1
    """
    lr = _within("[0, ∞)", "lr", lr)
    return lambda t: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Times factor after `every` updates: lr · factor^⌊t / every⌋, as PyTorch's StepLR.

    >>> [step_decay(1.0, every=2, factor=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    lr, every, factor = _within("[0, ∞)", "lr", lr), _count("every", every), _within("(0, ∞)", "factor", factor)
    return lambda t: lr * factor ** (t // every)


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
    return lambda t: minimum + 0.5 * (lr - minimum) * (1.0 + math.cos(math.pi * t / steps))


def linear(lr: float, steps: int, end: float = 0.0) -> Schedule:
    """A straight line from lr to end in `steps` updates, and end from then on, as PyTorch's LinearLR.

    >>> [linear(1.0, steps=4)(t) for t in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    lr, steps, end = _within("[0, ∞)", "lr", lr), _count("steps", steps), _within("[0, ∞)", "end", end)
    return lambda t: lr + (end - lr) * min(t, steps) / steps


def warmup(lr: float | Schedule, steps: int, start_factor: float = 1 / 3) -> Schedule:
    """Any learning rate or schedule, times a factor that rises from start_factor to 1 along a line in `steps` updates.

    The schedule counts its updates from the start of the warm-up, so that `warmup(cosine(0.1, steps=100), steps=10)` is
    at its minimum after 100 updates. Source: Goyal et al., Accurate, Large Minibatch SGD, 2017.

    >>> [warmup(1.0, steps=4, start_factor=0.5)(t) for t in (0, 2, 4, 9)]
    [0.5, 0.75, 1.0, 1.0]
    """
    schedule = lr if callable(lr) else constant(lr)
    factor = linear(_within("(0, 1]", "start_factor", start_factor), steps, end=1.0)
    return lambda t: factor(t) * schedule(t)


# ---- checks ----------------------------------------------------------------------------------------------------------
_INTERVALS: dict[str, Callable[[float], bool]] = {
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
    """The parameters, and the names that came with them."""
    if isinstance(params, Value) or not isinstance(params, Iterable):
        raise TypeError(
            f"an optimizer takes a list of Values, as model.parameters() gives it, not {type(params).__name__}"
        )
    pairs = [p if isinstance(p, tuple) and len(p) == 2 else ("", p) for p in params]
    if not pairs:
        raise ValueError("an optimizer needs at least one parameter, but the list is empty")
    seen: set[int] = set()
    for i, (name, p) in enumerate(pairs):
        if not isinstance(p, Value):
            must_be = f"parameter {i} must be a Value, or a pair of a name and a Value"
            raise TypeError(f"{must_be}, as model.named_parameters() gives them, not {described(p)}")
        what = f"parameter {repr(name or p.label) if name or p.label else i}"
        if p._rule is not LEAF:
            raise ValueError(
                f"{what} is computed, by {p._rule.name!r}: an optimizer moves leaves only, such as Value(0.5)"
            )
        if id(p) in seen:
            raise ValueError(f"{what} is given twice: it would be moved twice in each step")
        seen.add(id(p))
    return [p for _, p in pairs], [name for name, _ in pairs]
