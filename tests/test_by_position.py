"""Whatever people hold data in is read by position: sample i is what stands in place i, whatever labels say.

Frames, series, arrays and plain sequences go through the same doors, `fit`, `evaluate`, `predict`, `batches`, `split`,
`Table`, the scores and the losses, and come out with the same numbers as lists do. Batches of one's own are at the end.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Value, data, losses, nn, optim
from tinygrad_edu._samples import by_position, take, to_columns
from tinygrad_edu.train import DivergenceError, evaluate, fit

XS = [0.5, -1.0, 0.25, 1.0, -0.5, 0.0]
YS = [2.0 * x + 1.0 for x in XS]
LABELS = [3, 3, 0, 5, 1, 2]  # neither sorted nor all different


class Dataset:
    """As those of `datasets`: a length, and an item for an int, and nothing else."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Any:
        if type(i) is not int:
            raise TypeError(f"an item of a data set has an int, not {i!r}")
        return self._rows[i]


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=LABELS)


HELD: dict[str, tuple[Any, Any]] = {
    "lists": ([[x] for x in XS], YS),
    "tuples": (tuple([(x,) for x in XS]), tuple(YS)),
    "single numbers": (XS, YS),
    "pandas": (frame(x=XS), pd.Series(YS, index=LABELS)),
    "pandas, sorted": (frame(x=XS).sort_values("x"), pd.Series(YS).sort_values()),
    "pandas, the other way": (frame(x=sorted(XS, reverse=True)), pd.Series(YS).sort_values(ascending=False)),
    "pandas series": (pd.Series(XS, index=LABELS), pd.Series(YS, index=LABELS)),
    "pandas index": (pd.Index(XS), pd.Index(YS)),
    "pandas nullable": (frame(x=pd.array(XS, dtype="Float64")), pd.Series(YS, dtype="Float64")),
    "pandas Arrow": (frame(x=pd.array(XS, dtype="float64[pyarrow]")), pd.Series(YS, dtype="float64[pyarrow]")),
    "pandas objects": (frame(x=pd.array(XS, dtype=object)), pd.Series(YS, dtype=object)),
    "Polars": (pl.DataFrame({"x": XS}), pl.Series(YS)),
    "Polars series": (pl.Series(XS), pl.Series(YS)),
    "Polars lists": (pl.Series([[x] for x in XS]), pl.Series(YS)),
    "PyArrow": (pa.table({"x": XS}), pa.chunked_array([YS[:2], YS[2:]])),
    "PyArrow arrays": (pa.array(XS), pa.array(YS)),
    "NumPy": (np.array(XS)[:, None], np.array(YS)),
    "NumPy, another layout": (np.asfortranarray([[x, 9.0] for x in XS])[::-1, :1], np.array(YS + YS)[::2][:0:-1]),
    "NumPy, other numbers": (np.array(XS, dtype=">f4")[:, None], np.array(YS, dtype=np.float16)),
    "NumPy, objects": (np.array(XS, dtype=object)[:, None], np.array(YS, dtype=object)),
    "NumPy, masked": (np.ma.masked_greater(np.array(XS), 5.0)[:, None], np.ma.array(YS)),
    "NumPy, matrix": (np.array(XS)[:, None].view(np.matrix), YS),
    "a data set": (Dataset([[x] for x in XS]), Dataset(YS)),
}
HELD["NumPy, another layout"] = (HELD["NumPy, another layout"][0], np.array(YS)[::-1])


