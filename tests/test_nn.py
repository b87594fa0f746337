"""Models: shapes, parameters and their names, initial numbers, files."""

import abc
import copy
import dataclasses
import functools
import inspect
import json
import math
import os
import pickle
import random
import stat
import threading
from pathlib import Path

import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.engine import Value


def numbers(values: object) -> list[float]:
    return [v.data for v in values]


# ---- parameters and their names --------------------------------------------------------------------------------------
def test_parameters_are_labelled_by_where_they_stand():
    model = nn.MLP(2, [4, 1])
    names = [p.label for p in model.parameters()]
    assert names[:3] == ["layers[0].neurons[0].w[0]", "layers[0].neurons[0].w[1]", "layers[0].neurons[0].b"]
    assert "layers[0].neurons[3].w[1]" in names
    assert names == list(model.state_dict()) == [name for name, _ in model.named_parameters()]


def test_a_label_that_the_user_chose_stays():
    class Line(nn.Module):
        def __init__(self) -> None:
            self.a = Value(1.0, label="slope")
            self.b = Value(2.0)
            self.alpha = Value(3.0, label="a")  # though "alpha" ends with "a"

    assert [p.label for p in Line().parameters()] == ["slope", "b", "a"]


@dataclasses.dataclass
class Line(nn.Module):
    slope: Value
    offset: Value = dataclasses.field(default_factory=lambda: Value(0.5))

    def forward(self, x: float) -> Value:
        return self.slope * x + self.offset


def test_it_makes_no_difference_how_a_module_is_built():
    class Heir(nn.Layer):  # has no __init__ of its own
        pass

    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [Heir(1, 1)]

    class Abstract(nn.Module, abc.ABC):
        def __init__(self) -> None:
            self.w = Value(1.0)

        @abc.abstractmethod
        def forward(self, x: Value) -> Value: ...

    class Concrete(Abstract):
        def forward(self, x: Value) -> Value:
            return self.w * x

    @dataclasses.dataclass(frozen=True, eq=False)
    class Frozen(nn.Module):
        lines: list[Line]

    for model, names in (
        (Line(Value(1.0)), ["slope", "offset"]),
        (dataclasses.replace(Line(Value(1.0)), offset=Value(2.0)), ["slope", "offset"]),
        (Heir(1, 1), ["neurons[0].w[0]", "neurons[0].b"]),
        (Late(), ["parts[0].neurons[0].w[0]", "parts[0].neurons[0].b"]),
        (Concrete(), ["w"]),
        (
            Frozen([Line(Value(1.0, label="mine")), Line(Value(2.0))]),
            ["mine", *(f"lines[{i}].{name}" for i, name in ((0, "offset"), (1, "slope"), (1, "offset")))],
        ),
        (
            nn.Sequential(nn.Sequential(Line(Value(1.0)))),
            ["modules[0].modules[0].slope", "modules[0].modules[0].offset"],
        ),
    ):
        assert [p.label for p in model.parameters()] == names
    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_help_shows_the_arguments_of_a_module():
    assert str(inspect.signature(Line)).startswith("(slope: ")
    assert list(inspect.signature(nn.Linear).parameters) == ["nin", "nout", "init", "rng", "bias"]


def test_the_inputs_of_a_model_have_the_names_of_its_arguments():
    class Called(nn.Module):
        def __call__(self, height: float, width: float) -> float:
            return height * width

    assert tg.record(nn.Linear(1), [1.0]).source("python").startswith("def Linear(x, w, b)")
    assert tg.record(Line(Value(1.0)), 1.0).source("python").startswith("def Line(x, slope, offset)")
    assert tg.record(Called(), 1.0, 2.0).source("python").startswith("def Called(height, width)")


def test_parameters_are_found_in_lists_tuples_dicts_and_modules_and_each_only_once():
    class Odd(nn.Module):
        def __init__(self) -> None:
            shared = Value(1.0)
            self.shared = shared
            self.again = [shared, (Value(2.0), {"key": Value(3.0)})]
            self.inner = nn.Neuron(1, init="zeros")
            self.computed = shared * 2.0  # not a leaf, so not a parameter
            self.text = "no parameter"

    model = Odd()
    assert numbers(model.parameters()) == [1.0, 2.0, 3.0, 0.0, 0.0]
    assert list(model.state_dict()) == ["shared", "again[1][0]", "again[1][1]['key']", "inner.w[0]", "inner.b"]


