"""Models: linear ones, neurons, layers, networks; each a tree of Modules with parameters at its leaves.

A Module finds its parameters by looking through its own attributes, names them by where they are found
(`layers[0].neurons[3].w[1]`), and saves them as plain JSON. Losses are left to `losses.py`, updates to `optim.py`.
"""

import os
import random
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from inspect import Parameter, Signature, signature
from math import sqrt
from typing import Any, Protocol, TypeAlias

from . import _io, functional
from ._validate import is_number, require_names, to_float
from .engine import Value, constant, record
from .errors import described
from .ops import LEAF
from .rules import OPS, Op

Scalar: TypeAlias = Value | float
Activation: TypeAlias = Callable[[Value], Value]


class RandomNumbers(Protocol):
    """A source of random numbers: a `random.Random`, or the module `random` itself."""

    def uniform(self, a: float, b: float) -> float: ...


Initialiser: TypeAlias = Callable[[RandomNumbers, int, int], float]

ACTIVATIONS: dict[str, Activation] = {
    "relu": Value.relu,
    "tanh": Value.tanh,
    "sigmoid": Value.sigmoid,
    "softplus": Value.softplus,
    "leaky_relu": Value.leaky_relu,
    "elu": Value.elu,
    "gelu": Value.gelu,
    "silu": Value.silu,
    "sin": Value.sin,
    "linear": lambda v: v,
}

# Each draws one weight of a neuron with `fan_in` inputs in a layer of `fan_out` neurons. Sources: Glorot and Bengio,
# Understanding the difficulty of training deep feedforward neural networks, 2010; He et al., Delving Deep into
# Rectifiers, 2015.
INITIALISERS: dict[str, Initialiser] = {
    "uniform": lambda rng, fan_in, fan_out: rng.uniform(-1, 1),  # micrograd's
    "xavier": lambda rng, fan_in, fan_out: sqrt(6 / (fan_in + fan_out)) * rng.uniform(-1, 1),
    "kaiming": lambda rng, fan_in, fan_out: sqrt(6 / fan_in) * rng.uniform(-1, 1),
    "zeros": lambda rng, fan_in, fan_out: 0.0,
}


class _Labelling(ABCMeta):
    """The class of module classes, by which every module is made: it labels the parameters of the one that is built.

    That is the same for whatever builds it, an `__init__` or a dataclass. A module in a module has been built before,
    so that the outermost labels last, with the longest names. It is an ABCMeta for modules that are abstract classes.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        module = super().__call__(*args, **kwargs)
        for name, p in module.named_parameters():
            if not p.label or f".{name}".endswith(f".{p.label}"):  # a label that the user chose stays
                p.label = name
        return module

    @property
    def __signature__(cls) -> Signature:
        """For help and notebooks: the arguments are those of `__init__`, and not those of `__call__` above."""
        init = signature(cls.__init__)  # type: ignore[misc]  # of the class that is asked, not of an instance
        return init.replace(parameters=[*init.parameters.values()][1:])


class Module(metaclass=_Labelling):
    """The base of all models: put Values and Modules, or lists, tuples, dicts or arrays of them, into attributes.

    What it computes stands in `forward`, or in `__call__`.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.a, self.b = Value(0.293), Value(0.758)
    ...     def forward(self, x):
    ...         return self.a * x + self.b
    >>> line = Line()
    >>> line(0.0)
    Value(data=0.758, grad=0.0)
    >>> line.parameters()
    [Value(data=0.293, grad=0.0, label='a'), Value(data=0.758, grad=0.0, label='b')]
    """

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; each one has its own `forward`, or its own `__call__`."""
        methods = "a method __call__(self, x) or forward(self, x)"
        raise NotImplementedError(f"{type(self).__name__} needs {methods} that computes its output")

    @property
    def __signature__(self) -> Signature:
        """For those who look, such as `record`, which names the inputs by it: the arguments of what computes."""
        return signature(self.forward if type(self).__call__ is Module.__call__ else self.__call__)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Each parameter once, with its path: all leaves that can be reached through the attributes, in their order."""
        return _leaves(self)

    def parameters(self) -> list[Value]:
        """All parameters, in a fixed order."""
        return [p for _, p in self.named_parameters()]

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to 0, as `backward()` adds to what is there."""
        for p in self.parameters():
            p.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """The number of every parameter by its path: plain data."""
        return {name: to_float(p.data, f"parameter {name!r}") for name, p in self.named_parameters()}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Takes over the numbers of a `state_dict`.

        Raises `ValueError` where the names are not those of this model, `TypeError` for what is no dict of numbers,
        `OverflowError` for a number too large for a float; the model is then as it was.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"a state is a dict of numbers, as state_dict() gives it, not {type(state).__name__}")
        parameters = dict(self.named_parameters())
        require_names(f"these are not the parameters of this {type(self).__name__}", state, parameters)
        numbers = {name: to_float(x, f"parameter {name!r}") for name, x in state.items()}
        for name, p in parameters.items():
            p.data = numbers[name]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the parameters to a JSON file, in one step. Raises `OSError` where that cannot be written."""
        _io.write_json(path, "parameters", {"parameters": self.state_dict()})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Takes over the parameters that `save` wrote for a model of the same shape.

        Raises `FileNotFoundError`, or `ValueError` for a file that is not one or is for another model, which is then as
        it was.
        """
        state = _io.read_json(path, "parameters").get("parameters")
        if not isinstance(state, dict):
            raise ValueError(f"{path} is not a parameters file: it holds no parameters")
        try:
            self.load_state_dict(state)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path}: {error}") from None


