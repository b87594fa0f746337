"""Data: the bundled tables, CSV files as they come, encodings and their state, made-up sets, splitting and batching."""

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_edu import Value, data
from tinygrad_edu.data import Categories, Features, Standardizer, Table, Target, _columns, _reading, read_csv


@pytest.fixture
def csv_file(tmp_path):
    """Writes a file, of text or of bytes, and returns its path."""

    def write(content):
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# ---- the bundled tables ----------------------------------------------------------------------------------------------
def test_penguins_are_those_of_palmer_station():
    table = data.penguins()
    assert len(table) == len(table.rows) == 344
    assert table.columns == [
        *("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year")
    ]
    sums = {"bill_length_mm": 15021.3, "bill_depth_mm": 5865.7, "flipper_length_mm": 68713, "body_mass_g": 1437000}
    for name, expected in sums.items():
        assert math.fsum(x for x in table[name] if x is not None) == pytest.approx(expected, abs=1e-9)
        assert table[name].count(None) == 2
    assert {s: table["species"].count(s) for s in table["species"]} == {"Adelie": 152, "Gentoo": 124, "Chinstrap": 68}
    assert {s: table["sex"].count(s) for s in table["sex"]} == {"male": 168, "female": 165, None: 11}
    assert len(table.drop_missing()) == 333


def test_engel_is_the_table_of_koenker_and_bassett():
    table = data.engel()
    assert (len(table), table.columns) == (235, ["income_francs", "food_francs"])
    income, food = table["income_francs"], table["food_francs"]
    means = math.fsum(income) / 235, math.fsum(food) / 235
    assert means == pytest.approx((982.473, 624.150), abs=1e-3)
    slope = math.fsum((x - means[0]) * y for x, y in zip(income, food)) / math.fsum((x - means[0]) ** 2 for x in income)
    assert slope == pytest.approx(0.4852, abs=1e-4)  # the least-squares slope that the literature quotes


def test_the_sources_and_licences_are_shipped():
    text = (Path(data.__file__).parent / "bundled" / "SOURCES.md").read_text(encoding="utf-8")
    for words in ("CC0", "Gorman", "10.1371/journal.pone.0090081", "public domain", "Koenker", "Ernst Engel (1857)"):
        assert words in text


# ---- tables ----------------------------------------------------------------------------------------------------------
def test_a_table_is_selected_from_row_and_column_wise():
    table = Table({"x": [1, 2.5, None], "name": ["a", None, "c"]})
    assert (len(table), table.columns, list(table), "x" in table, "y" in table) == (
        3,
        ["x", "name"],
        [*table],
        True,
        False,
    )
    assert table.rows == [(1.0, "a"), (2.5, None), (None, "c")]
    assert table.select("name", "x").rows[0] == ("a", 1.0)
    assert table.take([2, 0]).rows == [(None, "c"), (1.0, "a")]
    assert table.drop_missing("x").rows == [(1.0, "a"), (2.5, None)]
    assert table.drop_missing().rows == [(1.0, "a")]
    assert repr(table).splitlines()[1:] == ["0   1.0  a", "1   2.5  None", "2  None  c", "[3 rows × 2 columns]"]


def test_a_column_is_handed_out_as_a_copy():
    table = Table({"x": [1.0]})
    table["x"].append(2.0)
    assert table["x"] == [1.0]


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"x": [1.0], "y": [1.0, 2.0]}, ValueError, "equally long, not {'x': 1, 'y': 2}"),
        ({"x": [1.0, "a"]}, ValueError, "column 'x' mixes numbers and texts"),
        ({"x": [math.inf]}, ValueError, "column 'x' holds inf"),
        ({"x": [math.nan]}, ValueError, "a missing number is None"),
        ({"x": [[1.0]]}, TypeError, "not list"),
    ],
)
def test_a_table_refuses(columns, error, words):
    with pytest.raises(error) as caught:
        Table(columns)
    assert words in str(caught.value)


def test_a_missing_column_is_answered_with_those_there_are(csv_file):
    with pytest.raises(ValueError, match=r"^there is no column 'z': .*file\.csv has 'x', 'y'$"):
        read_csv(csv_file("x,y\n1,2\n"))["z"]
    wide = Table({f"c{i}": [] for i in range(100)})
    with pytest.raises(ValueError, match=r"'c11', … \(100 in all\)$"):
        wide.select("z")