@pytest.fixture(params=HELD, ids=list(HELD))
def held(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return HELD[request.param]


def learn(X: Any, y: Any, **options: Any) -> list[float]:
    model = nn.Linear(1, init="zeros")
    fit(model, X, y, optimizer=optim.SGD(model.parameters(), lr=0.5), epochs=150, **options)
    return [p.data for p in model.parameters()]


@pytest.mark.parametrize("compiled", [False, True])
def test_fit_learns_the_line(held: tuple[Any, Any], compiled: bool) -> None:
    assert learn(*held, compile=compiled) == pytest.approx([2.0, 1.0], abs=1e-6)


def test_evaluate_validation_predict_batches_and_losses_read_the_same(held: tuple[Any, Any]) -> None:
    X, y = held
    model = nn.Linear(1)
    model.neurons[0].w[0].data, model.neurons[0].b.data = 2.0, 1.0
    assert evaluate(model, X, y) < 1e-6
    assert fit(model, [[0.0]], [1.0], validation=(X, y), epochs=1).validation[0] < 1e-6
    predictions = model.predict(X)
    assert [*predictions] == pytest.approx([*by_position("y", y)], abs=1e-3)
    assert losses.mse(predictions, y) < 1e-6
    assert data.r2(y, predictions) > 0.999
    both = [pair for X_batch, y_batch in data.batches(X, y, 4, random.Random(0)) for pair in zip(X_batch, y_batch)]
    assert len(both) == len(XS)
    assert all(abs(model(x).data - t) < 1e-3 for x, t in both)


def test_parts_of_a_split_belong_together(held: tuple[Any, Any]) -> None:
    X_train, X_test, y_train, y_test = data.split(*held, test=0.5, seed=3)
    for X, y in ((X_train, y_train), (X_test, y_test)):
        rows = by_position("X", X)
        assert len(rows) == len(y) == 3
        assert [2.0 * np.ravel(rows[i])[0] + 1.0 for i in range(3)] == pytest.approx([*by_position("y", y)], abs=1e-3)


def test_a_split_keeps_the_kind() -> None:
    X, y, table = frame(x=XS, s=[*"abcabc"]), pl.Series(YS), data.Table({"x": XS})
    parts = data.split(X, y, np.array(XS), table, XS, seed=1, stratify=pd.Series([*"aabbab"], index=LABELS))
    kinds = [pd.DataFrame, pl.Series, np.ndarray, data.Table, list]
    assert [type(part) for part in parts] == [kind for kind in kinds for _ in range(2)]
    assert [*parts[0]["x"]] == [*parts[4]] == parts[6]["x"] == parts[8]
    assert [2.0 * x + 1.0 for x in parts[8]] == [*parts[2]]


def test_a_list_is_handed_on_and_not_copied() -> None:
    """A callback may change it during a run."""
    for things in ([1.0], (1.0,), np.array([1.0]), range(3), Dataset([1.0])):
        assert by_position("X", things) is things


def test_numbers_that_are_missing_are_nan_and_texts_none() -> None:
    for missing in (
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.0, float("nan"), 3.0]),
        pd.Series([1, None, 3], dtype="int64[pyarrow]"),
        pd.Series([1, None, 3], dtype=object),
        pl.Series([1, None, 3]),
        np.ma.array([1, 2, 3], mask=[False, True, False]),
    ):
        found = by_position("y", missing)
        assert [found[0], found[2]] == [1.0, 3.0]
        assert np.isnan(found[1])
    for texts in (
        pd.Series(["a", None, "b"]),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series(["a", None, "b"], dtype="string[pyarrow]"),
        pl.Series(["a", None, "b"], dtype=pl.Categorical),
    ):
        assert by_position("y", texts) == ["a", None, "b"]
    assert by_position("y", pd.Series([True, False])).tolist() == [1, 0]
    assert [*by_position("y", pl.Series([True, None]))] == pytest.approx([1.0, float("nan")], nan_ok=True)
    assert by_position("y", pl.Series([1.5, 2.5]).cast(pl.Decimal(10, 2))).tolist() == [1.5, 2.5]


def test_a_frame_of_ints_and_booleans_is_rows_of_ints() -> None:
    rows = by_position("X", frame(a=[1, 2, 3, 4, 5, 6], b=[True, False] * 3))
    assert rows.dtype.kind == "i"
    assert rows[1].tolist() == [2, 0]
    assert by_position("X", frame(a=[1, 2, 3, 4, 5, 6], b=XS)).dtype.kind == "f"


def test_a_missing_number_in_a_frame_is_named_by_fit() -> None:
    with pytest.raises(DivergenceError, match=r"Leave out the sample \[nan\]"):
        learn(pl.DataFrame({"x": [1.0, None]}), [1.0, 2.0])


MIXED = {"mass": [3.5, None, 5.0], "species": ["Adelie", None, "Gentoo"], "tagged": [True, False, True]}
CELLS = [(3.5, "Adelie", 1.0), (None, None, 0.0), (5.0, "Gentoo", 1.0)]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(MIXED, index=[7, 7, 1]),
        pd.DataFrame(MIXED).convert_dtypes(),
        pd.DataFrame(MIXED).convert_dtypes(dtype_backend="pyarrow"),
        pd.DataFrame(MIXED).astype({"species": "category"}),
        pl.DataFrame(MIXED),
        pa.table(MIXED),
        {name: pd.Series(cells, index=[2, 1, 0]) for name, cells in MIXED.items()},
        [dict(zip(MIXED, row)) for row in zip(*MIXED.values())],
        Dataset([dict(zip(MIXED, row)) for row in zip(*MIXED.values())]),
    ],
    ids=["pandas", "nullable", "Arrow", "categories", "Polars", "PyArrow", "series", "dicts", "a data set of dicts"],
)
def test_a_table_of_a_frame(table: Any) -> None:
    found = data.Table(table)
    assert (found.columns, found.rows) == (list(MIXED), CELLS)


