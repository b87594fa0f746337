"""detect_anomaly: what it reports and at which line, what it leaves alone, and that nothing is left of it."""

import copy
import gc
import linecache
import pickle
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any

import pytest

import tinygrad_edu as tg
from tinygrad_edu import Value, grad, losses, modes, nn, optim, train
from tinygrad_edu.compiler import RecordingError
from tinygrad_edu.rules import FLOATS, OPS
from tinygrad_edu.testing import AnomalyError, detect_anomaly


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Whatever happens in the mode, afterwards nobody asks for one, and the class is as it was."""
    before = {
        name: thing for name, thing in vars(Value).items() if name != "__slotnames__"
    }  # which copyreg keeps there
    yield
    assert modes.inherited_modes() == ()
    assert {name: thing for name, thing in vars(Value).items() if name != "__slotnames__"} == before


# ---- what is reported, word for word ---------------------------------------------------------------------------------
SET_UP = "import tinygrad_edu as tg\nfrom tinygrad_edu import Value, grad, losses, nn, no_grad, optim\n"


def report(program: str) -> str:
    """The error that a program ends with in the mode, with its notes; the program stands in a file train.py."""
    program = dedent(program).strip("\n") + "\n"
    linecache.cache["train.py"] = (len(program), None, program.splitlines(keepends=True), "train.py")
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(SET_UP, scope)
    try:
        with detect_anomaly():
            exec(compile(program, "train.py", "exec"), scope)
    except Exception as error:
        lines = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
        return "\n".join(lines)
    finally:
        del linecache.cache["train.py"]
    return ""


MIXED = "old and new numbers would be mixed: take gradients before anything is changed, or compute the loss again"
DOUBLED = "compute the loss again in every step, or set the gradients to 0 in between, as zero_grad() does"
REPORTS = {
    "a leaf made of nan": (
        """
        x = Value(float("nan"), label="x")
        """,
        """
        AnomalyError: 'x' is nan
            it was made at train.py, line 1: x = Value(float("nan"), label="x")
        """,
    ),
    "what is made of a constant that is inf, where it is used": (
        """
        x = Value(1.0)
        y = x * float("inf")
        z = y + 1.0
        """,
        """
        AnomalyError: add gives inf at inf, 1.0
            add was made at train.py, line 3: z = y + 1.0
            its input inf was made at train.py, line 2: y = x * float("inf")
        """,
    ),
    "an inf that is born in an operation": (
        """
        a = Value(1e200, label="a")
        b = a * 2.0
        y = (a + 1.0) * b
        """,
        """
        AnomalyError: mul gives inf at 1e+200, 2e+200
            mul was made at train.py, line 3: y = (a + 1.0) * b
            its input 2e+200 was made at train.py, line 2: b = a * 2.0
        """,
    ),
    "an inf that is born in a function of the library": (
        """
        predictions = [Value(1e200), Value(0.0)]

        loss = losses.mse(predictions, [1.0, 2.0])
        """,
        """
        AnomalyError: dot gives inf at 1e+200, -2.0, 1e+200, -2.0
            dot was made at train.py, line 3: loss = losses.mse(predictions, [1.0, 2.0])  (in losses.mse)
        """,
    ),
    "an inf that is born under no_grad": (
        """
        x = Value(1e200)
        with no_grad():
            half = x / 2.0
            y = half * x
        """,
        """
        AnomalyError: mul gives inf at 5e+199, 1e+200
            mul was made at train.py, line 4: y = half * x
            its input 1e+200 was made at train.py, line 1: x = Value(1e200)
            its input 5e+199 was made at train.py, line 3: half = x / 2.0
        """,
    ),
    "a number that has been set, where it is used": (
        """
        w = Value(1.0, label="w")
        w.data = w.data / 1e-300 * 1e300
        y = w * 2.0
        """,
        """
        AnomalyError: the .data of 'w' is inf, and was 1.0
            it was made at train.py, line 1: w = Value(1.0, label="w")
            that was found at train.py, line 3: y = w * 2.0; the line that has set it is not known
        """,
    ),
    "a gradient that has been set, where gradients are taken": (
        """
        w = Value(1.0)
        w.grad = float("nan")
        (w * 2.0).backward()
        """,
        """
        AnomalyError: the .grad of a leaf is nan
            it was made at train.py, line 1: w = Value(1.0)
            that was found at train.py, line 3: (w * 2.0).backward(); the line that has set it is not known
        """,
    ),
    "a gradient that overflows": (
        """
        p = Value(1e-200, label="p")
        surprise = tg.log(p)
        loss = surprise * 1e150

        loss.backward()
        """,
        """
        AnomalyError: the gradient of 'p' is inf, going back through log at 1e-200 (node 'p')
            log was made at train.py, line 2: surprise = tg.log(p)
            its input 'p', 1e-200, was made at train.py, line 1: p = Value(1e-200, label="p")
            gradients were asked for at train.py, line 5: loss.backward()
        """,
    ),
    "a gradient of grad() that overflows": (
        """
        p = Value(1e-200, label="p")
        surprise = tg.log(p)
        slope = grad(surprise * 1e150, p)
        """,
        """
        AnomalyError: the gradient of 'p' is inf, going back through log at 1e-200 (node 'p')
            log was made at train.py, line 2: surprise = tg.log(p)
            its input 'p', 1e-200, was made at train.py, line 1: p = Value(1e-200, label="p")
            gradients were asked for at train.py, line 3: slope = grad(surprise * 1e150, p)
        """,
    ),
    "a gradient as a graph that overflows": (
        """
        p = Value(1e-200)
        surprise = tg.log(p)
        slope = grad(surprise * 1e150, p, create_graph=True)
        """,
        """
        AnomalyError: the gradient of a leaf is inf, going back through log at 1e-200
            log was made at train.py, line 2: surprise = tg.log(p)
            its input 1e-200 was made at train.py, line 1: p = Value(1e-200)
            gradients were asked for at train.py, line 3: slope = grad(surprise * 1e150, p, create_graph=True)
        """,
    ),
    "an optimizer's step between forward and backward": (
        """
        w = Value(1.0, label="w")
        optimizer = optim.SGD([w], lr=0.1)
        for step in range(2):
            loss = (w * 3.0 - 1.0) ** 2
            optimizer.step()
            optimizer.zero_grad()
            loss.backward()
        """,
        f"""
        AnomalyError: the graph is stale: 'w' was 1.0 when mul was computed from it, and is -0.20000000000000018 now
            mul was made at train.py, line 4: loss = (w * 3.0 - 1.0) ** 2
            gradients were asked for at train.py, line 7: loss.backward()
            {MIXED}
        """,
    ),
    "a change between forward and grad()": (
        """
        x = Value(2.0)
        y = x**3
        x.data = 5.0
        slope = grad(y, x, create_graph=True)
        """,
        f"""
        AnomalyError: the graph is stale: a leaf was 2.0 when power(3) was computed from it, and is 5.0 now
            power(3) was made at train.py, line 2: y = x**3
            gradients were asked for at train.py, line 4: slope = grad(y, x, create_graph=True)
            {MIXED}
        """,
    ),
    "a node that is overwritten": (
        """
        x = Value(0.0)
        y = x.tanh()
        y.data = 0.5
        y.backward()
        """,
        f"""
        AnomalyError: the graph is stale: a result of tanh was computed as 0.0, and is 0.5 now
            tanh was made at train.py, line 2: y = x.tanh()
            gradients were asked for at train.py, line 4: y.backward()
            {MIXED}
        """,
    ),
    "a second backward pass": (
        """
        w = Value(3.0)
        loss = w * w
        loss.backward()
        print(w.grad, end="")
        loss.backward()
        """,
        f"""
        AnomalyError: backward() is called a second time on a result of mul, and the gradients would be doubled
            the first time was at train.py, line 3: loss.backward()
            the second time is at train.py, line 5: loss.backward()
            mul was made at train.py, line 2: loss = w * w
            {DOUBLED}
        """,
    ),
    "what the engine refuses, with the line of the input": (
        """
        p = Value(0.5)
        q = p - 1.5
        y = tg.log(q)
        """,
        """
        ValueError: log is not defined at -1.0
        its input -1.0 was made at train.py, line 2: q = p - 1.5
        """,
    ),
    "a nan that the engine refuses": (
        """
        a = Value(1e308, label="a")
        y = tg.dot([a, a], [10.0, -10.0])
        """,
        """
        FloatingPointError: dot is not a number (nan) at 1e+308, 1e+308, 10.0, -10.0 (node 'a', 'a')
        its input 'a', 1e+308, was made at train.py, line 1: a = Value(1e308, label="a")
        """,
    ),
    "a derivative that the engine refuses, with the line of the node": (
        """
        x = Value(3.0)
        distance = x - 3.0
        loss = tg.sqrt(distance)
        total = loss + 1.0
        total.backward()
        """,
        """
        ZeroDivisionError: the derivative of sqrt is infinite at 0.0
        sqrt was made at train.py, line 3: loss = tg.sqrt(distance)
        its input 0.0 was made at train.py, line 2: distance = x - 3.0
        """,
    ),
    "the same in grad()": (
        """
        x = Value(0.0, label="x")
        y = tg.sqrt(x) + 1.0
        slope = grad(y, x)
        """,
        """
        ZeroDivisionError: the derivative of sqrt is infinite at 0.0 (node 'x')
        sqrt was made at train.py, line 2: y = tg.sqrt(x) + 1.0
        its input 'x', 0.0, was made at train.py, line 1: x = Value(0.0, label="x")
        """,
    ),
    "and as a graph": (
        """
        x = Value(0.0)
        y = tg.sqrt(x)
        slope = grad(y, x, create_graph=True)
        """,
        """
        ZeroDivisionError: the derivative of sqrt is infinite at 0.0
        sqrt was made at train.py, line 2: y = tg.sqrt(x)
        its input 0.0 was made at train.py, line 1: x = Value(0.0)
        """,
    ),
    "a parameter that a step has made too large": (
        """
        model = nn.Linear(1, 1, init="zeros")
        descent = optim.SGD(model.parameters(), lr=1e300)
        for _ in range(2):
            loss = model([1e8]) - 1.0
            loss.backward()
            descent.step()
        """,
        """
        AnomalyError: dot gives -inf at -1e+308, 100000000.0 (node 'neurons[0].w[0]')
            dot was made at train.py, line 4: loss = model([1e8]) - 1.0  (in nn.Module.__call__)
            its input 'neurons[0].w[0]', -1e+308, was made {MODEL}, as 0.0, and has been changed since
        """.replace(
            "{MODEL}", 'at train.py, line 1: model = nn.Linear(1, 1, init="zeros")  (in nn._ModuleMeta.__call__)'
        ),
    ),
    "at most three inputs, the largest": (
        """
        xs = [
            Value(0.1),
            Value(-1e308),
            Value(7.0),
            Value(-1e308),
            Value(0.2),
        ]
        y = tg.total(xs)
        """,
        """
        AnomalyError: total gives -inf at 0.1, -1e+308, 7.0, -1e+308, …
            total was made at train.py, line 8: y = tg.total(xs)
            its input -1e+308 was made at train.py, line 3: Value(-1e308),
            its input -1e+308 was made at train.py, line 5: Value(-1e308),
            its input 7.0 was made at train.py, line 4: Value(7.0),
        """,
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_what_is_reported_and_where(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, expected = REPORTS[name]
    assert report(program) == dedent(expected).strip("\n")


def test_the_line_is_the_users_own_wherever_the_library_calls_it() -> None:
    program = """
    class Growing(nn.Module):
        def __init__(self):
            self.w = Value(1.0)

        def __call__(self, x):
            return (self.w * x) * 1e300

    tg.train.fit(Growing(), [1e10], [0.0])
    """
    assert report(program).splitlines()[1:] == ["    mul was made at train.py, line 6: return (self.w * x) * 1e300"]


def test_a_lambda_that_the_library_calls_is_the_users_line_and_copies_are_made_by_whoever_asks() -> None:
    assert "line 2: lambda x: x * 1e200" in report(
        "\ntg.derivative(lambda x: x * 1e200)(Value(1e200))".replace("(lam", "(\nlam")
    )
    program = """
    import copy
    x = Value(1.0)
    y = copy.deepcopy(x * 2.0)
    y._prev[0].data = 7.0
    y.backward()
    """
    assert "mul was made at train.py, line 3: y = copy.deepcopy(x * 2.0)" in report(program)


def test_a_line_that_cannot_be_shown_is_named_by_its_number() -> None:
    with pytest.raises(AnomalyError) as error, detect_anomaly():
        exec("\nx = Value(float('inf'))", {"Value": Value})
    assert str(error.value) == "a leaf is inf\n    it was made at <string>, line 2"


def test_what_was_made_before_is_said_to_be_made_outside() -> None:
    w = Value(1.0, label="w")
    y = tg.sqrt(w - 1.0)
    with detect_anomaly():
        with pytest.raises(ZeroDivisionError) as refused:
            y.backward()
        w.data = 2.0
        with pytest.raises(
            AnomalyError, match=r"of sub is 0\.0, but with the present inputs it would be 1\.0"
        ) as stale:
            y.backward()
    assert refused.value.__notes__ == [
        "sqrt was made outside detect_anomaly",
        "its input 0.0 was made outside detect_anomaly",
    ]
    assert str(stale.value).splitlines()[1].strip() == "sub was made outside detect_anomaly"


def test_what_was_changed_before_or_by_a_thread_that_is_not_watched() -> None:
    with detect_anomaly():
        w = Value(1.0)
        y = w * 2.0
        in_a_thread(lambda: setattr(w, "data", 5.0))
        with pytest.raises(AnomalyError, match=r"a leaf was 1\.0 when mul was computed from it, and is 5\.0 now"):
            y.backward()


def test_a_graph_that_was_made_outside_is_computed_again_to_see_whether_it_is_stale() -> None:
    w = Value(1.0, label="w")
    y = (w * 2.0).relu() + 1.0
    with detect_anomaly():
        y.backward()
        w.data, w.grad = 5.0, 0.0
        with pytest.raises(AnomalyError, match=r"a result of mul is 2\.0, but with the present inputs it would be 10"):
            y.backward()


def test_an_error_in_a_gradient_is_explained_when_it_is_raised() -> None:
    with detect_anomaly():
        y = tg.sqrt(Value(0.0))
        for run in (y.backward, lambda: tg.grad(y, y._prev[0])):
            with pytest.raises(ZeroDivisionError) as error:
                run()
            assert error.value.__notes__[0].startswith("sqrt was made at")
            assert error.value.__notes__[0].endswith("y = tg.sqrt(Value(0.0))")


def test_the_cause_of_a_divergence_is_explained() -> None:
    model = nn.Linear(1, init="zeros")
    with pytest.raises(train.DivergenceError) as error, detect_anomaly():
        train.fit(model, [[1.0]], [-800.0], loss=lambda p, t: tg.exp(p[0] - t[0]))
    notes = error.value.__cause__.__notes__
    assert len(notes) == 1
    assert notes[0].startswith("its input 800.0 was made at")


def test_an_error_of_somebody_else_goes_through_as_it_is() -> None:
    for kind in (ValueError, KeyboardInterrupt, KeyError):
        with pytest.raises(kind, match="stop") as error, detect_anomaly():
            raise kind("stop")
        assert not hasattr(error.value, "__notes__")


def test_a_value_that_is_refused_is_no_trouble() -> None:
    with pytest.raises(TypeError) as error, detect_anomaly():
        Value("3")
    assert error.traceback  # which keeps the Value that has no number


def test_an_inf_from_the_slopes_of_a_rule_alone() -> None:
    steep = tg.define_op("steep", lambda m, x: x, lambda m, y, x: (1e200,))
    try:
        with detect_anomaly():
            x = Value(1.0)
            y = steep(steep(x))
            with pytest.raises(AnomalyError, match=r"the gradient of a leaf is inf, going back through steep"):
                grad(y, [x])
    finally:
        del OPS["steep"]


# ---- what is left alone ----------------------------------------------------------------------------------------------
def training(optimizer_of: Callable[[Any], optim.Optimizer]) -> list[float]:
    random.seed(1)
    model = nn.MLP(2, [3, 1])
    optimizer = optimizer_of(model.parameters())
    for _ in range(4):
        loss = losses.mse([model(x) for x in ([0.0, 1.0], [1.0, -1.0])], [1.0, 0.0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return list(model.state_dict().values())


def fitting(compiled: bool) -> list[float]:
    random.seed(1)
    model = nn.MLP(1, [3, 1])
    train.fit(model, [[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0], epochs=5, batch_size=2, shuffle=True, compile=compiled)
    return list(model.state_dict().values())


def gradients_set_to_none() -> float:
    w = Value(1.0)
    for _ in range(3):
        loss = w * w
        loss.backward()
        w.data -= 0.1 * w.grad
        w.grad = None
    return w.data


def accumulated_gradients() -> float:
    w = Value(1.0)
    for x in (1.0, 2.0, 3.0):
        (w * x).backward()
    return w.grad


def two_losses_of_one_graph() -> float:
    w = Value(2.0)
    shared = w * w
    (shared + 1.0).backward()
    (shared * 3.0).backward()
    return w.grad


def backward_again_after_zero_grad() -> float:
    w, x = Value(2.0), Value(3.0)
    loss = w * x
    loss.backward()
    w.grad = 0.0
    loss.backward()
    return w.grad


def backward_again_after_a_failure() -> float:
    x = Value(0.0)
    y = tg.sqrt(x)
    with pytest.raises(ZeroDivisionError):
        y.backward()
    with pytest.raises(ZeroDivisionError):
        y.backward()
    return x.grad


def a_number_that_is_set_back() -> float:
    w = Value(2.0)
    loss = w * w
    for trial in (3.0, 2.0):
        w.data = trial
    loss.backward()
    return w.grad


def gradients_twice() -> list[Any]:
    x = Value(2.0)
    slope = grad(x**3, x, create_graph=True)
    return [slope.data, grad(slope, x), grad(slope, x), tg.hessian(lambda a, b: a**2 * b)(2.0, 3.0)]


def infinite_bounds() -> list[float]:
    x = Value(2.0)
    y = x.clamp(0.0, float("inf")) * x.clamp(float("-inf"), 5.0)
    return [grad(y, x), grad(y, x, create_graph=True).data]


def nan_that_was_there_before() -> float:
    return grad(NAN, NAN._prev[0])


def micrograds_way() -> float:
    x = Value(3.0)
    y = x * x
    y.grad = 1.0
    y._backward()
    return x.grad


NAN = Value(float("nan")) * 2.0  # made outside: that it is nan is not news, and that nan is not nan neither
HARMLESS: dict[str, Callable[[], Any]] = {
    "a training loop": lambda: training(lambda ps: optim.Adam(ps, lr=0.1)),
    "a training loop with momentum": lambda: training(lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9)),
    "fit": lambda: fitting(compiled=False),
    "compiled fit": lambda: fitting(compiled=True),
    "a compiled function": lambda: tg.compile(lambda x: x * x)(3.0),
    "value_and_grad": lambda: tg.value_and_grad(lambda x, y: x * y)(2.0, 3.0),
    **{
        f.__name__.replace("_", " "): f
        for f in (
            gradients_set_to_none,
            accumulated_gradients,
            two_losses_of_one_graph,
            backward_again_after_zero_grad,
            backward_again_after_a_failure,
            a_number_that_is_set_back,
            gradients_twice,
            infinite_bounds,
            nan_that_was_there_before,
            micrograds_way,
        )
    },
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_in_order_gives_the_same_numbers_as_without(name: str) -> None:
    expected = HARMLESS[name]()
    with detect_anomaly():
        assert HARMLESS[name]() == expected


def test_numbers_are_the_plain_ones_that_they_are() -> None:
    with detect_anomaly():
        v = Value(2, label="v")
        y = v * 3.0
        assert [type(x.data) for x in (v, y)] == [float, float]
        assert repr(y) == "Value(data=6.0, grad=0.0)"
        assert (v > 1.0, bool(v), v == 2.0) == (True, True, True)
        v.data = 7
        assert type(v.data) is int
        restored, copied = pickle.loads(pickle.dumps(y)), copy.deepcopy(y)
    assert (v.data, y.data, restored.data, copied.data) == (7, 6.0, 6.0, 6.0)
    assert pickle.dumps(restored) == pickle.dumps(pickle.loads(pickle.dumps(restored)))


# ---- the mode itself -------------------------------------------------------------------------------------------------
def in_a_thread(f: Callable[[], Any]) -> Any:
    """What it returns, or the error that it raises."""
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(f())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


def stale() -> None:
    w = Value(1.0)
    loss = w * 2.0
    w.data = 3.0
    loss.backward()


def test_it_is_over_when_the_block_is_left() -> None:
    with pytest.raises(AnomalyError), detect_anomaly():
        stale()
    stale()
    with detect_anomaly():
        w = Value(1.0)
        loss = w * 2.0
    loss.backward()
    loss.backward()
    w.data = float("inf")
    assert (w.data, w.grad) == (float("inf"), 4.0)


def test_what_it_knows_of_a_value_is_kept_with_it() -> None:
    with detect_anomaly():
        w = Value(1.0, label="w")
        loss = w * 2.0
        loss.backward()
    w.data = 3.0
    with detect_anomaly(), pytest.raises(AnomalyError, match=r"'w' was 1\.0 when mul was computed from it"):
        loss.backward()


def test_it_keeps_no_node_alive() -> None:
    with detect_anomaly():
        w = Value(1.0)
        before = sum(type(thing) is Value for thing in gc.get_objects())
        for _ in range(100):
            (w * 2.0 + 1.0).backward()
            w.grad = 0.0
        assert sum(type(thing) is Value for thing in gc.get_objects()) == before


def test_it_is_a_decorator_too() -> None:
    checked = detect_anomaly()(stale)
    for _ in range(2):
        with pytest.raises(AnomalyError, match="stale"):
            checked()


def test_inside_itself_it_changes_nothing() -> None:
    with detect_anomaly():
        w = Value(1.0)
        with detect_anomaly():
            loss = w * 2.0
        w.data = 2.0
        with pytest.raises(AnomalyError, match="stale"):
            loss.backward()


def test_other_threads_are_left_alone_and_may_have_a_mode_of_their_own() -> None:
    with detect_anomaly():
        w = Value(1.0)
        loss = w * 2.0
        assert in_a_thread(stale) is None
        assert isinstance(in_a_thread(detect_anomaly()(stale)), AnomalyError)
        w.data = 2.0
        with pytest.raises(AnomalyError, match=r"a leaf was 1\.0 when mul"):  # nothing of it was forgotten there
            loss.backward()


def test_recording_inside_keeps_its_guard_and_gets_plain_numbers() -> None:
    w = Value(2.0, label="w")
    with detect_anomaly():
        w.grad = 0.0
        tape = tg.record(lambda x: w * x + 1.0, 3.0).tape
        with pytest.raises(RecordingError, match="compares Values"):
            tg.record(lambda x: x if x > 0 else w, 3.0)
        with pytest.raises(AnomalyError, match="stale"):
            stale()
    assert [type(x) for x in tape.example] == [float, float]
    assert tape.replay(FLOATS, 3.0, 2.0) == [7.0]


def test_inside_a_trace_there_are_no_numbers_to_look_at() -> None:
    w = Value(2.0)
    assert tg.compile(detect_anomaly()(lambda x: x * w * 1e308))(3.0) == float("inf")
    with pytest.raises(RecordingError, match=r"sets the \.data"):
        tg.compile(detect_anomaly()(lambda x: setattr(w, "data", 1.0)))(1.0)


def test_a_compiled_gradient_that_has_overflowed_is_seen_where_gradients_are_taken() -> None:
    w = Value(1e-300)
    f = tg.compile(lambda x: w * x * x)
    with detect_anomaly():
        f.backward(1e200)
        with pytest.raises(AnomalyError, match=r"the \.grad of a leaf is inf"):
            (w * 2.0).backward()


def test_python_prints_what_was_noted() -> None:
    with pytest.raises(ValueError, match="log is not defined") as error, detect_anomaly():
        tg.log(Value(-1.0))
    assert traceback.format_exception(error.value)[-1].startswith("its input -1.0 was made at")