# ---- CSV files -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("x,name\n1,a\n-2.5e3,b\n", {"x": [1.0, -2500.0], "name": ["a", "b"]}, id="plain"),
        pytest.param("x,name\r\n1,a\r\n", {"x": [1.0], "name": ["a"]}, id="CRLF"),
        pytest.param("x,name\r1,a\r", {"x": [1.0], "name": ["a"]}, id="CR"),
        pytest.param("x,name\n1,a", {"x": [1.0], "name": ["a"]}, id="no newline at the end"),
        pytest.param("\ufeffx,name\n1,a\n", {"x": [1.0], "name": ["a"]}, id="byte order mark"),
        pytest.param("größe,名\n1,é\n", {"größe": [1.0], "名": ["é"]}, id="UTF-8"),
        pytest.param('"x","a ""b"", c"\n"1","p\nq"\n', {"x": [1.0], 'a "b", c': ["p\nq"]}, id="quotes"),
        pytest.param("\n\nx\n1\n\n2\n\n", {"x": [1.0, 2.0]}, id="blank lines"),
        pytest.param(" x , y \n 1 , a \n", {"x": [1.0], "y": ["a"]}, id="spaces"),
        pytest.param('x\n1\nNA\n""\nnan\nNULL\n n/a\n?\n#N/A\n', {"x": [1.0, *[None] * 7]}, id="missing numbers"),
        pytest.param("x\na\nNA\n", {"x": ["a", None]}, id="missing text"),
        pytest.param("x,y\n1,\n2,NA\n", {"x": [1.0, 2.0], "y": [None, None]}, id="nothing in a column"),
        pytest.param("x\n1_000\n", {"x": ["1_000"]}, id="underscores make a name"),
        pytest.param("x\ntrue\nfalse\n", {"x": ["true", "false"]}, id="truth values are names"),
    ],
)
def test_read_csv_reads(csv_file, content, expected):
    table = read_csv(csv_file(content))
    assert {name: table[name] for name in table} == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", " is empty: the first line must name the columns", id="empty"),
        pytest.param("\n\n", " is empty", id="blank lines only"),
        pytest.param("x,y\n", " has a header, and no rows", id="no rows"),
        pytest.param("x,,y\n1,2,3\n", ", line 1: column 2 has no name", id="a name is missing"),
        pytest.param("\nx, x\n1,2\n", ", line 2: two columns are called 'x'", id="a name twice"),
        pytest.param("x,y\n1,2\n3\n", ", line 3: expected 2 cells, as in the header, not 1", id="short row"),
        pytest.param(
            'x,y\n"1\n2",2\n3,4,5\n',
            ", line 4: expected 2 cells, as in the header, not 3",
            id="long row after a cell of two lines",
        ),
        pytest.param('x,y\n1,2\n3,"4\n5,6\n', ", line 3: the row that begins here is not CSV", id="open quote"),
        pytest.param('x\n"1"2\n', ", line 2: the row that begins here is not CSV", id="text after a quote"),
        pytest.param(f"x\n{'9' * 200_000}\n", ", line 2: the row that begins here is not CSV", id="huge cell"),
        pytest.param("x\n1\na\0b\n", ", line 3: byte 0x00 is not part of a UTF-8 text", id="NUL"),
        pytest.param(
            "x\nü\n".encode() + b"\xe9\n", ", line 3: byte 0xe9 is not part of a UTF-8 text", id="two encodings"
        ),
        pytest.param("x\n1\n".encode("utf-16-le"), ", line 1: byte 0x00 is not part of a UTF-8 text", id="UTF-16"),
        pytest.param(b"PK\x03\x04\x14\0\x06\0", ", line 1: byte 0x00 is not part of a UTF-8 text", id="a workbook"),
        pytest.param(
            "x,y\n1,a\n\n2.5,b\nlots,c\n",
            ", line 5, column 'x': 'lots' is not a finite number, but '1' in another row is: correct it",
            id="a text among numbers",
        ),
        pytest.param("x\n1\ninf\n", ", line 3, column 'x': 'inf' is not a finite number", id="infinity"),
        pytest.param("x\n1\n1e999\n", ", line 3, column 'x': '1e999' is not a finite number", id="too large"),
        pytest.param(f"x\n1\n{'a' * 500}\n", "… (502 characters) is not a finite number", id="a long text is cut"),
        pytest.param('x\n1\n"a\nb\x1b"\n', r", line 3, column 'x': 'a\nb\x1b' is not a", id="a text is escaped"),
    ],
)
def test_read_csv_refuses_in_one_line_that_says_where(csv_file, content, words):
    path = csv_file(content)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_csv(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        read_csv(tmp_path / "nowhere.csv")


def test_types_and_columns_say_what_to_read(csv_file):
    path = csv_file("id,zip,x\nA1,1000,1\n7,2000,2\n")
    with pytest.raises(ValueError, match="column 'id': 'A1' is not a finite number"):
        read_csv(path)
    assert read_csv(path, columns=["x", "zip"], types={"zip": str}).rows == [(1.0, "1000"), (2.0, "2000")]
    assert read_csv(path, types={"id": str})["id"] == ["A1", "7"]
    with pytest.raises(ValueError, match=r"line 2, column 'id': 'A1' is not a finite number;"):
        read_csv(path, types={"id": float})
    with pytest.raises(ValueError, match="no column 'y'"):
        read_csv(path, columns=["x", "y"])
    with pytest.raises(ValueError, match="no column 'y'"):
        read_csv(path, types={"y": str})
    with pytest.raises(TypeError, match="column 'x' is float or str"):
        read_csv(path, columns=["x"], types={"x": int})


def test_another_delimiter(csv_file):
    assert read_csv(csv_file("x^y\n1^a,b\n"), sep="^").rows == [(1.0, "a,b")]


def test_rows_remember_their_lines(csv_file):
    table = read_csv(csv_file('x,y\n"a\nb",1\n\nc,NA\nd,2\n'))
    assert [table.place(i).rpartition(", ")[2] for i in range(3)] == ["line 2", "line 5", "line 6"]
    assert table.drop_missing().select("y").place(1).endswith("file.csv, line 6")
    assert Table({"x": [1.0]}).place(0) == "row 0"


names = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=8).map(str.strip).filter(bool)
texts = (
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    .map(str.strip)
    .filter(
        lambda text: text.lower() not in {"", "na", "n/a", "#n/a", "nan", "null", "?"} and not _looks_like_number(text)
    )
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def _looks_like_number(text):
    return any(c.isdigit() for c in text)


@st.composite
def tables(draw):
    n = draw(st.integers(1, 5))
    column = st.one_of([st.lists(st.none() | cell, min_size=n, max_size=n) for cell in (numbers, texts)])
    return draw(st.dictionaries(names, column, min_size=1, max_size=4))


@given(tables())
@example({"a,b": [",", '"', '""'], "ü\nv": ["a\rb", "x\ny", None], "n": [0.1, -0.0, 5e-324]})
def test_what_is_written_is_read_back(tmp_path_factory, columns):
    path = tmp_path_factory.getbasetemp() / "back.csv"
    Table(columns).to_csv(path)
    ours = path.read_bytes()
    table = read_csv(path, header=True)
    assert {name: table[name] for name in columns} == columns
    separators = {*";\t|"} & {*"".join([*columns, *(cell for cells in columns.values() for cell in map(str, cells))])}
    with open(path, "w", encoding="utf-8", newline="") as file:
        quoting = csv.QUOTE_ALL if separators else csv.QUOTE_MINIMAL
        csv.writer(file, quoting=quoting).writerows([columns, *zip(*columns.values())])
    assert path.read_bytes() == ours


# ---- encodings -------------------------------------------------------------------------------------------------------
@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=20))
@example([0.1, 0.1, 0.1])
@example([5e-324, 0.0, 0.0, 0.0])
@example([1e8, 1e8 + 1e-7])
@example([1e300, -1e300])
def test_standardising_is_undone(xs):
    s = Standardizer.fit(xs)
    zs = s.transform(xs)
    size = max(map(abs, xs))
    assert s.inverse(zs) == pytest.approx(xs, rel=1e-9, abs=1e-9 * size)
    again = Standardizer(**json.loads(json.dumps(s.to_dict())))
    assert again.transform(xs) == zs