def test_parameters_are_found_in_numpy_arrays():
    np = pytest.importorskip("numpy")

    class Model(nn.Module):
        def __init__(self) -> None:
            self.W = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
            self.mean = np.array([5.0, 6.0])

    assert Model().state_dict() == {"W[0][0]": 1.0, "W[0][1]": 2.0, "W[1][0]": 3.0, "W[1][1]": 4.0}


def test_a_module_may_know_its_parent_and_share_its_parts():
    class Tree(nn.Module):
        def __init__(self, depth: int, parent: "Tree | None" = None) -> None:
            self.parent = parent
            self.w = Value(float(depth))
            self.left = self.right = Tree(depth - 1, self) if depth else None

    model = Tree(40)  # 2⁴⁰ paths lead to its leaves
    assert len(model.parameters()) == 41
    assert list(model.state_dict())[:3] == ["w", "left.w", "left.left.w"]


def test_a_list_may_hold_itself_and_a_module_too():
    class Endless(nn.Module):
        def __init__(self) -> None:
            self.items: list[object] = [Value(1.0)]
            self.items += [self.items, {"me": self, "all": self.items}, (Value(2.0), self.items)]

    model = Endless()
    assert list(model.state_dict()) == ["items[0]", "items[3][0]"]
    model.load_state_dict({"items[0]": 3.0, "items[3][0]": 4.0})
    assert numbers(model.parameters()) == [3.0, 4.0]


def test_an_array_may_hold_itself():
    np = pytest.importorskip("numpy")

    class Endless(nn.Module):
        def __init__(self) -> None:
            self.W = np.array([Value(1.0), None, Value(2.0)])
            self.W[1] = self.W

    assert Endless().state_dict() == {"W[0]": 1.0, "W[2]": 2.0}


def test_what_new_lists_hold_is_found_though_old_ones_are_gone():
    """An array makes lists of its own, one after the other, at the place in memory that the last one has left."""
    np = pytest.importorskip("numpy")

    class Many(nn.Module):
        def __init__(self) -> None:
            self.parts = [np.array([[Value(float(i))]]) for i in range(50)]

    assert numbers(Many().parameters()) == [float(i) for i in range(50)]


def test_modules_and_lists_may_be_nested_to_any_depth(tmp_path: Path):
    inner: object = nn.Linear(1, init="zeros")
    for _ in range(150):
        inner = nn.Sequential(inner)
    for _ in range(1500):
        inner = [inner]

    class Deep(nn.Module):
        def __init__(self) -> None:
            self.inner = inner

    model = Deep()
    (w, _), (b, p) = model.named_parameters()
    path = "inner" + "[0]" * 1500 + ".modules[0]" * 150 + ".neurons[0]"
    assert (w, b, p.label) == (f"{path}.w[0]", f"{path}.b", b)
    model.save(tmp_path / "deep.json")
    model.load(tmp_path / "deep.json")
    model.zero_grad()
    while isinstance(inner, list):
        (inner,) = inner
    assert inner([3.0]).data == 0.0


def test_zero_grad_clears_every_parameter():
    model = nn.MLP(2, [3, 1])
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


# ---- shapes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("widths", [(1, [1]), (1, [1, 1]), (2, [1, 3]), (1, [3, 1]), (3, [1, 1, 2])])
def test_width_1_works_anywhere(widths: tuple[int, list[int]]):
    nin, nouts = widths
    out = nn.MLP(nin, nouts)([0.5] * nin)
    assert isinstance(out, Value) if nouts[-1] == 1 else len(out) == nouts[-1]


def test_a_model_of_one_input_takes_a_bare_number():
    model = nn.Linear(1, init="zeros")
    assert model(3.0).data == model([3.0]).data == model(Value(3.0)).data == 0.0


@pytest.mark.parametrize(
    "model",
    [nn.Neuron(3), nn.Layer(3, 2), nn.Linear(3), nn.MLP(3, [2, 1]), nn.Sequential(nn.Layer(3, 2), nn.Linear(2))],
)
def test_the_wrong_number_of_inputs_is_an_error(model: nn.Module):
    with pytest.raises(ValueError, match="takes 3 inputs a sample, not 2"):
        model([1.0, 2.0])


def test_a_linear_model_is_Wx_plus_b():  # noqa: N802
    model = nn.Linear(2, 3)
    W = [numbers(neuron.w) for neuron in model.neurons]
    for i, neuron in enumerate(model.neurons):
        neuron.b.data = float(i)
    expected = [row[0] * 0.5 + row[1] * -2.0 + i for i, row in enumerate(W)]
    assert numbers(model([0.5, -2.0])) == pytest.approx(expected, rel=1e-15)


