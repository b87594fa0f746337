"""Models: linear ones, neurons, layers, networks; each a tree of Modules with parameters at its leaves.

A Module finds its parameters by looking through its own attributes, names them by where they are found
(`layers[0].neurons[3].w[1]`), and saves them as plain JSON. Losses are left to `losses.py`, updates to `optim.py`.
"""

import os
import random
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from inspect import Signature, signature
from math import sqrt
from typing import Any, Protocol, TypeAlias, TypeVar

from . import _io, functional
from ._interrupts import set_atomically
from ._samples import by_position, is_array, to_array
from ._validate import common_length, is_number, look_up, require_ints, require_names, require_random, to_float
from .engine import Value, make_constant, make_node
from .errors import FAILURES, api_boundary, describe, hide_inner_frames
from .modes import no_grad
from .ops import LEAF
from .rules import OPS, Op

Scalar: TypeAlias = Value | float
Activation: TypeAlias = Callable[[Value], Value]
M = TypeVar("M", bound="Module")


class RandomNumbers(Protocol):
    """A source of random numbers: a `random.Random`, or the module `random` itself."""

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""


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
LINEAR_ON_ONE_SIDE = (
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
)  # the activations that Kaiming's weights are made for

# Each draws one weight of a neuron with `fan_in` inputs in a layer of `fan_out` neurons. Sources: Glorot and Bengio,
# Understanding the difficulty of training deep feedforward neural networks, 2010; He et al., Delving Deep into
# Rectifiers, 2015.
INITIALISERS: dict[str, Initialiser] = {
    "uniform": lambda rng, fan_in, fan_out: rng.uniform(-1, 1),  # micrograd's
    "xavier": lambda rng, fan_in, fan_out: sqrt(6 / (fan_in + fan_out)) * rng.uniform(-1, 1),
    "kaiming": lambda rng, fan_in, fan_out: sqrt(6 / fan_in) * rng.uniform(-1, 1),
    "zeros": lambda rng, fan_in, fan_out: 0.0,
}


MANY = 200
"""For how many samples `predict` makes a program of a module: that takes as long as to call it a hundred times."""