def _leaves(module: Module) -> Iterator[tuple[str, Value]]:
    """The leaves in a module, with their paths, at any depth.

    What is shared is seen once, so that a module may know its parent, and a list hold itself.
    """
    seen: dict[int, Any] = {}  # what is kept stays alive: nothing new can have the identity of what is gone
    stack: list[tuple[str, Any]] = [("", module)]
    while stack:
        path, thing = stack.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        parts: list[tuple[str, Any]] = []
        if isinstance(thing, Value):
            if thing._rule is LEAF:
                yield path, thing
        elif isinstance(thing, Module):
            parts = [(f"{path}.{name}" if path else name, item) for name, item in _attributes(thing).items()]
        elif isinstance(thing, (list, tuple)):
            parts = [(f"{path}[{i}]", item) for i, item in enumerate(thing)]
        elif isinstance(thing, dict):
            parts = [(f"{path}[{key!r}]", item) for key, item in thing.items()]
        elif str(getattr(thing, "dtype", "")) == "object":  # a NumPy array of Values
            parts = [(path, thing.tolist())]
        stack.extend(reversed(parts))


def _attributes(module: Module) -> dict[str, Any]:
    """Those in slots, as a dataclass may have them, and all others."""
    found = {}
    for cls in reversed(type(module).__mro__):
        names = vars(cls).get("__slots__", ())
        for name in [names] if isinstance(names, str) else names:
            if hasattr(module, name):
                found[name] = getattr(module, name)
    return {**found, **vars(module)}