def test_standardised_numbers_have_mean_0_and_standard_deviation_1():
    zs = Standardizer.fit(data.engel()["income_francs"]).transform(data.engel()["income_francs"])
    assert math.fsum(zs) / 235 == pytest.approx(0.0, abs=1e-12)
    assert math.fsum(z * z for z in zs) / 235 == pytest.approx(1.0, abs=1e-12)


def test_a_constant_column_becomes_0():
    s = Standardizer.fit([0.1, None, 0.1, 0.1])
    assert (s.mean, s.scale, s.transform([0.1, 0.3])) == (0.1, 1.0, [0.0, pytest.approx(0.2)])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Standardizer.fit([]), "there is no number in it"),
        (lambda: Standardizer.fit([None]), "there is no number in it"),
        (lambda: Standardizer.fit([1.0, math.nan]), "the mean must be a finite number, not nan"),
        (lambda: Standardizer.fit([1.7e308, -1.7e308]), "the scale must be a finite number, not inf"),
        (lambda: Standardizer(0.0, 0.0), "must be greater than 0, not 0.0"),
        (lambda: Standardizer(0.0, 1e-300).transform([1e300]), "1e+300 is too far from the mean 0.0"),
        (lambda: Standardizer(0.0, 1.0).transform(["a"]), "'a' is not a number"),
        (lambda: Categories.fit([None]), "there is no value in it"),
        (lambda: Categories(["a", "a"]), "one or more distinct texts, not ['a', 'a']"),
        (lambda: Categories(["a"]).transform([None]), "None is not one of the categories"),
        (lambda: Categories(["a", "b"]).inverse([-1]), "no category number -1: there are 2"),
    ],
)
def test_an_encoding_refuses(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_features_learn_from_the_training_rows_alone():
    table = data.penguins().select("body_mass_g", "sex")
    train, held_out = table.take(range(200)), table.take(range(200, 344))
    features = Features.fit(train)
    known = [x for x in train["body_mass_g"] if x is not None]
    mean = math.fsum(known) / len(known)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in known) / len(known))
    assert features.inputs == ["body_mass_g", "sex=female", "sex=male"]
    expected = [
        [0.0 if mass is None else (mass - mean) / deviation, float(sex == "female"), float(sex == "male")]
        for mass, sex in held_out.rows
    ]
    assert features.transform(held_out).tolist() == [pytest.approx(row, abs=1e-12) for row in expected]
    assert [0.0, 0.0, 0.0] in features.transform(table).tolist()  # the penguin that was not measured at all