class _ModuleMeta(ABCMeta):
    """The metaclass of `Module`: it labels the parameters of a module as soon as the module is built.

    So it makes no difference whether an `__init__` or a dataclass builds the module. Inner modules are built first: the
    outermost module labels last, with the longest names. It is an ABCMeta because a module may be an abstract class.
    """

    # With these hints an editor knows what is built, and its arguments from `__init__`.
    def __call__(cls: type[M], *args: Any, **kwargs: Any) -> M:  # type: ignore[misc]
        try:
            module: M = super().__call__(*args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            hide_inner_frames(error)
            raise
        for name, p in module.named_parameters():
            if not p.label or f".{name}".endswith(f".{p.label}"):  # a label that the user chose stays
                p.label = name
        return module

    @property
    def __signature__(cls) -> Signature:
        """For help and notebooks: the arguments are those of `__init__`, and not those of `__call__` above."""
        if cls.__init__ is object.__init__:  # type: ignore[misc]  # of the class itself, not of an instance
            return Signature()
        init = signature(cls.__init__)  # type: ignore[misc]
        return init.replace(parameters=[*init.parameters.values()][1:])


class Module(metaclass=_ModuleMeta):
    """The base class of all models.

    A subclass puts Values and Modules, or lists, tuples, dicts or arrays of them, into attributes, and computes its
    output in `forward`, or in `__call__`.

    Example:
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
        """Computes the output: calls `forward`."""
        try:
            return self.forward(*inputs, **options)
        except Exception as error:
            hide_inner_frames(error)
            raise

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Computes the output of the module; each subclass defines its own `forward`, or its own `__call__`.

        Args:
            *inputs: What the module is called with, such as one sample.
            **options: What it is called with by name.

        Returns:
            The output of the module.

        Raises:
            NotImplementedError: The subclass defines neither method.
        """
        methods = "a method __call__(self, x) or forward(self, x)"
        raise NotImplementedError(f"{type(self).__name__} needs {methods} that computes its output")

    @api_boundary
    def predict(self, X: Any) -> Any:
        """Computes the outputs of many samples as plain numbers; no graph is recorded.

        From `MANY` samples on it makes a program of the module, as `tinygrad_edu.compile` does, which gives the same
        numbers but for rounding. A module that no program can replay is called for each sample.

        Args:
            X: n samples, one or more, in any sequence, array or frame: sample i is what stands in place i.

        Returns:
            The n outputs, with a float in place of each Value, in a list. For an array, a frame or a series they are an
            array where they are numbers or rows of equally many.

        Raises:
            ValueError: There is no sample; and what the module raises, with the number of the sample.
            TypeError: X is no sequence.

        Example:
            >>> Linear(2, init="zeros").predict([[1.0, 2.0], [3.0, 4.0]])
            [0.0, 0.0]
        """
        samples = by_position("X", X)
        common_length(X=samples)
        outputs = None
        if len(samples) >= MANY:
            from .compiler.prediction import predict_many

            outputs = predict_many(self, samples)
        if outputs is None:
            with no_grad():
                outputs = [_predict_one(self, i, samples[i]) for i in range(len(samples))]
        return to_array(outputs) if is_array(samples) else outputs if isinstance(outputs, list) else outputs.tolist()

    @property
    def __signature__(self) -> Signature:
        """The arguments of the method that computes the output; `record` names the inputs by them."""
        return signature(self.forward if type(self).__call__ is Module.__call__ else self.__call__)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """All leaves that can be reached through the attributes.

        Yields:
            Each parameter once, with its path, as ("layers[0].neurons[2].w[1]", Value), in the order of the attributes.
        """
        yield from _find_parameters(self)

    def parameters(self) -> list[Value]:
        """All parameters.

        Returns:
            The n parameters, in the order of the attributes.
        """
        return [p for _, p in self.named_parameters()]

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to 0, as `backward()` adds to what is there."""
        for p in self.parameters():
            p.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """The numbers of all parameters, as plain data.

        Returns:
            The number of each parameter by its path.
        """
        return {name: to_float(p.data, f"parameter {name!r}") for name, p in self.named_parameters()}

    @api_boundary
    def load_state_dict(self, state: dict[str, float]) -> None:
        """Takes over the numbers of a `state_dict()`; where that fails, the model is as it was.

        Args:
            state: A number for the path of each parameter of this model.

        Raises:
            ValueError: The paths are not those of this model.
            TypeError: It is not a dict, or a number is none.
            OverflowError: A number is too large for a float.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"a state is a dict of numbers, as state_dict() gives it, not {type(state).__name__}")
        parameters = dict(self.named_parameters())
        require_names(f"these are not the parameters of this {type(self).__name__}", state, parameters)
        numbers = {name: to_float(x, f"parameter {name!r}") for name, x in state.items()}
        set_atomically([(p, "data", numbers[name]) for name, p in parameters.items()])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the parameters to a JSON file, in one step.

        Args:
            path: The file to write, as "parameters.json".

        Raises:
            OSError: The file cannot be written.
        """
        _io.write_json(path, "parameters", {"parameters": self.state_dict()})

    @api_boundary
    def load(self, path: str | os.PathLike[str]) -> None:
        """Takes over the parameters that `save` wrote for a model of the same shape; on an error, it is as it was.

        Args:
            path: The file to read.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file does not hold the parameters of such a model.
        """
        state = _io.read_json(path, "parameters").get("parameters")
        if not isinstance(state, dict):
            raise ValueError(f"{path} is not a parameters file: it holds no parameters")
        try:
            self.load_state_dict(state)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path}: {error}") from None


def _predict_one(module: Module, i: int, sample: Any) -> Any:
    """The output for sample i, as plain numbers."""
    try:
        return _to_plain(module(sample))
    except FAILURES as error:
        error.args = (f"{error}, in sample {i}",)
        raise


def _to_plain(y: Any) -> Any:
    """An output with a float in place of each Value, and a list in place of each array."""
    if isinstance(y, Value):
        return y.item()
    if isinstance(y, (list, tuple)):
        items = [*map(_to_plain, y)]
        return type(y)(*items) if hasattr(y, "_fields") else type(y)(items)
    if isinstance(y, dict):
        return {name: _to_plain(part) for name, part in y.items()}
    return _to_plain(y.tolist()) if is_array(y) else y


def _find_parameters(module: Module) -> Iterator[tuple[str, Value]]:
    """The leaves in a module, with their paths, at any depth.

    Each object is visited once: a module may have its parent as an attribute, and a list may hold itself.
    """
    seen: dict[int, Any] = {}  # keeps the objects alive, so that no new object gets the id of one that is gone
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
            parts = [(f"{path}.{name}" if path else name, item) for name, item in _read_attributes(thing).items()]
        elif isinstance(thing, (list, tuple)):
            parts = [(f"{path}[{i}]", item) for i, item in enumerate(thing)]
        elif isinstance(thing, dict):
            parts = [(f"{path}[{key!r}]", item) for key, item in thing.items()]
        elif str(getattr(thing, "dtype", "")) == "object":  # a NumPy array of Values
            parts = [(path, thing.tolist())]
        stack.extend(reversed(parts))


def _read_attributes(module: Module) -> dict[str, Any]:
    """The attributes of a module by their names: those in slots, as a dataclass may have them, and all others."""
    found = {}
    for cls in reversed(type(module).__mro__):
        names = vars(cls).get("__slots__", ())
        for name in [names] if isinstance(names, str) else names:
            if hasattr(module, name):
                found[name] = getattr(module, name)
    return {**found, **vars(module)}


class Neuron(Module):
    """A neuron, activation(w·x + b): n inputs, one output.

    One random number is drawn for each weight, in order; the bias starts at 0.

    Args:
        nin: The number of inputs, 1 or more.
        nonlin: False leaves the activation out.
        activation: A name from `ACTIVATIONS`, as "tanh", or a function of one Value.
        init: A name from `INITIALISERS`, as "xavier", or a function of `rng`, `nin` and `fan_out` that draws a weight.
        rng: A `random.Random`; by default the module `random`, which `random.seed` seeds.
        fan_out: The number of neurons in the layer, on which some initialisers depend.
        bias: False leaves the bias out; `neuron.b` then is None.

    Raises:
        ValueError: A name is unknown, `nin` is less than 1, or the neuron is called with another number of inputs.
        TypeError: `rng` draws no numbers, `nin` is no int, or the neuron is called with what is no list of numbers.

    Example:
        >>> neuron = Neuron(2, activation="tanh", rng=random.Random(0))
        >>> w1, w2 = [w.data for w in neuron.w]
        >>> neuron([1.0, -2.0]).data == Value(w1 - 2.0 * w2).tanh().data
        True
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
        require_ints(1, nin=nin)
        draw = _find_function("initialiser", init, INITIALISERS)
        _find_function("activation", activation, ACTIVATIONS)
        if nonlin not in (True, False):
            way_out = f"an activation is chosen by activation={nonlin!r}"
            raise ValueError(f"nonlin must be True or False, not {nonlin!r}: {way_out}")
        if bias not in (True, False):
            raise ValueError(
                f"bias must be True or False, not {bias!r}: neuron.b.data is the number that it starts with"
            )
        require_random(rng, "uniform")
        self.w = [Value(draw(rng, nin, fan_out)) for _ in range(nin)]
        self.b: Value | Any = Value(0.0) if bias else None  # Any: who asks for a bias need not check for None
        self.nonlin = nonlin
        self.activation = activation

    def forward(self, x: Sequence[Scalar] | Scalar) -> Value:
        """Computes activation(w·x + b).

        Args:
            x: One sample, n Values or numbers; where n is 1, it may be the number itself.

        Returns:
            The output, a node.
        """
        z = make_node(_DOT, (*self.w, *_to_inputs(x, len(self.w))))
        if self.b is not None:
            z = z + self.b
        activate: Activation = _find_function("activation", self.activation, ACTIVATIONS)
        return activate(z) if self.nonlin else z

    def __repr__(self) -> str:
        kind = _format_activation(self.activation) if self.nonlin else "Linear"
        return f"{kind}Neuron({len(self.w)}{'' if self.b is not None else ', bias=False'})"