class Neuron(Module):
    """activation(w·x + b): n inputs, one output.

    `activation` and `init` are names from `ACTIVATIONS` and `INITIALISERS`, or functions; `nonlin=False` leaves the
    activation out, `bias=False` the bias b, which then is None. `rng` is a `random.Random`; without one the module
    `random` is used, which `random.seed` seeds. One number is drawn for each weight, in order; the bias starts at 0.

    >>> neuron = Neuron(2, activation="tanh", rng=random.Random(0))
    >>> w1, w2 = [w.data for w in neuron.w]
    >>> neuron([1.0, -2.0]).data == Value(w1 - 2.0 * w2).tanh().data
    True

    Raises `ValueError` for an unknown name, for fewer than one input, or when called with another number of inputs;
    `TypeError` for an `rng` that is none, and when called with anything but a list of numbers.
    """

    def __init__(
        self,
        nin: int,
        nonlin: bool = True,
        activation: str | Activation = "relu",
        init: str | Initialiser = "uniform",
        rng: RandomNumbers = random,
        fan_out: int = 1,
        bias: bool = True,
    ) -> None:
        _positive(nin, "inputs")
        draw = _named(INITIALISERS, init, "initialiser")
        _named(ACTIVATIONS, activation, "activation")
        if nonlin not in (True, False):
            raise ValueError(
                f"nonlin is True or False, not {nonlin!r}; an activation is chosen by activation={nonlin!r}"
            )
        if bias not in (True, False):
            raise ValueError(f"bias is True or False, not {bias!r}; what it starts with is set by neuron.b.data")
        if not hasattr(rng, "uniform"):
            raise TypeError(f"rng is a source of random numbers, as random.Random(0), not {described(rng)}")
        self.w = [Value(draw(rng, nin, fan_out)) for _ in range(nin)]
        self.b: Value | Any = Value(0.0) if bias else None  # Any, as with a bias one need not ask for None
        self.nonlin = nonlin
        self.activation = activation

    def forward(self, x: Sequence[Scalar] | Scalar) -> Value:
        z = record(_DOT, (*self.w, *_nodes(x, len(self.w))))
        if self.b is not None:
            z = z + self.b
        activate: Activation = _named(ACTIVATIONS, self.activation, "activation")
        return activate(z) if self.nonlin else z

    def __repr__(self) -> str:
        kind = _title(self.activation) if self.nonlin else "Linear"
        return f"{kind}Neuron({len(self.w)}{'' if self.b is not None else ', bias=False'})"


