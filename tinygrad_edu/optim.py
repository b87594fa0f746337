"""Optimizers, which move parameters downhill along their gradients, and learning-rate schedules.

The training loop is PyTorch's: `optimizer.zero_grad(); loss.backward(); optimizer.step()`. `Optimizer` does what all
optimizers share; each one states only its formula for one parameter, in the letters of the textbooks: θ is the
parameter, g = ∇L its gradient, η the learning rate. The formula uses arithmetic alone, so that it holds for arrays of
all parameters as well: compiled training computes with these. Defaults, names and formulas are those of PyTorch's
documentation, https://docs.pytorch.org/docs/stable/optim.html. A schedule is a function from the number of updates made
so far to a learning rate, and can stand wherever a learning rate can. When to step is left to `train/fit.py`, what
happens on arrays to `compiler/`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from inspect import signature
from typing import Any, ClassVar

from ._display import Sheet
from ._interrupts import set_atomically
from ._validate import look_up, require_finite, require_ints, require_names, to_float, to_float_within
from .engine import Value
from .errors import api_boundary, describe, short_repr
from .ops import LEAF
from .rules import Number

Schedule = Callable[[int], float]  # the number of updates made so far -> the learning rate of the next one
Parameters = Iterable[Value | tuple[str, Value]]
ParameterState = tuple[Number, ...]  # what an optimizer remembers of a parameter: a number for each of its `buffers`


class Optimizer:
    """The base class of optimizers; a subclass defines `update`, and names in `buffers` what it remembers.

    `steps` counts the calls of `step()`; `states` holds what is remembered of each parameter. An `update` of arithmetic
    alone, with `s**0.5` for a root, works on numbers and on arrays of them. An `update` that compares its numbers, or
    calls functions of `math` as the one below does, is called for one parameter at a time.

    Args:
        params: n Values, or n pairs of a name and a Value as `model.named_parameters()` gives them. Without a name, the
            label of a Value is its name.
        lr: The learning rate η, 0 or more, or a schedule.
        weight_decay: The λ of a term ½λθ² in the loss, 0 or more.

    Raises:
        ValueError: There is no parameter, one is given twice or is computed from others, or a number is out of range.
        TypeError: A parameter is no Value, or a number is none.

    Example:
        >>> class SignDescent(Optimizer):
        ...     def update(self, θ, g, η, state):
        ...         return θ - η * math.copysign(1.0, g), state
        >>> w = Value(3.0)
        >>> (w * w).backward()
        >>> SignDescent([w], lr=0.5).step()
        >>> w.data
        2.5
        >>> SGD([w], lr=0.1, momentum=0.9)
        SGD(lr=0.1, momentum=0.9, 1 parameter)
    """

    buffers: ClassVar[tuple[str, ...]] = ()  # each is one number a parameter, 0 at first
    nonnegative: ClassVar[tuple[str, ...]] = ()  # the buffers that are never below 0

    def __init__(self, params: Parameters, lr: float | Schedule, weight_decay: float = 0.0) -> None:
        self.params, self._names = _split_parameters(params)
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter, but the list is empty")
        self.lr = lr
        self.weight_decay = to_float_within("[0, ∞)", weight_decay, "weight_decay")
        self.steps = 0
        self.states: list[ParameterState] = [(0.0,) * len(self.buffers)] * len(self.params)

    @property
    def lr(self) -> float:
        """The learning rate of the next update. Set it, to a number or a schedule, to change it."""
        return self.lr_of(self.steps)

    @lr.setter
    def lr(self, lr: float | Schedule) -> None:
        self.schedule = lr if callable(lr) else constant(lr)

    def lr_of(self, step: int) -> float:
        """Returns the learning rate of an update.

        Args:
            step: The number of the update, from 0.

        Returns:
            The learning rate, 0 or more.

        Raises:
            ValueError: The schedule says another number.
        """
        return to_float_within("[0, ∞)", self.schedule(step), f"the learning rate of update {step}")

    def zero_grad(self) -> None:
        """Sets every gradient to 0, as `backward()` adds to what is there."""
        for p in self.params:
            p.grad = 0.0

    @api_boundary
    def step(self) -> None:
        """Updates every parameter from its gradient: all of them or, when an error is raised, none.

        A parameter whose gradient is None stays as it is, and so does its state: neither momentum nor weight decay
        moves it.

        Raises:
            FloatingPointError: A gradient, or what it would lead to, is inf or nan; the message names the parameter.
            TypeError: A parameter or a gradient has been set to what is no number.
        """
        η, changes, states = self.lr, [], []
        try:
            for i, (p, state) in enumerate(zip(self.params, self.states)):
                if p.grad is not None:
                    g = to_float(p.grad)
                    if not math.isfinite(g):
                        raise self._non_finite_error("gradient", i, g)
                    θ, state = self.decay_and_update(to_float(p.data), g, η, state)
                    for x in (θ, *state):
                        if not math.isfinite(x):
                            raise self._non_finite_error("update", i, x)
                    changes.append((p, "data", float(θ)))  # a plain number, even if an update computes with NumPy's
                    state = tuple(map(float, state))
                states.append(state)
        except (TypeError, OverflowError):
            _read_gradients(self.params, self._names)  # its error names the parameter
            for i, p in enumerate(self.params):
                to_float(p.data, _quote_parameter(i, self._names))
            raise
        set_atomically([*changes, (self, "states", states), (self, "steps", self.steps + 1)])

    def decay_and_update(self, θ: Number, g: Number, η: float, state: ParameterState) -> tuple[Number, ParameterState]:
        """Applies the weight decay, then the formula: computes the step from a parameter and its gradient.

        All arguments are numbers, for one parameter, or arrays of n numbers, for n parameters.

        Args:
            θ: The parameter.
            g: Its gradient ∂L/∂θ.
            η: The learning rate.
            state: What is remembered of the parameter, a number for each of `buffers`.

        Returns:
            The new parameter, and the new state.
        """
        θ, g = self.decay(θ, g, η)
        return self.update(θ, g, η, state)

    def decay(self, θ: Number, g: Number, η: float) -> tuple[Number, Number]:
        """Applies the weight decay: g + λθ takes the place of the gradient.

        Args:
            θ: The parameter.
            g: Its gradient.
            η: The learning rate.

        Returns:
            The parameter and the gradient that `update` gets.
        """
        return θ, g + self.weight_decay * θ

    def update(self, θ: Number, g: Number, η: float, state: ParameterState) -> tuple[Number, ParameterState]:
        """Applies the formula of the optimizer; each subclass defines its own.

        Args:
            θ: The parameter.
            g: Its gradient, after weight decay.
            η: The learning rate.
            state: What is remembered of the parameter, a number for each of `buffers`; all are 0 at first.

        Returns:
            The new parameter, and the new state.

        Raises:
            NotImplementedError: The subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(self, θ, g, η, state)")

    def __repr__(self) -> str:
        changed = [f"{name}={text}" for name, text, is_default in self._describe_settings() if not is_default]
        return f"{type(self).__name__}({', '.join([*changed, self._count_parameters()])})"

    def _repr_html_(self) -> str:
        rows = [(name, text) for name, text, _ in self._describe_settings()]
        rows += [("steps", str(self.steps)), ("remembers", ", ".join(self.buffers) or "nothing")]
        return Sheet(["setting", "value"], rows, title=f"{type(self).__name__} of {self._count_parameters()}").to_html()

    def _count_parameters(self) -> str:
        return f"{len(self.params):,} parameter{'s' * (len(self.params) != 1)}"

    def _describe_settings(self) -> list[tuple[str, str, bool]]:
        """The arguments that the optimizer was made with: name, value, and whether that is the default."""
        settings = [("lr", self._describe_lr(), False)]
        for name, argument in signature(type(self)).parameters.items():
            if name not in ("params", "lr") and hasattr(self, name):
                value = getattr(self, name)
                text = f"{value:g}" if isinstance(value, float) else repr(value)
                settings.append((name, text, value == argument.default))
        return settings

    def _describe_lr(self) -> str:
        """The learning rate of the next update, and the schedule that it comes from."""
        try:
            text = f"{self.lr:g}"
        except Exception as error:  # a schedule may be any function, and a text is no place for its error
            text = f"undefined: {type(error).__name__}"
        function = self.schedule.func if isinstance(self.schedule, partial) else self.schedule
        if function is _constant:
            return text
        return f"{text} ({getattr(function, '__name__', type(function).__name__).strip('_')}, update {self.steps})"

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside the parameters and the arguments of the optimizer, as plain data for JSON.

        Returns:
            The optimizer's name, the number of steps, and for each buffer a dict of n numbers by the names of the
            parameters; where a parameter has no name, or two have the same, by their positions.

        Example:
            >>> SGD([("w", Value(1.0)), ("b", Value(2.0))], momentum=0.9).state_dict()
            {'optimizer': 'SGD', 'steps': 0, 'buffers': {'v': {'w': 0.0, 'b': 0.0}}}
        """
        columns = {
            buffer: {key: state[i] for key, state in zip(self._keys(), self.states)}
            for i, buffer in enumerate(self.buffers)
        }
        return {"optimizer": type(self).__name__, "steps": self.steps, "buffers": columns}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a `state_dict()`, bit for bit; the parameters may have been in another order then.

        Args:
            state_dict: The state of an optimizer of the same class, for parameters of the same names.

        Raises:
            ValueError: The state does not fit; nothing is changed.
        """
        expected, keys = self.state_dict(), self._keys()
        if not isinstance(state_dict, dict) or state_dict.keys() != expected.keys():
            raise ValueError(f"the state of an optimizer is a dict of {', '.join(expected)}, as state_dict() makes it")
        name, steps, columns = (state_dict[key] for key in expected)
        if name != expected["optimizer"]:
            raise ValueError(f"the state is that of the optimizer {short_repr(name)}, not of {expected['optimizer']!r}")
        if type(steps) is not int or steps < 0:
            raise ValueError(f"the steps of an optimizer's state must be 0, 1, 2, …, not {short_repr(steps)}")
        if not isinstance(columns, dict) or columns.keys() != set(self.buffers):
            raise ValueError(f"the buffers of {name} must be a dict of {', '.join(self.buffers) or 'nothing'}")
        for buffer, numbers in columns.items():
            if not isinstance(numbers, dict):
                raise ValueError(
                    f"buffer {buffer!r} must be a dict of numbers by parameters, not {short_repr(numbers)}"
                )
            require_names(f"buffer {buffer!r} is not that of these parameters", numbers, keys)
        states = [tuple([self._read_number(buffer, columns[buffer][key]) for buffer in self.buffers]) for key in keys]
        set_atomically([(self, "states", states), (self, "steps", steps)])

    def _keys(self) -> list[str]:
        """The keys of the parameters in a `state_dict`: their names, or their positions where they have none."""
        keys = [name or str(i) for i, name in enumerate(self._names)]
        return keys if len({*keys}) == len(keys) else [str(i) for i in range(len(keys))]

    def _read_number(self, buffer: str, x: object) -> float:
        """A number of a state that may come from a file."""
        number = require_finite(f"a number in buffer {buffer!r}", x)
        if number < 0.0 and buffer in self.nonnegative:
            raise ValueError(f"buffer {buffer!r} is never negative: it must hold numbers of 0 or more, not {number}")
        return number

    def _non_finite_error(self, what: str, i: int, x: float) -> FloatingPointError:
        return FloatingPointError(
            f"the {what} of {_quote_parameter(i, self._names)} is {x}, and nothing has been changed: "
            f"lower the learning rate (now {self.lr}), or bring the data to a scale near 1"
        )