def test_features_and_target_survive_as_json_and_read_a_new_file(csv_file):
    table = data.penguins()
    features, target = Features.fit(table.select("island", "bill_length_mm", "sex")), Target.fit(table, "species")
    features_again = Features.from_dict(json.loads(json.dumps(features.to_dict())))
    target_again = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert features_again.transform(table).tolist() == features.transform(table).tolist()
    assert target_again.inverse(target.transform(table)) == table["species"]

    new = csv_file("sex,bill_length_mm,notes,island\nmale,44.5,1,Dream\nNA,?,two,Biscoe\n")
    rows = read_csv(new, columns=features_again.columns, types=features_again.types)
    by_hand = Table({"island": ["Dream", "Biscoe"], "bill_length_mm": [44.5, None], "sex": ["male", None]})
    assert features_again.transform(rows).tolist() == features.transform(by_hand).tolist()


def test_a_numeric_target_comes_back_in_its_own_unit():
    table = data.engel()
    target = Target.fit(table, "food_francs")
    again = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert (again.name, again.classes) == ("food_francs", [])
    assert again.inverse(target.transform(table)) == pytest.approx(table["food_francs"], rel=1e-12)


def test_errors_of_features_and_target_say_where(csv_file):
    train = Table({"x": [1.0, 2.0], "c": ["a", "b"]})
    features, target = Features.fit(train), Target.fit(train, "c")
    new = read_csv(csv_file("x,c\n1,a\n2,z\n3,\n"))
    unseen = r"file\.csv, line 3, column 'c': 'z' is not one of the categories seen in training, 'a', 'b'$"
    with pytest.raises(ValueError, match=unseen):
        features.transform(new)
    with pytest.raises(ValueError, match=unseen):
        target.transform(new.drop_missing())
    with pytest.raises(ValueError, match=r"file\.csv, line 4, column 'c': the target is missing"):
        target.transform(new)
    assert features.transform(new, ignore_unseen=True)[1, 1:].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="row 0, column 'x': 'one' is not a number"):
        features.transform(Table({"x": ["one"], "c": ["a"]}))
    with pytest.raises(ValueError, match="there is no column 'c': the table has 'x'"):
        features.transform(Table({"x": [1.0]}))
    with pytest.raises(ValueError, match="column 'x': there is no number in it"):
        Features.fit(Table({"x": [None, None]}))
    with pytest.raises(ValueError, match="there is no column to take"):
        Features.fit(Table({}))
    with pytest.raises(ValueError, match="column 'c': its only class is 'a'; a classifier needs two or more"):
        Target.fit(train.take([0]), "c")


