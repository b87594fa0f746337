"""What a traceback shows of an error: the user's lines, and one line of ours below each that calls us."""

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tinygrad_edu as tg
from tinygrad_edu import Value, nn
from tinygrad_edu.errors import api_boundary, owner_of
from tinygrad_edu.testing import gradcheck
from tinygrad_edu.testing.anomalies import detect_anomaly
from tinygrad_edu.train._ingredients import Ingredients

LINE = [[1.0], [2.0], [3.0]], [2.0, 4.0, 6.0]


class LogModel(nn.Module):
    def __init__(self) -> None:
        self.w = Value(1.0)

    def forward(self, x: list[float]) -> Value:
        return tg.log(self.w * x[0] - 100.0)


def diverge(compiled: bool, lr: float = 1e6) -> None:
    model = nn.Linear(1, init="zeros")
    tg.train.fit(model, *LINE, optimizer=tg.optim.SGD(model.parameters(), lr=lr), epochs=99, compile=compiled)


def shown(call: Callable[[], Any]) -> list[str]:
    """The functions in the traceback of the error that a call raises, from the call on; ours with a star."""
    with pytest.raises(BaseException) as raised:  # noqa: PT011  # the errors themselves are tested elsewhere
        call()
    error = raised.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    frames = list(traceback.walk_tb(error.__traceback__))
    names = [
        frame.f_code.co_name + "*" * (owner_of(frame.f_code.co_filename, frame.f_globals["__name__"]) == "package")
        for frame, _ in frames
    ]
    return names[1:]  # without this function


@pytest.mark.parametrize(
    ("call", "ours"),
    [
        (lambda: Value(1.0) / 0.0, "forward"),
        (lambda: 1.0 / Value(0.0), "reflected"),
        (lambda: Value(-1.0) ** 0.5, "__pow__"),
        (lambda: 0.0 ** Value(-1.0), "__rpow__"),
        (lambda: Value(-1.0).log(), "method"),
        (lambda: tg.log(Value(-1.0)), "log"),
        (lambda: tg.log(-1.0), "log"),
        (lambda: tg.exp(Value(1e4)), "exp"),
        (lambda: tg.softmax([]), "softmax"),
        (lambda: tg.mean([Value(1.0), "2"]), "mean"),
        (lambda: tg.sqrt(Value(0.0)).backward(), "backward"),
        (lambda: tg.grad(tg.sqrt(x := Value(0.0)), x), "grad"),
        (lambda: nn.MLP(2, [4, 1])([1.0, 2.0, 3.0]), "__call__"),
        (lambda: nn.MLP(2, [4, 1], activation="tan"), "__call__"),
        (lambda: tg.losses.mse([Value(1.0)], [1.0, 2.0]), "mse"),
        (lambda: tg.optim.SGD([Value(1.0)], lr=-1.0), "__init__"),
        (lambda: tg.train.fit(nn.Linear(1), *LINE, epochs=-1), "fit"),
        (lambda: tg.train.fit(nn.Linear(1), LINE[0], [1.0]), "fit"),
        (lambda: tg.train.fit(nn.Linear(2), *LINE), "fit"),
        (lambda: tg.train.fit(nn.Linear(2), *LINE, compile=True), "fit"),
        (lambda: tg.record(3, 1.0), "record"),
        (lambda: tg.compile(3), "compile"),
        (lambda: tg.compile(lambda x: x)(1.0, 2.0), "__call__"),
        (lambda: tg.data.read_csv("there-is-no-such.csv"), "read_csv"),
        (lambda: tg.load("there-is-no-such.json"), "load"),
        (lambda: tg.data.split([1, 2], [1]), "split"),
        (lambda: gradcheck(lambda x: [x], 2.0), "gradcheck"),
    ],
)
def test_an_error_shows_the_users_line_and_one_of_ours(call: Callable[[], Any], ours: str):
    assert shown(call) == ["<lambda>", f"{ours}*"]


def test_divergence():
    for compiled in (False, True):
        assert shown(lambda: diverge(compiled)) == ["<lambda>", "diverge", "fit*"]  # noqa: B023