@api_boundary
def clip_grad_norm(params: Parameters, max_norm: float) -> float:
    """Scales all gradients down where their norm, ‖g‖ = √(Σ gᵢ²), is larger than max_norm.

    Each gᵢ becomes gᵢ · max_norm / (‖g‖ + 10⁻⁶): the direction stays. Call it between `backward()` and `step()`.
    Parameters whose gradient is None are left out. Source: PyTorch's `clip_grad_norm_`.

    Args:
        params: Values, or pairs of a name and a Value, as `parameters()` and `named_parameters()` of a model give them.
        max_norm: A number of 0 or more; with `math.inf` the norm is only measured.

    Returns:
        The norm ‖g‖ before scaling.

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
    """
    max_norm = to_float_within("[0, ∞]", max_norm, "max_norm")
    values, names = _split_parameters(params)
    gradients = _read_gradients(values, names)
    norm = math.hypot(*gradients.values())  # does not overflow where a square would
    if not math.isfinite(norm):
        largest = max(gradients, key=lambda i: math.inf if math.isnan(gradients[i]) else abs(gradients[i]))
        raise FloatingPointError(
            f"the norm of the gradients is {norm}, and nothing has been changed: "
            f"the gradient of {_quote_parameter(largest, names)} is {gradients[largest]}"
        )
    if norm > max_norm:
        scale = max_norm / (norm + 1e-6)
        set_atomically([(values[i], "grad", g * scale) for i, g in gradients.items()])
    return norm