NUMERIC = {"name": "x", "mean": 0.0, "scale": 1.0}
ONE_HOT = {"name": "c", "categories": ["a", "b"]}
NOT_COLUMNS = [
    *(None, 1, "x", [], {}, {"name": "x"}, {"name": 1, "mean": 0.0, "scale": 1.0}, {"name": "x", "mean": 0.0}),
    *({**NUMERIC, "categories": ["a", "b"]}, {**NUMERIC, "extra": 1}, {**NUMERIC, "name": None}),
    *({**NUMERIC, "mean": bad} for bad in (None, "0", True, [0.0], {}, math.nan, math.inf, 10**400)),
    *({**NUMERIC, "scale": bad} for bad in (0, -1.0, None, "1", True, math.nan, math.inf, [[[]]])),
    *({**ONE_HOT, "categories": bad} for bad in (None, "ab", [], {}, {"a": 0}, ["a", 1], ["a", None], ["a", "a"])),
]


@pytest.mark.parametrize("state", NOT_COLUMNS, ids=str)
def test_a_hostile_description_of_a_column_is_refused(state):
    with pytest.raises(ValueError, match=r"column|categories"):
        Target.from_dict(state)
    with pytest.raises(ValueError, match=r"column|categories"):
        Features.from_dict({"columns": [NUMERIC, state]})


@pytest.mark.parametrize(
    "state",
    [
        *(None, 1, "columns", [], [NUMERIC], {}, NUMERIC, {"columns": None}, {"columns": {}}, {"columns": []}),
        *({"columns": [NUMERIC, NUMERIC]}, {"columns": [NUMERIC], "extra": 1}),
    ],
    ids=str,
)
def test_a_hostile_description_of_features_is_refused(state):
    with pytest.raises(ValueError, match=r"column|features"):
        Features.from_dict(state)


def test_a_description_as_whole_numbers_is_accepted():
    features = Features.from_dict({"columns": [{"name": "x", "mean": 1, "scale": 2}]})
    assert features.transform(Table({"x": [4.0]})).tolist() == [[1.5]]


def test_a_target_of_one_class_is_refused():
    with pytest.raises(ValueError, match="only class is 'a'"):
        Target.from_dict({"name": "c", "categories": ["a"]})


# ---- splitting, batching, scoring ------------------------------------------------------------------------------------
@given(st.integers(2, 60), st.floats(0.05, 0.95), st.integers())
def test_split_parts_all_rows_alike(n, test, seed):
    if not 0 < round(test * n) < n:
        with pytest.raises(ValueError, match="leaves one part"):
            data.split(range(n), test=test, seed=seed)
        return
    train, held_out, y_train, y_held_out = data.split(range(n), [-i for i in range(n)], test=test, seed=seed)
    assert sorted(train + held_out) == list(range(n))
    assert len(held_out) == round(test * n)
    assert (y_train, y_held_out) == ([-i for i in train], [-i for i in held_out])
    assert data.split(range(n), test=test, seed=seed) == [train, held_out]


def test_split_shuffles_by_its_seed():
    assert data.split(range(10), test=0.3) == [[5, 3, 4, 2, 0, 9, 6], [7, 8, 1]]  # the same on every Python
    assert data.split(range(10), test=0.3, seed=1) != data.split(range(10), test=0.3)


def test_a_stratified_split_is_in_random_order():
    labels = [i % 10 for i in range(1000)]
    for part in data.split(labels, test=0.25, stratify=labels):
        assert len({*part[:80]}) == 10


def test_split_takes_the_share_of_every_label():
    labels = ["a"] * 50 + ["b"] * 20 + ["c"] * 5 + ["d"]
    train, held_out = data.split(labels, test=0.2, stratify=labels)
    assert [held_out.count(label) for label in "abcd"] == [10, 4, 1, 0]
    train, held_out = data.split(labels, test=0.9, stratify=labels)
    assert [train.count(label) for label in "abcd"] == [5, 2, 1, 1]
    assert train != sorted(train)