@pytest.mark.parametrize("compiled", [False, True])
def test_the_lines_of_the_users_model_stay(compiled: bool):
    inner = shown(lambda: tg.train.fit(LogModel(), *LINE, compile=compiled))
    assert inner == ["<lambda>", "fit*", "forward", "log*"]
    assert shown(lambda: LogModel()([1.0])) == ["<lambda>", "__call__*", "forward", "log*"]
    assert shown(lambda: nn.Sequential(LogModel())([1.0])) == ["<lambda>", "__call__*", "forward", "log*"]


def test_the_lines_of_a_function_that_we_call_stay():
    def f(x: Value) -> Value:
        return tg.log(x)

    for call in (lambda: tg.derivative(f, n=2)(-1.0), lambda: tg.hessian(f)(-1.0), lambda: tg.value_and_grad(f)(-1.0)):
        assert shown(call) == ["<lambda>", "function*", "f", "log*"]
    assert shown(lambda: tg.compile(f)(-1.0)) == ["<lambda>", "__call__*", "f", "log*"]
    assert shown(lambda: tg.compile(lambda x: x if x > 0 else -x)(1.0))[:3] == ["<lambda>", "__call__*", "<lambda>"]


def test_the_error_of_a_users_rule_is_the_cause():
    def value(m: Any, x: Any) -> Any:
        raise ValueError("the temperature is below 0 K")

    cold = tg.define_op("cold", value, lambda m, y, x: (1.0,))
    with pytest.raises(ValueError, match="cold is not defined at -1") as raised:
        cold(Value(-1.0))
    assert str(raised.value.__cause__) == "the temperature is below 0 K"


def test_a_cause_shows_the_users_lines_alone():
    class Exponential(nn.Module):
        def __init__(self) -> None:
            self.w = Value(1e3)

        def forward(self, x: list[float]) -> Value:
            return tg.exp(self.w * x[0])

    with pytest.raises(tg.train.DivergenceError) as raised:
        tg.train.fit(Exponential(), *LINE)
    cause = raised.value.__cause__
    assert cause
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(cause.__traceback__)] == ["forward", "exp"]
    with pytest.raises(tg.train.DivergenceError) as raised:
        diverge(compiled=False, lr=1e200)
    assert raised.value.__cause__
    assert raised.value.__cause__.__traceback__ is None


def test_an_interrupt_is_short_too():
    def interrupted(x: Value) -> Value:
        raise KeyboardInterrupt

    assert shown(lambda: tg.derivative(interrupted)(1.0)) == ["<lambda>", "function*", "interrupted"]


def test_a_boundary_is_the_same_function_to_all_who_look_at_it():
    assert tg.train.fit.__name__ == "fit"
    assert (tg.train.fit.__doc__ or "").startswith("Trains a model")
    assert shown(lambda: api_boundary(lambda: 1)(2)) == ["<lambda>"]  # type: ignore[call-arg]


def test_a_checkpoint_sees_the_function_behind_its_boundary():
    assert Ingredients({"loss": tg.losses.mse}).found == {"loss": "mse"}


def test_an_anomaly_names_the_function_and_not_its_boundary():
    with detect_anomaly(), pytest.raises(ValueError, match="log is not defined") as raised:
        tg.losses.cross_entropy([[Value(-1.0).log()]], [0])
    assert "api_boundary" not in "".join(traceback.format_exception(raised.value))


def test_development_mode_shows_everything(tmp_path: Path):
    file = tmp_path / "negative.py"
    file.write_text("import tinygrad_edu as tg\ntg.log(tg.Value(-1.0))\n")
    short, full = (
        subprocess.run([sys.executable, *options, file], capture_output=True, text=True).stderr
        for options in ([], ["-X", "dev"])
    )
    assert short.count("  File ") == 2
    assert full.count("  File ") > 4
    assert short.splitlines()[-1] == full.splitlines()[-1] == "ValueError: log is not defined at -1.0"