def test_a_table_of_records_of_a_series_and_of_numbered_columns() -> None:
    records = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", int), ("b", float)])
    assert data.Table(records).rows == [(1.0, 2.5), (3.0, 4.5)]
    assert data.Table(pd.Series([1, 2], name="a")).columns == ["a"]
    assert data.Table(pd.DataFrame([[1, 2]])).columns == ["0", "1"]
    assert to_columns([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (pd.DataFrame(MIXED), TypeError, ["X has a column 'species'", "'Adelie'", "data.Features"]),
        (pl.DataFrame({"day": [1]}).with_columns(day=pl.date(2024, 1, 1)), TypeError, ["'day'", "no numbers"]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, ["two columns of the same name"]),
        (pd.DataFrame(index=[0]), ValueError, ["without columns"]),
        (pl.LazyFrame({"x": [1.0]}), TypeError, ["LazyFrame", "X.collect()"]),
        (np.array(3.0), TypeError, ["X must be a list", "ndarray", "3.0"]),
        (np.float64(3.0), TypeError, ["X must be a list", "float64"]),
    ],
    ids=["texts", "dates", "names twice", "no columns", "lazy", "an array of one number", "a number"],
)
def test_what_cannot_be_read_is_named(X: Any, error: type[Exception], words: list[str]) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: fit(nn.Linear(1), X, [1.0]),
        lambda: evaluate(nn.Linear(1), X, [1.0]),
        lambda: nn.Linear(1).predict(X),
        lambda: data.batches(X, [1.0]),
    ]
    for call in calls:
        with pytest.raises(error) as caught:
            call()
        assert [word for word in words if word not in str(caught.value)] == []


def test_a_sparse_matrix_is_named() -> None:
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match=r"X is a sparse csr_array: X.toarray\(\)"):
        fit(nn.Linear(1), csr_array([[1.0]]), [1.0])


def test_scores_of_texts_go_by_position() -> None:
    y = pd.Series(["a", "b", "b"], index=[2, 1, 0])
    assert data.accuracy(y, ["a", "b", "a"]) == data.accuracy(pl.Series(["a", "b", "b"]), y[::-1]) * 2.0 == 2 / 3
    assert data.confusion_matrix(y, ["a", "b", "a"], ["a", "b"]) == [[1, 0], [1, 1]]
    assert data.auc(pd.Series([0, 1], index=[1, 0]), pd.Series([0.2, 0.7], index=[1, 0])) == 1.0


def test_take_gives_the_rows_in_that_order() -> None:
    assert take(frame(x=XS), [2, 0])["x"].tolist() == take(np.array(XS), [2, 0]).tolist() == take(XS, [2, 0])