class Layer(Module):
    """A layer: m neurons on the same n inputs.

    Args:
        nin: The number of inputs n, 1 or more.
        nout: The number of neurons m, 1 or more.
        **options: The options of `Neuron`, such as `activation`, `init`, `rng`, `bias`.

    Raises:
        ValueError: As for `Neuron`, and for `nout` less than 1.
        TypeError: As for `Neuron`, and for `nout` that is no int.

    Example:
        >>> layer = Layer(3, 2, init="zeros")
        >>> [v.data for v in layer([1.0, 2.0, 3.0])]
        [0.0, 0.0]
    """

    def __init__(self, nin: int, nout: int, **options: Any) -> None:
        require_ints(1, nout=nout)
        self.neurons = [Neuron(nin, fan_out=nout, **options) for _ in range(nout)]

    def forward(self, x: Sequence[Scalar] | Scalar) -> Any:
        """Computes the output of each neuron.

        Args:
            x: One sample, n Values or numbers; where n is 1, it may be the number itself.

        Returns:
            A list of m nodes; where m is 1, the node itself.
        """
        inputs = _to_inputs(x, len(self.neurons[0].w))
        out = [neuron(inputs) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def __repr__(self) -> str:
        return f"{type(self).__name__} of [{', '.join(map(str, self.neurons))}]"


class Linear(Layer):
    """The linear model y = Wx + b: n inputs, m outputs; a `Layer` without activations.

    Args:
        nin: The number of inputs n, 1 or more.
        nout: The number of outputs m, 1 or more.
        init: As for `Neuron`.
        rng: As for `Neuron`.
        bias: False leaves b out.

    Example:
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
    """A multi-layer perceptron: n inputs, hidden layers, and the last layer.

    Args:
        nin: The number of inputs n, 1 or more.
        nouts: The widths of all layers, the last one included; at least one.
        activation: The activation of the hidden layers, as for `Neuron`.
        output: The activation of the last layer.
        init: As for `Neuron`.
        rng: As for `Neuron`.
        bias: False leaves all biases out.

    Raises:
        ValueError: A name is unknown, there is no width, or a width is less than 1.
        TypeError: `nouts` is no list of ints.

    Example:
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
        _find_function("activation", output, ACTIVATIONS)  # before a layer is made, and random numbers are used
        widths = [nin, *nouts]
        self.layers = [
            Layer(n, m, nonlin=function != "linear", activation=function, init=init, rng=rng, bias=bias)
            for n, m, function in zip(widths, nouts, [activation] * (len(nouts) - 1) + [output])
        ]

    def forward(self, x: Sequence[Scalar] | Scalar) -> Any:
        """Computes one layer after the other.

        Args:
            x: One sample, n Values or numbers; where n is 1, it may be the number itself.

        Returns:
            The output of the last layer: a list of nodes; where its width is 1, the node itself.
        """
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


class Sequential(Module):
    """Modules, or functions, one after the other.

    An operation on one number, such as `tg.tanh`, `Value.relu` or one made by `define_op`, is applied to each number of
    a list. Any other function, such as `tg.softmax`, gets the list as a whole.

    Args:
        *modules: Modules and functions of one argument, in the order in which they are called.

    Raises:
        TypeError: One of them cannot be called.

    Example:
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
                raise TypeError(f"Sequential takes modules and functions, not {describe(module)}")
        self.modules = list(modules)

    def forward(self, x: Any) -> Any:
        """Calls one module after the other.

        Args:
            x: One sample, as the first module takes it.

        Returns:
            What the last module returns.
        """
        for module in self.modules:
            each = _is_elementwise(module) and _is_sequence(x)
            x = [module(v) for v in x] if each else module(x)
        return x

    def __repr__(self) -> str:
        return f"Sequential of [{', '.join([getattr(m, '__name__', str(m)) for m in self.modules])}]"


# The functions of the table on one number, and the methods of Value that are the same.
_ELEMENTWISE = [
    getattr(owner, name)
    for name in (
        *[name for name, op in OPS.items() if op.arity == 1 and op.name in functional.TABLE_NAMES],
        "leaky_relu",
        "elu",
    )
    for owner in (functional, Value)
    if hasattr(owner, name)
]


def _is_elementwise(function: Any) -> bool:
    """Whether a function is one of these, or made by `define_op` for one input."""
    op = getattr(function, "op", None)
    if isinstance(op, Op):
        return op.arity == 1
    return any(function is one for one in _ELEMENTWISE)


_DOT = OPS["dot"]


class _Inputs(tuple[Value, ...]):
    """The inputs of a layer, which have been checked: the layer hands them on to all its neurons."""

    __slots__ = ()


def _to_inputs(x: Any, n: int) -> _Inputs:
    """The n inputs of a layer as nodes; a single number, as a layer of width 1 returns it, is one input."""
    xs: Sequence[Any] = x if isinstance(x, (list, tuple)) else _to_list(x)
    if isinstance(xs, _Inputs) and len(xs) == n:
        return xs
    try:
        if len(xs) != n:
            raise ValueError(f"this model takes {n} inputs a sample, not {len(xs)}")
        return _Inputs([_to_node(v) for v in xs])
    except (TypeError, ValueError):
        if any(map(_is_sequence, xs)) and not any(isinstance(v, str) for v in xs):
            way_out = f"this model takes one sample at a time, {n} inputs: for all samples, [model(x) for x in X]"
            raise TypeError(way_out) from None
        raise


def _to_node(x: Any) -> Value:
    return x if isinstance(x, Value) else make_constant(x)


def _to_list(x: Any) -> list[Any]:
    """The inputs of a sample in a list."""
    if isinstance(x, (Mapping, Set)):
        raise TypeError(f"a sample is a list of numbers, in order, not {describe(x)}")
    return [*x] if _is_sequence(x) else [_to_node(x)]


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Iterable) and not is_number(x)


def _find_function(what: str, name: Any, table: dict[str, Any]) -> Any:
    """The function of that name; a function stands for itself."""
    return name if callable(name) else look_up(what, name, table, ", or pass a function")


def _format_activation(activation: Any) -> str:
    """An activation as `repr` names a neuron by it."""
    if activation == "relu":
        return "ReLU"  # as micrograd prints it
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", "Custom")
    return name.title().replace("_", "")