def test_sequential_is_one_after_the_other():
    first, second = nn.Layer(2, 3), nn.Linear(3)
    model = nn.Sequential(first, lambda hidden: [v * 2.0 for v in hidden], second)
    assert model([1.0, 2.0]).data == second([v * 2.0 for v in first([1.0, 2.0])]).data
    assert len(model.parameters()) == 9 + 4


def test_a_layer_calls_its_neurons_whatever_they_compute():
    class Doubled(nn.Neuron):
        def __call__(self, x: object) -> Value:
            return 2.0 * super().__call__(x)

    layer = nn.Layer(2, 2)
    plain = numbers(layer([1.0, 2.0]))
    for neuron in layer.neurons:
        neuron.__class__ = Doubled
    assert numbers(layer([1.0, 2.0])) == [2.0 * x for x in plain]


def test_a_numpy_scalar_is_one_input():
    np = pytest.importorskip("numpy")
    model = nn.Linear(1)
    assert model(np.array(0.5)).data == model(np.float64(0.5)).data == model(0.5).data


def test_numpy_rows_are_inputs_like_any_other():
    np = pytest.importorskip("numpy")
    model = nn.MLP(2, [2, 1])
    assert model(np.array([0.5, -1.0])).data == model([0.5, -1.0]).data


# ---- forward, as PyTorch calls it ------------------------------------------------------------------------------------
def test_a_module_computes_in_forward_or_in_call():
    assert Line(Value(2.0))(3.0).data == 6.5

    class Options(nn.Module):
        def forward(self, x: float, *, scale: float = 1.0) -> float:
            return scale * x

    assert Options()(3.0, scale=2.0) == 6.0


def test_a_class_of_ones_own_goes_on_from_a_forward_or_from_a_call():
    class Doubled(nn.Linear):
        def forward(self, x: object) -> Value:
            return 2.0 * super().forward(x)

    class Tripled(nn.Linear):
        def __call__(self, x: object) -> Value:
            return 3.0 * super().__call__(x)

    class Template(nn.Module):
        def __call__(self, x: float) -> float:
            return 10.0 * self.forward(x)

    class Filled(Template):
        def forward(self, x: float) -> float:
            return x + 1.0

    for kind, factor in ((nn.Linear, 1.0), (Doubled, 2.0), (Tripled, 3.0)):
        model = kind(1, init="zeros")
        model.neurons[0].b.data = 0.5
        assert (model([1.0]).data, model.forward([1.0]).data) == (0.5 * factor, 0.5 * (2.0 if kind is Doubled else 1.0))
    assert Filled()(1.0) == 20.0


# ---- functions in a Sequential ---------------------------------------------------------------------------------------
OF_ONE = """
exp expm1 log log1p sqrt sin cos tan asin acos atan sinh cosh tanh erfc
sigmoid softplus relu gelu silu leaky_relu elu abs sign step
""".split()


@pytest.mark.parametrize("name", OF_ONE)
def test_an_operation_on_one_number_is_applied_to_each(name: str):
    function = getattr(tg, name)
    for f in (function, getattr(Value, name)):
        model = nn.Sequential(lambda x: [v * 1.0 for v in x], f)
        x = [Value(0.25), Value(0.5)]
        assert numbers(model(x)) == [function(0.25), function(0.5)]
        assert numbers(model(tuple(x))) == numbers(model(x))
    assert nn.Sequential(function)(Value(0.5)).data == nn.Sequential(function)(0.5) == function(0.5)


def test_an_operation_of_ones_own_with_a_default_takes_one_number_too():
    twice = tg.define_op("twice", lambda m, x, n=2.0: x * n, lambda m, y, x, n=2.0: (n,))
    assert nn.Sequential(twice)([1.0, 2.0]) == [2.0, 4.0]


def test_a_module_finds_what_stands_in_slots():
    @dataclasses.dataclass(slots=True)
    class Line(nn.Module):
        a: Value
        b: Value

        def forward(self, x: float) -> Value:
            return self.a * x + self.b

    line = Line(Value(1.0), Value(2.0))
    assert [(name, p.label, p.data) for name, p in line.named_parameters()] == [("a", "a", 1.0), ("b", "b", 2.0)]
    assert line(3.0).data == 5.0