class SGD(Optimizer):
    """Gradient descent, θ ← θ − ηg; it is stochastic where the gradient is that of one batch.

    With momentum μ the velocity v ← μv + g takes the place of the gradient; with `nesterov` g + μv does, the gradient
    one step ahead. Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    Args:
        params: As for `Optimizer`.
        lr: As for `Optimizer`.
        momentum: The μ, in [0, 1).
        nesterov: Whether to look one step ahead; that needs a momentum above 0.
        weight_decay: As for `Optimizer`.

    Raises:
        ValueError: As for `Optimizer`, and for `nesterov` without momentum.

    Example:
        >>> w = Value(1.0)
        >>> (w * w).backward()
        >>> SGD([w], lr=0.1).step()
        >>> w.data
        0.8
    """

    buffers = ("v",)

    @api_boundary
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
        self.momentum = to_float_within("[0, 1)", momentum, "momentum")
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ValueError(f"nesterov looks ahead along the momentum, so momentum must be above 0, not {momentum}")

    def update(self, θ: Number, g: Number, η: float, state: ParameterState) -> tuple[Number, ParameterState]:
        """Applies the formula above.

        Args:
            θ: The parameter.
            g: Its gradient, after weight decay.
            η: The learning rate.
            state: The velocity v.

        Returns:
            The new parameter, and the new state.
        """
        (v,) = state
        if self.momentum:
            v = self.momentum * v + g
            g = g + self.momentum * v if self.nesterov else v
        return θ - η * g, (v,)