@given(st.integers(1, 30), st.none() | st.integers(1, 40), st.none() | st.integers())
def test_batches_hold_every_row_once(n, size, seed):
    X, y = [[float(i)] for i in range(n)], list(range(n))
    found = list(data.batches(X, y, size, None if seed is None else Random(seed)))
    assert [len(rows) for rows, _ in found[:-1]] == [size] * (len(found) - 1)
    assert 1 <= len(found[-1][0]) <= (size or n)
    targets = [t for _, ts in found for t in ts]
    assert [x for xs, _ in found for x in xs] == [[float(t)] for t in targets]
    assert (targets if seed is None else sorted(targets)) == y


def test_batches_shuffle_anew_at_each_call_and_leave_the_data_as_it_is():
    X, y, rng = list(range(20)), list(range(20)), Random(0)
    first, second = [[t for _, ts in data.batches(X, y, 3, rng) for t in ts] for _ in range(2)]
    assert len({tuple(first), tuple(second), tuple(y)}) == 3
    assert X == y == list(range(20))


def test_r2_and_accuracy():
    y = [1.0, 2.0, 4.0]
    assert data.r2(y, y) == 1.0
    assert data.r2(y, [7 / 3] * 3) == pytest.approx(0.0, abs=1e-15)
    assert data.r2(y, [4.0, 2.0, 1.0]) == pytest.approx(1 - 18 / (14 / 3))
    assert data.accuracy([0, 1, 1, 2], [0, 1, 2, 1]) == 0.5
    assert data.accuracy([1, Value(-1.0), 1], [Value(1.0), Value(-1.0), Value(-1.0)]) == 2 / 3  # of Values the numbers


# ---- made-up sets ----------------------------------------------------------------------------------------------------
def test_the_line_scatters_around_its_line():
    X, y = data.line(2000, slope=-3.0, intercept=0.5, noise=0.2, seed=4)
    residuals = [t - (-3.0 * x + 0.5) for [x], t in zip(X, y)]
    assert (X[0], X[1000], len(y)) == ([-1.0], [0.0], 2000)
    assert math.fsum(residuals) / 2000 == pytest.approx(0.0, abs=0.02)
    assert math.sqrt(math.fsum(r * r for r in residuals) / 2000) == pytest.approx(0.2, rel=0.05)


def test_moons_without_noise_are_two_half_circles():
    X, y = data.moons(101, noise=0.0)
    assert (y.count(0), y.count(1)) == (50, 51)
    assert y != sorted(y)
    for (a, b), label in zip(X, y):
        centre, side = ((0.0, 0.0), 1) if label == 0 else ((1.0, 0.5), -1)
        assert math.dist((a, b), centre) == pytest.approx(1.0)
        assert side * (b - centre[1]) >= -1e-12
    assert data.moons(10, labels=(-1, 1))[0] == data.moons(10)[0]
    assert data.moons(10, labels=(-1, 1))[1] == [2 * label - 1 for label in data.moons(10)[1]]


def test_spiral_arms_without_noise():
    X, y = data.spiral(50, classes=4, noise=0.0)
    assert [y.count(c) for c in range(4)] == [50] * 4
    assert y != sorted(y)
    for (a, b), c in zip(X, y):
        r = math.hypot(a, b)
        turn = (math.atan2(a, b) - 2 * math.pi * c / 4 - 4 * r) / (2 * math.pi)
        assert turn == pytest.approx(round(turn), abs=1e-9)
        assert r * 50 == pytest.approx(round(r * 50))


def test_made_up_sets_are_the_same_on_every_python():
    X, y = data.line()
    assert (len(X), X[:3]) == (20, [[-1.0], [-0.9], [-0.8]])
    assert y[:3] == pytest.approx([-0.71748538, -1.21897343, -0.80391433], abs=1e-8)
    X, y = data.moons(seed=1)
    assert X[:2] == [pytest.approx([-0.69176229, 0.84595508]), pytest.approx([1.84550859, 0.03989912])]
    assert y[:8] == [0, 1, 1, 0, 0, 1, 1, 1]
    X, y = data.spiral(seed=1)
    assert X[:2] == [pytest.approx([-0.49482377, 0.57684438]), pytest.approx([-0.29411319, 0.81877801])]
    assert y[:8] == [1, 1, 0, 0, 0, 2, 0, 0]


def test_nothing_heavy_is_imported_for_it():
    code = "import sys, tinygrad_edu.data; print(*{'csv', 'json', 'numpy', 'importlib.resources'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---- columns of texts that are nearly all different ----------------------------------------------------------------