def test_any_other_function_gets_the_list_as_a_whole():
    def tanh(x: list[float]) -> str:  # of the same name, but another one
        return f"all {x}"

    x = [1.0, 2.0]
    assert nn.Sequential(tanh)(x) == "all [1.0, 2.0]"
    assert nn.Sequential(tg.softmax)(x) == tg.softmax(x)
    assert [nn.Sequential(f)(x) for f in (tg.total, tg.mean, tg.prod, tg.logsumexp)] == [3.0, 1.5, 2.0, tg.logsumexp(x)]
    assert nn.Sequential(lambda x: x[::-1], len)(x) == 2
    assert nn.Sequential(functools.partial(map, abs), list)([-1.0]) == [1.0]


def test_an_operation_of_ones_own_is_applied_to_each_if_it_takes_one_number():
    cube = tg.define_op("cube", lambda m, x: x * x * x, lambda m, y, x: (3.0 * x * x,))
    norm = tg.define_op("norm", lambda m, *xs: m.sqrt(sum(x * x for x in xs)), lambda m, y, *xs: [x / y for x in xs])
    mix = tg.define_op("mix", lambda m, a, b: a * b, lambda m, y, a, b: (b, a))
    assert nn.Sequential(cube)([2.0, 3.0]) == [8.0, 27.0]
    assert nn.Sequential(lambda x: x, lambda x: norm(*x))([3.0, 4.0]) == 5.0
    for several in (norm, mix):
        with pytest.raises(TypeError, match="list"):
            nn.Sequential(several)([3.0, 4.0])


def test_a_model_with_functions_learns_and_can_be_copied():
    model = nn.Sequential(nn.Linear(2, 4, rng=random.Random(0)), tg.tanh, nn.Linear(4, 1, rng=random.Random(1)))
    first, _, last = model.modules
    assert model([0.5, -1.0]).data == last([h.tanh() for h in first([0.5, -1.0])]).data
    model([0.5, -1.0]).backward()
    assert all(p.grad for p in model.parameters())
    assert pickle.loads(pickle.dumps(model))([0.5, -1.0]).data == model([0.5, -1.0]).data
    assert (
        str(nn.Sequential(tg.tanh, Value.relu, nn.Linear(1)))
        == "Sequential of [tanh, relu, Linear of [LinearNeuron(1)]]"
    )


# ---- without a bias --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda **o: nn.Neuron(2, activation="tanh", **o), "TanhNeuron(2, bias=False)"),
        (lambda **o: nn.Layer(2, 1, **o), "Layer of [ReLUNeuron(2, bias=False)]"),
        (lambda **o: nn.Linear(2, **o), "Linear of [LinearNeuron(2, bias=False)]"),
        (lambda **o: nn.MLP(2, [1], **o), "MLP of [Layer of [LinearNeuron(2, bias=False)]]"),
    ],
)
def test_without_a_bias_there_is_no_parameter_b(make: object, shown: str, tmp_path: Path):
    plain, biased = make(bias=False, rng=random.Random(0)), make(rng=random.Random(0))
    assert list(plain.state_dict().items()) == [(k, x) for k, x in biased.state_dict().items() if not k.endswith("b")]
    assert plain([0.5, -1.5]).data == biased([0.5, -1.5]).data  # which starts at 0
    assert len(plain.parameters()) == 2
    assert str(plain) == shown
    assert "bias" not in str(biased)
    plain.save(tmp_path / "model.json")
    twin = make(bias=False)
    twin.load(tmp_path / "model.json")
    assert twin.state_dict() == plain.state_dict()
    with pytest.raises(ValueError, match=r"1 missing \['.*b'\], 0 unknown"):
        biased.load(tmp_path / "model.json")


def test_a_neuron_without_a_bias_has_one_node_less():
    neuron = nn.Neuron(2, nonlin=False, bias=False)
    assert neuron.b is None
    assert neuron([1.0, 2.0])._op == "dot"
    assert nn.Neuron(2, nonlin=False).b.data == 0.0


# ---- activations -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", 0.0),
        ("tanh", math.tanh(-0.5)),
        ("sigmoid", 1 / (1 + math.exp(0.5))),
        ("softplus", math.log(1 + math.exp(-0.5))),
        ("leaky_relu", -0.005),
        ("elu", math.exp(-0.5) - 1),
        ("gelu", -0.5 * 0.5 * math.erfc(0.5 / math.sqrt(2))),
        ("silu", -0.5 / (1 + math.exp(0.5))),
        ("sin", math.sin(-0.5)),
        ("linear", -0.5),
    ],
)
def test_activations_by_name(name: str, expected: float):
    neuron = nn.Neuron(1, activation=name, init="zeros")
    neuron.b.data = -0.5
    assert neuron([0.0]).data == pytest.approx(expected, rel=1e-15)
    assert name in nn.ACTIVATIONS