class AdaGrad(Optimizer):
    """Divides each step by the root of the sum of all squared gradients: s ← s + g², θ ← θ − ηg / (√s + eps).

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods, 2011.

    Args:
        params: As for `Optimizer`.
        lr: As for `Optimizer`.
        eps: A small number above 0, against a division by 0.
        weight_decay: As for `Optimizer`.

    Example:
        >>> w = Value(1.0)
        >>> (w * w).backward()
        >>> AdaGrad([w], lr=0.1).step()
        >>> round(w.data, 6)
        0.9
    """

    buffers = ("s",)
    nonnegative = ("s",)

    @api_boundary
    def __init__(
        self, params: Parameters, lr: float | Schedule = 1e-2, *, eps: float = 1e-10, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.eps = to_float_within("(0, ∞)", eps, "eps")

    def update(self, θ: Number, g: Number, η: float, state: ParameterState) -> tuple[Number, ParameterState]:
        """Applies the formula above.

        Args:
            θ: The parameter.
            g: Its gradient, after weight decay.
            η: The learning rate.
            state: The sum s.

        Returns:
            The new parameter, and the new state.
        """
        (s,) = state
        s = s + g * g
        return θ - η * g / (s**0.5 + self.eps), (s,)


class RMSProp(Optimizer):
    """AdaGrad with an average in place of the sum: s ← αs + (1 − α)g², θ ← θ − ηg / (√s + eps).

    With momentum μ, b ← μb + g / (√s + eps) and θ ← θ − ηb. Source: Hinton, Neural Networks for Machine Learning,
    lecture 6, 2012.

    Args:
        params: As for `Optimizer`.
        lr: As for `Optimizer`.
        alpha: The α, in [0, 1).
        eps: A small number above 0, against a division by 0.
        weight_decay: As for `Optimizer`.
        momentum: The μ, in [0, 1).

    Example:
        >>> w = Value(1.0)
        >>> (w * w).backward()
        >>> RMSProp([w], lr=0.1, alpha=0.75).step()
        >>> round(w.data, 6)
        0.8
    """

    buffers = ("s", "b")
    nonnegative = ("s",)

    @api_boundary
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
        self.alpha = to_float_within("[0, 1)", alpha, "alpha")
        self.eps = to_float_within("(0, ∞)", eps, "eps")
        self.momentum = to_float_within("[0, 1)", momentum, "momentum")

    def update(self, θ: Number, g: Number, η: float, state: ParameterState) -> tuple[Number, ParameterState]:
        """Applies the formula above.

        Args:
            θ: The parameter.
            g: Its gradient, after weight decay.
            η: The learning rate.
            state: The average s and the velocity b.

        Returns:
            The new parameter, and the new state.
        """
        s, b = state
        s = self.alpha * s + (1.0 - self.alpha) * g * g
        b = self.momentum * b + g / (s**0.5 + self.eps)
        return θ - η * b, (s, b)


class Adam(Optimizer):
    """RMSProp with an average of the gradients, both averages corrected for their start at 0.

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), θ ← θ − ηm̂ / (√v̂ + eps), where
    t = 1, 2, … counts the updates of the parameter. Source: Kingma and Ba, Adam, 2014.

    Args:
        params: As for `Optimizer`.
        lr: As for `Optimizer`.
        betas: The pair (β₁, β₂), each in [0, 1).
        eps: A small number above 0, against a division by 0.
        weight_decay: As for `Optimizer`.

    Example:
        >>> w = Value(1.0)
        >>> (w * w).backward()
        >>> Adam([w], lr=0.1).step()
        >>> round(w.data, 6)
        0.9
    """

    buffers = ("m", "v", "t")
    nonnegative = ("v", "t")

    @api_boundary
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
        self.betas = to_float_within("[0, 1)", β1, "betas[0]"), to_float_within("[0, 1)", β2, "betas[1]")
        self.eps = to_float_within("(0, ∞)", eps, "eps")

    def update(self, θ: Number, g: Number, η: float, state: ParameterState) -> tuple[Number, ParameterState]:
        """Applies the formula above.

        Args:
            θ: The parameter.
            g: Its gradient, after weight decay.
            η: The learning rate.
            state: The averages m and v, and the count t.

        Returns:
            The new parameter, and the new state.
        """
        (m, v, t), (β1, β2) = state, self.betas
        t = t + 1.0
        m = β1 * m + (1.0 - β1) * g
        v = β2 * v + (1.0 - β2) * g * g
        m_hat, v_hat = m / (1.0 - β1**t), v / (1.0 - β2**t)
        return θ - η * m_hat / (v_hat**0.5 + self.eps), (m, v, t)


class AdamW(Adam):
    """Adam with the weight decay taken out of the gradient: θ ← θ − ηλθ, then Adam's update with g alone.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017.

    Args:
        params: As for `Optimizer`.
        lr: As for `Optimizer`.
        betas: As for `Adam`.
        eps: As for `Adam`.
        weight_decay: The λ, 0 or more.

    Example:
        >>> w = Value(1.0)
        >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
        >>> w.data
        0.95
    """

    @api_boundary
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
        """Applies the weight decay to the parameter itself: θ − ηλθ takes its place.

        Args:
            θ: The parameter.
            g: Its gradient.
            η: The learning rate.

        Returns:
            The parameter and the gradient that `update` gets.
        """
        return θ - η * self.weight_decay * θ, g


OPTIMIZERS: dict[str, type[SGD | AdaGrad | RMSProp | Adam]] = {
    "sgd": SGD,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


@api_boundary
def by_name(name: str) -> type[SGD | AdaGrad | RMSProp | Adam]:
    """Finds the class of an optimizer by its name.

    Args:
        name: A name from `OPTIMIZERS`, as "adam".

    Returns:
        The class of that name.

    Raises:
        ValueError: There is no optimizer of that name; the message has all the names.

    Example:
        >>> by_name("adam")([Value(1.0)]).lr
        0.001
    """
    return look_up("optimizer", name, OPTIMIZERS)


# ---- schedules: the number t of updates made so far -> the learning rate of the next one -----------------------------
# Each is a function of this module with its numbers filled in: it can be pickled, as a lambda cannot.
@api_boundary
def constant(lr: float) -> Schedule:
    """A learning rate that stays the same.

    Args:
        lr: The learning rate, 0 or more.

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of range.
        TypeError: A number is none.

    Example:
        >>> constant(0.1)(1000)
        0.1
    """
    return partial(_constant, to_float_within("[0, ∞)", lr, "lr"))


def _constant(lr: float, t: int) -> float:
    return lr


@api_boundary
def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiplies the learning rate by factor after each `every` updates: lr · factor^⌊t / every⌋.

    It is PyTorch's StepLR.

    Args:
        lr: The learning rate at first, 0 or more.
        every: The number of updates between two changes, 1 or more.
        factor: The factor, above 0.

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of range.
        TypeError: A number is none.

    Example:
        >>> [step_decay(1.0, every=2, factor=0.5)(t) for t in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    require_ints(1, every=every)
    lr, factor = to_float_within("[0, ∞)", lr, "lr"), to_float_within("(0, ∞)", factor, "factor")
    return partial(_step_decay, lr, every, factor)


def _step_decay(lr: float, every: int, factor: float, t: int) -> float:
    return lr * factor ** (t // every)


@api_boundary
def exponential(lr: float, factor: float) -> Schedule:
    """Multiplies the learning rate by factor after each update: lr · factorᵗ.

    It is PyTorch's ExponentialLR.

    Args:
        lr: The learning rate at first, 0 or more.
        factor: The factor, above 0.

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of range.
        TypeError: A number is none.

    Example:
        >>> exponential(1.0, factor=0.5)(3)
        0.125
    """
    return step_decay(lr, every=1, factor=factor)


@api_boundary
def cosine(lr: float, steps: int, minimum: float = 0.0) -> Schedule:
    """Half a cosine wave from lr down to minimum: minimum + ½(lr − minimum)(1 + cos(πt / steps)).

    As PyTorch's CosineAnnealingLR, it rises again after `steps` updates. Source: Loshchilov and Hutter, SGDR, 2016.

    Args:
        lr: The learning rate at first, 0 or more.
        steps: The number of updates until the minimum, 1 or more.
        minimum: The learning rate at the minimum, 0 or more.

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of range.
        TypeError: A number is none.

    Example:
        >>> round(cosine(1.0, steps=10)(5), 12)
        0.5
    """
    require_ints(1, steps=steps)
    lr, minimum = to_float_within("[0, ∞)", lr, "lr"), to_float_within("[0, ∞)", minimum, "minimum")
    return partial(_cosine, lr, steps, minimum)


def _cosine(lr: float, steps: int, minimum: float, t: int) -> float:
    return minimum + 0.5 * (lr - minimum) * (1.0 + math.cos(math.pi * t / steps))


@api_boundary
def linear(lr: float, steps: int, end: float = 0.0) -> Schedule:
    """A straight line from lr to end in `steps` updates, and end from then on.

    It is PyTorch's LinearLR.

    Args:
        lr: The learning rate at first, 0 or more.
        steps: The number of updates until the end of the line, 1 or more.
        end: The learning rate at its end, 0 or more.

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of range.
        TypeError: A number is none.

    Example:
        >>> [linear(1.0, steps=4)(t) for t in (0, 1, 4, 9)]
        [1.0, 0.75, 0.0, 0.0]
    """
    require_ints(1, steps=steps)
    lr, end = to_float_within("[0, ∞)", lr, "lr"), to_float_within("[0, ∞)", end, "end")
    return partial(_linear, lr, steps, end)


def _linear(lr: float, steps: int, end: float, t: int) -> float:
    return lr + (end - lr) * min(t, steps) / steps


@api_boundary
def warmup(lr: float | Schedule, steps: int, start_factor: float = 1 / 3) -> Schedule:
    """Multiplies a learning rate by a factor that rises from start_factor to 1 along a line in `steps` updates.

    A schedule counts its updates from the start of the warm-up: `warmup(cosine(0.1, steps=100), steps=10)` is at its
    minimum after 100 updates. Source: Goyal et al., Accurate, Large Minibatch SGD, 2017.

    Args:
        lr: The learning rate after the warm-up, 0 or more, or a schedule.
        steps: The number of updates of the warm-up, 1 or more.
        start_factor: The factor of the first update, in (0, 1].

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of range.
        TypeError: A number is none.

    Example:
        >>> [warmup(1.0, steps=4, start_factor=0.5)(t) for t in (0, 2, 4, 9)]
        [0.5, 0.75, 1.0, 1.0]
    """
    schedule = lr if callable(lr) else constant(lr)
    factor = linear(to_float_within("(0, 1]", start_factor, "start_factor"), steps, end=1.0)
    return partial(_warmup, factor, schedule)


def _warmup(factor: Schedule, schedule: Schedule, t: int) -> float:
    return factor(t) * schedule(t)


_SCHEDULES: dict[str, Any] = {f.__name__[1:]: f for f in (_constant, _step_decay, _cosine, _linear, _warmup)}


def schedule_to_list(schedule: Schedule) -> list[Any] | None:
    """Writes a schedule of this module down as plain data, which `schedule_from_list` reads.

    Args:
        schedule: A schedule.

    Returns:
        Its name and its numbers; None for any other function.

    Example:
        >>> schedule_to_list(cosine(0.1, steps=100))
        ['cosine', 0.1, 100, 0.0]
    """
    if not isinstance(schedule, partial) or schedule.func not in _SCHEDULES.values():
        return None
    parts = [schedule_to_list(x) if callable(x) else x for x in schedule.args]
    return None if None in parts else [schedule.func.__name__[1:], *parts]


def schedule_from_list(data: Any) -> Schedule:
    """Reads a schedule that `schedule_to_list` has written; the data may come from a file, and are not trusted.

    Args:
        data: A list of a name and numbers.

    Returns:
        The schedule.

    Raises:
        ValueError: The data are no such list.

    Example:
        >>> schedule_from_list(["step_decay", 1.0, 2, 0.5])(4)
        0.25
    """
    name = data[0] if isinstance(data, list) and data else None
    f = _SCHEDULES.get(name) if isinstance(name, str) else None
    if f is None or len(data) != f.__code__.co_argcount:  # the last argument is t, the first item the name
        raise ValueError(f"a learning rate is a list of a name and its numbers, not {short_repr(data)}")
    numbers = [schedule_from_list(x) if isinstance(x, list) else x for x in data[1:]]
    for x in numbers:
        if not callable(x) and require_finite(f"a number of {name!r}", x) < 0.0:
            raise ValueError(f"a number of {name!r} must be 0 or more, not {short_repr(x)}")
    schedule = partial(f, *numbers)
    try:
        to_float_within("[0, ∞)", schedule(0), "a learning rate")
    except (ArithmeticError, TypeError) as error:
        raise ValueError(f"the learning rate {name!r} cannot be computed: {error}") from None
    return schedule


# ---- parameters ------------------------------------------------------------------------------------------------------
def _split_parameters(params: Parameters) -> tuple[list[Value], list[str]]:
    """The parameters, and their names: those that came with them, else their labels."""
    if isinstance(params, Value) or not isinstance(params, Iterable):
        raise TypeError(f"parameters are a list of Values, as model.parameters() gives it, not {type(params).__name__}")
    pairs = [p if isinstance(p, tuple) and len(p) == 2 else ("", p) for p in params]
    names = [name or getattr(p, "label", "") for name, p in pairs]
    seen: set[int] = set()
    for i, (_, p) in enumerate(pairs):
        if not isinstance(p, Value):
            must_be = f"parameter {i} must be a Value, or a pair of a name and a Value"
            raise TypeError(f"{must_be}, as model.named_parameters() gives them, not {describe(p)}")
        if p._rule is not LEAF:
            way_out = "parameters are leaves only, such as Value(0.5)"
            raise ValueError(f"{_quote_parameter(i, names)} is computed, by {p._rule.name!r}: {way_out}")
        if id(p) in seen:
            raise ValueError(f"{_quote_parameter(i, names)} is given twice: each step would change it twice")
        seen.add(id(p))
    return [p for _, p in pairs], names


def _quote_parameter(i: int, names: Sequence[str]) -> str:
    """A parameter by its name, or by its position where it has none, for a message."""
    return f"parameter {repr(names[i]) if names[i] else i}"


def _read_gradients(params: Sequence[Value], names: Sequence[str]) -> dict[int, float]:
    """The gradients by the positions of their parameters; a gradient of None is left out, as in PyTorch."""
    present = {i: p.grad for i, p in enumerate(params) if p.grad is not None}
    return {i: to_float(g, f"the gradient of {_quote_parameter(i, names)}") for i, g in present.items()}