@pytest.mark.parametrize("again", [0, 5, 2])
def test_a_large_column_of_texts_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: int) -> None:
    """They are packed while the file is read, and come out as they were, and in the same order."""
    monkeypatch.setattr(_reading, "MANY", 8)
    monkeypatch.setattr(_reading, "CELLS", 48)
    texts: list[str | None] = [f"é{i}" if i % 7 else f"{i} 日本" for i in range(500)]
    for i in range(3, 500, again or 500):
        texts[i] = texts[i * 13 % 60] if i % 2 else None
    texts[40:60] = ["same"] * 20
    (tmp_path / "t.csv").write_text(
        "k,name,x\n" + "".join(f"{i % 3 and 'a'}b, {t or ''} ,{i}.5\n" for i, t in enumerate(texts)), encoding="utf-8"
    )
    table = read_csv(tmp_path / "t.csv")
    plain = Table({"name": texts})
    assert table["name"] == texts
    assert table.codes("name")[1] == plain.codes("name")[1]
    assert table.codes("name")[0].tolist() == plain.codes("name")[0].tolist()
    assert table.notes == ["column 'name': spaces around texts do not count"]
    rows = [499, 3, 3, 41, 52, 0]
    assert table.take(rows)["name"] == plain.take(rows)["name"]
    assert table.take(rows).codes("name")[1] == plain.take(rows).codes("name")[1]


def test_a_word_that_counts_as_missing_may_be_a_text(tmp_path: Path) -> None:
    """A note names the way out, unless the file has the same word where numbers are missing, or it was asked for."""
    path = tmp_path / "t.csv"
    path.write_text("country,grade,void,x,y\nNA,null,NA,1,\nDE,n/a,,n/a,2\nna,a,,2,?\n?,b,NA,,NaN\n")
    countries = "{} counts as missing among the texts of 'country'; --keep {} (keep=) takes it for one"
    grades = "null counts as missing among the texts of 'grade'; --keep null (keep=) takes it for one"
    assert read_csv(path).notes == [countries.format("NA", "NA"), grades]
    assert read_csv(path, keep=["NA", "null"])["country"] == ["NA", "DE", "na", None]
    assert read_csv(path, keep=["na"]).notes == [grades]
    assert read_csv(path, missing=["NA"]).notes == [grades]
    assert read_csv(path, exclude=["x"]).notes[2:] == ["n/a" + grades[4:].replace("null", "n/a")]
    path.write_text('country,price\nnan,"1.000,5"\nDE,NaN\nnull,"2,5"\n')
    assert read_csv(path).notes[0] == countries.format("null", "null")
    assert "nan counts" not in str(read_csv(path).notes)


def test_an_error_in_a_large_column_of_texts_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reading, "MANY", 8)
    monkeypatch.setattr(_reading, "CELLS", 48)
    (tmp_path / "t.csv").write_text("name\n" + "".join(f"t{i}\n" for i in range(200)) + "7.5\nlast\n")
    with pytest.raises(ValueError, match=r"line 2, column 'name': 't0' is not a finite number, but '7.5' in another"):
        read_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("x\n" + "".join(f"1.{i:03},5\n" for i in range(200)), encoding="utf-8")
    assert read_csv(tmp_path / "t.csv", sep=";")["x"] == [1000.5 + i for i in range(200)]


def test_texts_that_share_a_key_are_compared() -> None:
    texts = [f"{i % 6}{'é' * (i % 4)}" for i in range(50)]
    parts = [_columns.PackedTexts(texts[:20]), _columns.PackedTexts(), _columns.PackedTexts(texts[20:])]
    expected = [*dict.fromkeys(texts)]
    for key in (hash, len, lambda text: 0):
        names, numbers = _columns.unite(parts, key)
        assert [*names] == expected
        assert [names[k] for k in numbers] == texts


def test_packed_texts_are_read_as_a_list() -> None:
    texts = ["", "a", "日本", "", "é" * 9, "b"]
    packed = _columns.PackedTexts.of([_columns.PackedTexts(texts[:2]), _columns.PackedTexts(texts[2:])])
    assert (len(packed), [*packed], packed[1:-1], packed.index("é" * 9)) == (6, texts, texts[1:-1], 4)
    assert [packed[i] for i in range(-6, 6)] == [*texts, *texts]
    for i in (6, -7):
        with pytest.raises(IndexError):
            packed[i]