def test_an_activation_may_be_a_function():
    neuron = nn.Neuron(1, activation=lambda z: z * z, init="zeros")
    neuron.b.data = 3.0
    assert neuron([0.0]).data == 9.0


def test_hidden_layers_have_relu_and_the_last_none_unless_said_otherwise():
    assert str(nn.MLP(2, [2, 1])) == (
        "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]"  # as micrograd prints it
    )
    assert "TanhNeuron(2)" in str(nn.MLP(2, [2, 1], activation="tanh"))
    assert "SigmoidNeuron(2)" in str(nn.MLP(2, [2, 1], output="sigmoid"))


# ---- initial numbers -------------------------------------------------------------------------------------------------
def test_by_default_the_numbers_are_micrograds():
    """One random.uniform(-1, 1) for each weight, in order, and biases of zero: a seeded script finds the same model."""
    random.seed(42)
    weights = [random.uniform(-1, 1) for _ in range(2 * 3 + 3)]
    random.seed(42)
    state = nn.MLP(2, [3, 1]).state_dict()
    assert [x for name, x in state.items() if ".w[" in name] == weights
    assert all(x == 0.0 for name, x in state.items() if name.endswith(".b"))


def test_a_generator_of_ones_own_makes_the_model_reproducible():
    first, second = (nn.MLP(2, [3, 1], rng=random.Random(7)).state_dict() for _ in range(2))
    assert first == second != nn.MLP(2, [3, 1], rng=random.Random(8)).state_dict()


@pytest.mark.parametrize(
    ("init", "bound"),
    [("uniform", 1.0), ("xavier", math.sqrt(6 / (50 + 40))), ("kaiming", math.sqrt(6 / 50)), ("zeros", 0)],
)
def test_initialisers_draw_from_their_intervals(init: str, bound: float):
    layer = nn.Layer(50, 40, init=init, rng=random.Random(0))
    assert nn.Linear(50, 40, init=init, rng=random.Random(0)).state_dict() == layer.state_dict()
    weights = [w.data for neuron in layer.neurons for w in neuron.w]
    assert max(map(abs, weights)) <= bound
    variance = sum(w * w for w in weights) / len(weights)
    assert variance == pytest.approx(bound**2 / 3, rel=0.1)  # that of a uniform distribution


def test_an_initialiser_may_be_a_function():
    neuron = nn.Neuron(3, init=lambda rng, fan_in, fan_out: 1.0 / fan_in)
    assert numbers(neuron.w) == [1 / 3] * 3


# ---- files -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["float64", "float32", "int64"])
def test_a_state_is_of_plain_floats_whatever_the_numbers_were(tmp_path: Path, kind: str):
    np = pytest.importorskip("numpy")
    model = nn.Neuron(1)
    model.w[0].data, model.b.data = getattr(np, kind)(2), 3
    assert repr(model.state_dict()) == "{'w[0]': 2.0, 'b': 3.0}"
    model.save(tmp_path / "model.json")
    model.load_state_dict({"w[0]": getattr(np, kind)(4), "b": 5})
    assert repr(numbers(model.parameters())) == "[4.0, 5.0]"