class Layer(Module):
    """m neurons on the same n inputs; the options are those of `Neuron`.

    It returns a list of m Values, or the Value itself where m is 1.

    >>> layer = Layer(3, 2, init="zeros")
    >>> [v.data for v in layer([1.0, 2.0, 3.0])]
    [0.0, 0.0]
    """

    def __init__(self, nin: int, nout: int, **options: Any) -> None:
        _positive(nout, "outputs")
        self.neurons = [Neuron(nin, fan_out=nout, **options) for _ in range(nout)]

    def forward(self, x: Sequence[Scalar] | Scalar) -> Any:
        nodes = _nodes(x, len(self.neurons[0].w))
        out = [neuron(nodes) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def __repr__(self) -> str:
        return f"{type(self).__name__} of [{', '.join(map(str, self.neurons))}]"


class Linear(Layer):
    """The linear model y = Wx + b: n inputs, m outputs. Options as in `Neuron`, apart from the activation.

    >>> model = Linear(1, init="zeros")
    >>> model.neurons[0].b.data = 2.0
    >>> model([5.0]).data
    2.0
    >>> list(Linear(2, init="zeros", bias=False).state_dict())
    ['neurons[0].w[0]', 'neurons[0].w[1]']
    """

    def __init__(
        self,
        nin: int,
        nout: int = 1,
        init: str | Initialiser = "uniform",
        rng: RandomNumbers = random,
        bias: bool = True,
    ) -> None:
        super().__init__(nin, nout, nonlin=False, init=init, rng=rng, bias=bias)


class MLP(Module):
    """A multi-layer perceptron: n inputs, then layers of the given widths.

    Hidden layers have the `activation`, the last one has `output`, linear unless said otherwise; `init`, `rng` and
    `bias` as in `Neuron`.

    >>> model = MLP(2, [3, 1], activation="tanh", rng=random.Random(1))
    >>> len(model.parameters()), model.layers[0].neurons[2].w[1].label
    (13, 'layers[0].neurons[2].w[1]')
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: str | Activation = "relu",
        output: str | Activation = "linear",
        init: str | Initialiser = "uniform",
        rng: RandomNumbers = random,
        bias: bool = True,
    ) -> None:
        if not isinstance(nouts, Iterable):
            raise TypeError(f"an MLP takes a list of the widths of its layers, as in MLP(2, [16, 1]), not {nouts!r}")
        nouts = list(nouts)
        if not nouts:
            raise ValueError("an MLP needs the width of at least one layer, as in MLP(2, [16, 1])")
        _named(ACTIVATIONS, output, "activation")  # before a layer is made, and random numbers are used
        widths = [nin, *nouts]
        self.layers = [
            Layer(n, m, nonlin=function != "linear", activation=function, init=init, rng=rng, bias=bias)
            for n, m, function in zip(widths, nouts, [activation] * (len(nouts) - 1) + [output])
        ]

    def forward(self, x: Sequence[Scalar] | Scalar) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


class Sequential(Module):
    """Modules, or functions, one after the other.

    An operation on one number, such as `tg.tanh`, `Value.relu` or one made by `define_op`, is applied to each number of
    a list; any other function, `tg.softmax` too, gets the list as a whole.

    >>> from tinygrad_edu import softmax, tanh
    >>> model = Sequential(Linear(2, 1), tanh, Linear(1, 2), softmax)
    >>> model
    Sequential of [Linear of [LinearNeuron(2)], tanh, Linear of [LinearNeuron(1), LinearNeuron(1)], softmax]
    >>> round(sum(model([0.5, -1.0])).data, 12)
    1.0
    >>> model.modules[2].neurons[0].b.label
    'modules[2].neurons[0].b'
    """

    def __init__(self, *modules: Callable[[Any], Any]) -> None:
        for module in modules:
            if not callable(module):
                raise TypeError(f"Sequential takes modules and functions, not {described(module)}")
        self.modules = list(modules)

    def forward(self, x: Any) -> Any:
        for module in self.modules:
            each = _is_of_one_number(module) and _is_sequence(x)
            x = [module(v) for v in x] if each else module(x)
        return x

    def __repr__(self) -> str:
        return f"Sequential of [{', '.join([getattr(m, '__name__', str(m)) for m in self.modules])}]"


# The functions of the table on one number, and the methods of Value that are the same.
_OF_ONE_NUMBER = [
    getattr(place, name)
    for name in (*[name for name, op in OPS.items() if len(op.partials) == 1], "leaky_relu", "elu")
    for place in (functional, Value)
    if hasattr(place, name)
]


def _is_of_one_number(function: Any) -> bool:
    """Whether it is one of these, or made by `define_op` for one input."""
    op = getattr(function, "op", None)
    if isinstance(op, Op) and op.every:
        parameters = signature(op.every).parameters.values()
        kinds = [parameter.kind for parameter in parameters if parameter.default is Parameter.empty]  # m, y, and inputs
        return len(kinds) == 3 and Parameter.VAR_POSITIONAL not in kinds
    return any(function is one for one in _OF_ONE_NUMBER)


_DOT = OPS["dot"]


class _Nodes(tuple[Value, ...]):
    """The inputs of a layer, which have been looked at: it hands them on to all its neurons."""

    __slots__ = ()


def _nodes(x: Any, n: int) -> _Nodes:
    """The n inputs of a layer as nodes; a single number, as a layer of width 1 returns it, is one input."""
    xs: Sequence[Any] = x if isinstance(x, (list, tuple)) else _listed(x)
    if isinstance(xs, _Nodes) and len(xs) == n:
        return xs
    try:
        if len(xs) != n:
            raise ValueError(f"this model takes {n} inputs a sample, not {len(xs)}")
        return _Nodes([_node(v) for v in xs])
    except (TypeError, ValueError):
        if any(map(_is_sequence, xs)) and not any(isinstance(v, str) for v in xs):
            way_out = f"this model takes one sample at a time, {n} inputs: for all samples, [model(x) for x in X]"
            raise TypeError(way_out) from None
        raise


def _node(x: Any) -> Value:
    return x if isinstance(x, Value) else constant(x)


def _listed(x: Any) -> list[Any]:
    if isinstance(x, (Mapping, Set)):
        raise TypeError(f"a sample is a list of numbers, in order, not {described(x)}")
    return [*x] if _is_sequence(x) else [_node(x)]


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Iterable) and not is_number(x)


def _named(table: dict[str, Any], name: Any, what: str) -> Any:
    """The function of that name; a function stands for itself."""
    if isinstance(name, str) and name in table:
        return table[name]
    if not callable(name):
        raise ValueError(f"there is no {what} {name!r}; choose one of {', '.join(table)}, or pass a function")
    return name


def _positive(n: int, what: str) -> None:
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"the number of {what} is an int of 1 or more, not {n!r}")


def _title(activation: Any) -> str:
    if activation == "relu":
        return "ReLU"  # as micrograd prints it
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", "Custom")
    return name.title().replace("_", "")