def test_nothing_is_loaded_for_lists() -> None:
    code = (
        "import sys, tinygrad_edu as tg\n"
        "X, y = [[1.0], [2.0]], [1.0, 2.0]\n"
        "model = tg.nn.Linear(1); tg.train.fit(model, X, y, epochs=1); model.predict(X)\n"
        "tg.train.evaluate(model, X, y); tg.data.split(X, y, test=0.5); tg.data.r2(y, y); list(tg.data.batches(X, y))\n"
        "print({'numpy', 'narwhals', 'pandas', 'polars', 'pyarrow', 'sklearn'} & sys.modules.keys())\n"
        "import polars as pl\n"
        "tg.train.fit(model, pl.DataFrame({'x': y}), pl.Series(y), epochs=1)\n"
        "print('narwhals' in sys.modules, {'pandas', 'pyarrow', 'sklearn'} & sys.modules.keys())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.split("\n")[:2] == ["set()", "True set()"]


# ---- batches of one's own --------------------------------------------------------------------------------------------
class Loader:
    """Gives its batches anew each time, as PyTorch's does."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        yield from data.batches([[x] for x in XS], YS, 2)


def loaded() -> Iterator[Any]:
    return ([np.array(X), pd.Series(y, index=[1, 0])] for X, y in Loader())


SOURCES: dict[str, Any] = {"loader": Loader(), "list": [*Loader()], "function": loaded}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_batches_of_an_iterable_train_as_those_of_fit(source: Any, compiled: bool) -> None:
    for loss in (losses.mse, lambda p, t: losses.mse(p, t) if t[0] > -9.0 else losses.mae(p, t)):
        own, same = nn.Linear(1, init="zeros"), nn.Linear(1, init="zeros")
        history = fit(own, source, loss=loss, epochs=4, compile=compiled)
        expected = fit(same, [[x] for x in XS], YS, loss=loss, epochs=4, batch_size=2, compile=compiled)
        assert (history.loss, history.updates, own.state_dict()) == (expected.loss, 12, same.state_dict())


def test_the_mean_of_an_epoch_weights_batches_by_their_samples() -> None:
    model = nn.Linear(1, init="zeros")
    history = fit(
        model, [([[0.0]], [1.0]), ([[0.0]] * 3, [2.0] * 3)], epochs=1, optimizer=optim.SGD(model.parameters(), lr=0)
    )
    assert history.loss == [(1.0 + 3 * 4.0) / 4]


def test_an_iterator_by_itself_is_for_one_epoch() -> None:
    assert fit(nn.Linear(1), iter(Loader()), epochs=1).updates == 3
    with pytest.raises(ValueError, match="generator, which gives its batches once, and 2 epochs"):
        fit(nn.Linear(1), iter(Loader()), epochs=2)
    used_up = iter(Loader())
    with pytest.raises(ValueError, match="gave no batch in epoch 1"):
        fit(nn.Linear(1), lambda: used_up, epochs=2)


def test_what_gives_batches_can_look_at_the_model() -> None:
    model, seen = nn.Linear(1, init="zeros"), []

    def watch() -> Iterator[Any]:
        for batch in Loader():
            seen.append(model.neurons[0].b.data)
            yield batch

    fit(model, watch, epochs=2, compile=True)
    assert seen == sorted(set(seen), key=seen.index)
    assert len(seen) == 6


def test_batches_stop_for_the_same_reasons_and_resume(tmp_path: Path) -> None:
    for options in ({"target_loss": 0.5}, {"tol": 0.01}, {"validation": (XS[:2], YS[:2]), "patience": 1}):
        own, same = nn.Linear(1, init="zeros"), nn.Linear(1, init="zeros")
        history = fit(own, Loader(), epochs=500, **options)  # type: ignore[arg-type]
        expected = fit(same, XS, YS, epochs=500, batch_size=2, **options)  # type: ignore[arg-type]
        assert (history.stopped, history.epochs) == (expected.stopped, expected.epochs)
    whole, parts = nn.Linear(1, init="zeros"), nn.Linear(1, init="zeros")
    fit(whole, Loader(), epochs=5)
    for epochs in (2, 5):
        fit(parts, Loader(), epochs=epochs, checkpoint=tmp_path / "run.json")
    assert parts.state_dict() == whole.state_dict()
    with pytest.raises(ValueError, match="its data is 'batches'"):
        fit(parts, XS, YS, epochs=5, checkpoint=tmp_path / "run.json")


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ([[x] for x in XS], TypeError, ["each a pair", "batch 0 of epoch 0", "fit(model, X, y)"]),
        ([[x, x] for x in XS], TypeError, ["each a pair", "'[0.5, 0.5]'"]),
        (pd.DataFrame({"x": XS}), TypeError, ["each a pair", "str 'x'"]),
        ([([[1.0]], [1.0, 2.0])], ValueError, ["the targets of batch 0", "not 1 and 2"]),
        ([([], [])], ValueError, ["batch 0", "must not be empty"]),
        ([], ValueError, ["no batch in epoch 0"]),
        (3, TypeError, ["X must be a list", "int '3'"]),
    ],
)
def test_what_are_no_batches_is_named(source: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        fit(nn.Linear(1), source)
    assert [word for word in words if word not in str(caught.value)] == []
    for options in ({"batch_size": 2}, {"shuffle": True}):
        with pytest.raises(ValueError, match="batch_size and shuffle are for samples"):
            fit(nn.Linear(1), source, **options)  # type: ignore[arg-type]


# ---- predict ---------------------------------------------------------------------------------------------------------
class Model(nn.Module):
    """What it computes is told it."""

    def __init__(self, f: Callable[[Any, Any], Any]) -> None:
        self.f, self.w, self.calls, self.rng = f, Value(0.5), 0, random.Random(0)
        self.state: Any = 0.0

    def forward(self, x: Any) -> Any:
        return self.f(self, x)


def remember(model: Any, x: Any) -> Any:
    model.state = tg.tanh(x[0] * model.w + model.state).data
    return model.state * model.w


def count(model: Any, x: Any) -> Any:
    model.calls += 1
    return model.w * x[0]


TABLE = [Value(1.0), Value(2.0)]
MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "a number": lambda m, x: m.w * x[0],
    "a list": lambda m, x: [m.w * x[0], m.w * 2.0, 1.0],
    "a tuple": lambda m, x: (m.w * x[0], "text"),
    "a dict": lambda m, x: {"a": m.w * x[0], "b": [x[1] * m.w, m.w]},
    "lists in lists": lambda m, x: [[m.w * x[0]], [m.w, x[1]]],
    "an array": lambda m, x: np.array([m.w * x[0], m.w * x[1]]),
    "nothing of the sample": lambda m, x: m.w * 2.0,
    "a plain number": lambda m, x: 0.0,
    "an empty list": lambda m, x: [],
    "a branch": lambda m, x: m.w * x[0] if x[0] > 0 else m.w,
    "random numbers": lambda m, x: m.w * x[0] + m.rng.random(),
    "a memory": remember,
    "a counter": count,
    "an entry of a table": lambda m, x: tg.take(TABLE, int(x[0] > 0)),
}


@pytest.mark.parametrize("f", MODELS.values(), ids=list(MODELS))
def test_predict_of_many_samples_is_that_of_a_few(
    f: Callable[[Any, Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for X in (np.random.default_rng(0).normal(size=(nn.MANY, 2)), [[0.1 * i - 3.0, 1.0] for i in range(nn.MANY)]):
        many, few = Model(f), Model(f)
        found = many.predict(X)
        monkeypatch.setattr(nn, "MANY", nn.MANY + 1)
        expected = few.predict(X)
        monkeypatch.undo()
        assert type(found) is type(expected)
        assert type(found[0]) is type(expected[0])
        if isinstance(found, np.ndarray):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        else:
            assert repr(found)[:20] == repr(expected)[:20]
            assert flat(found) == pytest.approx(flat(expected), rel=1e-12)
        assert (many.calls, many.state) == (few.calls, few.state)


def flat(thing: Any) -> list[float]:
    if isinstance(thing, dict):
        thing = [*thing.values()]
    if isinstance(thing, (list, tuple)):
        return [x for part in thing for x in flat(part)]
    return [] if isinstance(thing, str) else [thing]


def test_predict_answers_in_the_kind_of_its_samples() -> None:
    model = nn.MLP(2, [3, 2], rng=random.Random(0))
    X = [[0.5, 1.0], [2.0, -1.0]]
    expected = [[v.data for v in model(x)] for x in X]
    assert model.predict(X) == expected
    for held in (np.array(X), pd.DataFrame(X, index=[1, 0]), pl.DataFrame(X, orient="row")):
        found = model.predict(held)
        assert type(found) is np.ndarray
        assert found.tolist() == expected
    assert model.predict(Dataset(X)) == expected
    assert Model(lambda m, row: row["a"] * m.w).predict(Dataset([{"a": 1.0}, {"a": 3.0}])) == [0.5, 1.5]


def test_predict_records_no_graph_and_reads_ints_as_ints() -> None:
    kept: list[Value] = []
    model = Model(lambda m, x: kept.append(m.w * x[0]) or kept[-1])  # type: ignore[func-returns-value]
    assert model.predict([[1.0], [2.0]]) == [0.5, 1.0]
    assert [v._prev for v in kept] == [(), ()]
    assert Model(lambda m, x: tg.take(TABLE, x[0])).predict([[0], [1]] * nn.MANY)[:3] == [1.0, 2.0, 1.0]
    assert Model(lambda m, x: TABLE[x[0]]).predict([[0], [1]] * nn.MANY)[:3] == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("n", [3, nn.MANY])
def test_predict_names_the_sample_where_the_model_is_not_defined(n: int) -> None:
    X = [[1.0]] * (n - 1) + [[-1.0]]
    with pytest.raises(ValueError, match=rf"log is not defined at -1.0.*, in sample {n - 1}$"):
        Model(lambda m, x: tg.log(Value(x[0]) if isinstance(x[0], float) else x[0])).predict(X)


def test_predict_needs_a_sample() -> None:
    with pytest.raises(ValueError, match="X must not be empty"):
        nn.Linear(1).predict([])
    with pytest.raises(TypeError, match="X must be a list"):
        nn.Linear(1).predict(3.0)