def test_a_saved_model_comes_back_bit_by_bit(tmp_path: Path):
    model, other = nn.MLP(2, [3, 1]), nn.MLP(2, [3, 1])
    model.save(tmp_path / "model.json")
    other.load(tmp_path / "model.json")
    assert other.state_dict() == model.state_dict()
    document = json.loads((tmp_path / "model.json").read_text())
    assert (document["format"], document["version"]) == ("tinygrad_edu parameters", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_names_may_be_of_any_language(tmp_path: Path):
    class Model(nn.Module):
        def __init__(self, number: float) -> None:
            self.parts = {"größe η": Value(number)}

    Model(1.0).save(tmp_path / "model.json")
    other = Model(2.0)
    other.load(tmp_path / "model.json")
    assert other.state_dict() == {"parts['größe η']": 1.0}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", "not valid JSON"),
        ('{"format": "tinygrad_edu parameters", "version": 1, "param', "not valid JSON"),
        ("\x80binary", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1, 2]", "does not say that it is one"),
        ('{"format": "something else", "version": 1}', "does not say that it is one"),
        ('{"format": "tinygrad_edu parameters", "version": 99}', "version 99, this program reads version 1"),
        ('{"format": "tinygrad_edu parameters", "version": 1}', "holds no parameters"),
        ('{"format": "tinygrad_edu parameters", "version": 1, "parameters": {"w[0]": 1.0}}', r"1 missing \['b'\]"),
        ('{"format": "tinygrad_edu parameters", "version": 1, "parameters": {"w[0]": 1, "b": 1, "c": 1}}', "1 unknown"),
        ('{"format": "tinygrad_edu parameters", "version": 1, "parameters": {"w[0]": 1, "b": "x"}}', "not str 'x'"),
        ('{"format": "tinygrad_edu parameters", "version": 1, "parameters": {"w[0]": 1, "b": null}}', "not NoneType"),
        ('{"format": "tinygrad_edu parameters", "version": 1, "parameters": {"b": 1%s}}' % ("0" * 5000), "valid JSON"),
        (
            '{"format": "tinygrad_edu parameters", "version": 1, "parameters": {"w[0]": 1, "b": 1%s}}' % ("0" * 400),
            "parameter 'b' is too large for a float",
        ),
    ],
)
def test_a_file_that_is_not_one_is_an_error_and_changes_nothing(tmp_path: Path, content: str, words: str):
    path = tmp_path / "model.json"
    path.write_text(content, encoding="latin-1")
    model = nn.Neuron(1)
    before = model.state_dict()
    with pytest.raises(ValueError, match=words) as caught:
        model.load(path)
    assert "model.json" in str(caught.value)
    assert model.state_dict() == before


def test_a_missing_file_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.json"):
        nn.Neuron(1).load(tmp_path / "nothing.json")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = nn.Neuron(1)
    path = tmp_path / "model.json"
    model.save(path)
    before = path.read_text()

    def crash(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]


def test_a_link_stays_a_link(tmp_path: Path):
    target, link = tmp_path / "model.json", tmp_path / "link.json"
    link.symlink_to(target)
    model = nn.Neuron(1)
    model.save(link)
    assert link.is_symlink()
    assert json.loads(target.read_text())["parameters"] == model.state_dict()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400])
def test_a_file_keeps_its_permissions_and_is_never_open_to_others_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
):
    path, on_the_way, replace = tmp_path / "model.json", [], os.replace
    path.touch()
    path.chmod(mode)
    created = os.open

    def watched(name: str, flags: int, mode: int = 0o777, **options: object) -> int:
        file = created(name, flags, mode, **options)
        if str(name).endswith(".tmp"):
            on_the_way.append(permissions(name))
        return file

    def replaced(temporary: str, target: str) -> None:
        on_the_way.append(permissions(temporary))
        replace(temporary, target)

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(os, "replace", replaced)
    nn.Neuron(1).save(path)
    assert permissions(path) == on_the_way[1] == mode
    assert on_the_way[0] & ~mode == 0


def permissions(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_what_a_killed_program_left_open_to_all_is_not_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.json"
    left = tmp_path / f".model.json.{os.getpid()}.{threading.get_ident()}.tmp"
    for file, mode in ((path, 0o600), (left, 0o666)):
        file.touch()
        file.chmod(mode)
    with open(left) as somebody_reading:
        nn.Neuron(1).save(path)
        assert somebody_reading.read() == ""
    assert permissions(path) == 0o600


def test_a_new_file_has_the_usual_permissions(tmp_path: Path):
    nn.Neuron(1).save(tmp_path / "model.json")
    (tmp_path / "usual").touch()
    assert permissions(tmp_path / "model.json") == permissions(tmp_path / "usual")


def test_threads_that_write_one_file_do_not_mix(tmp_path: Path):
    path, errors = tmp_path / "model.json", []

    def write_and_read() -> None:
        model = nn.MLP(2, [8, 1])
        try:
            for _ in range(25):
                model.save(path)
                model.load(path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write_and_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]


def test_a_model_can_be_copied_and_pickled():
    model = nn.MLP(2, [3, 1], activation="tanh")
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.state_dict() == model.state_dict()
        assert twin([0.3, 0.4]).data == model([0.3, 0.4]).data
        twin.layers[0].neurons[0].b.data += 1.0
        assert twin.state_dict() != model.state_dict()
