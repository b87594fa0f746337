"""The files that people have, and what is read of them: a specification of `read_csv`, by example."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tinygrad_edu import cli, data
from tinygrad_edu.data import _csv, _reading
from tinygrad_edu.data._csv import _split_lines
from tinygrad_edu.data.tables import Table, read_csv

Write = Callable[[str | bytes], Path]


@pytest.fixture
def csv_file(tmp_path: Path) -> Write:
    """Writes a file, of text or of bytes, and returns its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def columns_of(table: Table) -> dict[str, list[Any]]:
    return {name: table[name] for name in table}


# ---- what stands between cells ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("sep", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
@pytest.mark.parametrize("options", [{}, {"sep": None}, "given"], ids=["recognised", "None", "given"])
def test_separators_are_recognised(csv_file: Write, sep: str, options: Any):
    path = csv_file(f"x{sep}name\n1{sep}a\n2{sep}b\n")
    table = read_csv(path, **({"sep": sep} if options == "given" else options))
    assert columns_of(table) == {"x": [1.0, 2.0], "name": ["a", "b"]}
    assert table.notes == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param('name;x\n"a, b";1\n"c, d";2\n', {"name": ["a, b", "c, d"], "x": [1, 2]}, id="quoted commas"),
        pytest.param("name;x\na, b;1\nc, d;2\n", {"name": ["a, b", "c, d"], "x": [1, 2]}, id="commas in all rows"),
        pytest.param("a, b;x\nc;1\nd;2\n", {"a, b": ["c", "d"], "x": [1, 2]}, id="a comma in the header"),
        pytest.param('a,"b;c"\n1,"x;y"\n2,z\n', {"a": [1, 2], "b;c": ["x;y", "z"]}, id="quoted semicolons"),
        pytest.param("a,b\nx;y,1\nz;w,2\n", {"a": ["x;y", "z;w"], "b": [1, 2]}, id="semicolons in rows"),
        pytest.param("P(A|B)\n0.5\n0.25\n", {"P(A|B)": [0.5, 0.25]}, id="a bar in the name of the only column"),
        pytest.param("x;y\n1,5;2,5\n3,5;4,5\n", {"x": [1.5, 3.5], "y": [2.5, 4.5]}, id="decimal commas"),
        pytest.param("a|b,c\n1|2,5\n3|4,5\n", {"a": [1, 3], "b,c": [2.5, 4.5]}, id="bars, and a comma everywhere"),
        pytest.param("x\ty\n1,5\ta b\n2,5\tc\n", {"x": [1.5, 2.5], "y": ["a b", "c"]}, id="tabs"),
        pytest.param("x;y\n1;\n;2\n", {"x": [1, None], "y": [None, 2]}, id="empty cells"),
        pytest.param('x;y\n"1\n2";a\n', {"x": ["1\n2"], "y": ["a"]}, id="a line end in a cell"),
        pytest.param("x\n1\n2\n", {"x": [1, 2]}, id="a single column"),
    ],
)
def test_separators_are_recognised_among_others(csv_file: Write, content: str, expected: dict[str, list[Any]]):
    assert columns_of(read_csv(csv_file(content))) == expected


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n"])
def test_excels_line_about_the_separator_is_no_header(csv_file: Write, line: str):
    table = read_csv(csv_file(line + "x;y\n1;2\n"))
    assert columns_of(table) == {"x": [1.0], "y": [2.0]}
    assert table.place(0).endswith("line 3")
    assert columns_of(read_csv(csv_file("sep=^\na,b^c\n1,5^2\n"))) == {"a,b": [1.5], "c": [2.0]}


def test_any_other_separator_is_named(csv_file: Write):
    path = csv_file("x^y\n1^2\n")
    with pytest.raises(ValueError, match=r"has 'x\^y', a single one: --sep names the character between columns \(sep="):
        read_csv(path, columns=["x"])
    assert read_csv(path, sep="^").rows == [(1.0, 2.0)]
    assert read_csv(csv_file("x\ty\n1\t2\n"), sep="tab").rows == [(1.0, 2.0)]
    assert read_csv(csv_file("x y\n1 2\n"), sep=" ").rows == [(1.0, 2.0)]


def test_rows_of_another_length_say_which_separator_was_taken(csv_file: Write):
    with pytest.raises(ValueError, match=r"line 3: expected 2 cells, as in the header, not 3; .* ';': --sep names"):
        read_csv(csv_file("x;y\n1;2\n3;4;5\n"))
    with pytest.raises(ValueError, match=r"line 2: expected 2 cells, as in the header, not 3; "):
        read_csv(csv_file("a;b\n1;2;\n3;4;\n"))
    with pytest.raises(ValueError, match=r"line 2: expected 2 cells, as in the header, not 1$"):
        read_csv(csv_file("a,b\n1\n"), sep=",")


# ---- bytes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_with_a_mark_are_read(csv_file: Write, encoding: str):
    text = "größe\t名\n1\té😀\n"
    raw = text.encode(encoding)
    bom = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    table = read_csv(csv_file(bom + raw))
    assert columns_of(table) == {"größe": [1.0], "名": ["é😀"]}
    assert table.notes == []


def test_latin_1_is_read_with_a_note(csv_file: Write):
    table = read_csv(csv_file("name,x\nMüller,1\nSø,2\n5 €,3\n".encode("cp1252")))
    assert table["name"] == ["Müller", "Sø", "5 €"]
    assert table.notes == ["no UTF-8 file: read as Windows-1252 (Latin-1), as older programs write it"]


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many bytes are read at once, here few."""
    monkeypatch.setattr(_csv, "BLOCK", 5000)
    return 5000


def test_a_damaged_utf_8_file_is_no_latin_1(csv_file: Write, block: int):
    with pytest.raises(ValueError, match="line 3: byte 0xe9 is not part of a UTF-8 text"):
        read_csv(csv_file("name\nMüller\n".encode() + b"S\xe9\n"))
    far = "name\nMüller\n" + "x\n" * block
    with pytest.raises(ValueError, match=f"line {block + 3}: byte 0xe9 is not part of a UTF-8 text"):
        read_csv(csv_file(far.encode() + b"S\xe9\n"))


def test_the_first_foreign_letter_may_come_late(csv_file: Write, block: int):
    table = read_csv(csv_file(b"name\n" + b"x\n" * block + "é\n".encode("latin-1")))
    assert table["name"][-1] == "é"
    assert len(table) == block + 1


@pytest.mark.parametrize(
    "content", [b"x\n\xe9\x81\n", b"x\n\xe9\x01\n", b"\x1f\x8b\x08\x00\xe9", b"\xff\xfe\x00\xd8\x00\x00"]
)
def test_what_is_no_text_is_refused(csv_file: Write, content: bytes):
    with pytest.raises(
        ValueError, match=r"line \d: byte 0x\w\w is not part of a \S+ text: save the table as CSV, UTF-8"
    ):
        read_csv(csv_file(content))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_lines_are_the_same_in_whatever_blocks_they_are_read(size: int):
    text = "a\rb\r\nc\n\r\n\r\r\nd\u2028e\x0bf\x85\r"
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(_split_lines(iter(pieces))) == list(io.StringIO(text, newline=""))


def test_letters_that_fall_on_the_end_of_a_block_are_read(csv_file: Write, block: int):
    for shift in range(4):
        text = "x" * shift + "ü€😀" * (block // 4) + "\n"
        lines = "name\n" + "\n".join(text[i : i + 1000] for i in range(0, len(text), 1000))
        assert "".join(read_csv(csv_file(lines))["name"]) == text.strip()


# ---- lines and names -------------------------------------------------------------------------------------------------
def test_blank_lines_are_left_out_and_lines_are_counted(csv_file: Write):
    table = read_csv(csv_file('\n  \nx,y\n\n1,"a\nb"\n   \n2,c\n\n'))
    assert table.rows == [(1.0, "a\nb"), (2.0, "c")]
    assert [table.place(i).rpartition(" ")[2] for i in range(2)] == ["5", "8"]


def test_a_first_column_without_a_name_numbers_the_rows(csv_file: Write):
    table = read_csv(csv_file(",x,name\n0,1.5,a\n1,2.5,b\n"))
    assert columns_of(table) == {"x": [1.5, 2.5], "name": ["a", "b"]}
    assert table.notes == ["the first column has no name, as row numbers have none: left out"]


def test_a_separator_at_the_end_of_every_line_makes_no_column(csv_file: Write):
    assert columns_of(read_csv(csv_file("x;y;\n1;2;\n3;4; \n"))) == {"x": [1.0, 3.0], "y": [2.0, 4.0]}
    with pytest.raises(ValueError, match="line 1: column 3 has no name: give it one"):
        read_csv(csv_file("x;y;\n1;2;\n3;4;5\n"))


@pytest.mark.parametrize(
    "content", ["5.1,3.5,setosa\n4.9,3.0,setosa\n", "39,Private,13\n50,Private,9\n", "1,1\n2,2\n", "-1,2.5\n3,4\n"]
)
def test_numbers_in_the_first_line_are_not_swallowed_as_names(csv_file: Write, content: str):
    path = csv_file(content)
    with pytest.raises(
        ValueError, match=r"line 1: '.*' is a number, where the names .* --header none \(header=False\)"
    ):
        read_csv(path)
    table = read_csv(path, header=False)
    assert table.columns[0] == "column1"
    assert len(table) == 2
    assert table.place(0).endswith("line 1")


def test_numbers_that_rise_may_be_names_with_a_note(csv_file: Write):
    table = read_csv(csv_file("country,2019,2020\nFR,1,2\n"))
    assert table.columns == ["country", "2019", "2020"]
    assert table.notes[0].startswith(
        "the first line names the columns, also '2019'; if it is a row of data, --header none"
    )
    assert read_csv(csv_file("country,2019,2020\nFR,1,2\n"), header=True).notes == []
    assert read_csv(csv_file("9,8\n1,2\n"), header=True).columns == ["9", "8"]


def test_spaces_around_texts_do_not_count_and_that_is_said(csv_file: Write):
    table = read_csv(csv_file("colour , x\n red, 1 \nred ,2\nred,3\n"))
    assert columns_of(table) == {"colour": ["red"] * 3, "x": [1.0, 2.0, 3.0]}
    assert table.notes == ["column 'colour': spaces around texts do not count"]


# ---- numbers ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cells", "numbers", "way"),
    [
        pytest.param(["1,5", "2", "-0,25"], [1.5, 2, -0.25], "decimal commas", id="decimal commas"),
        pytest.param(["1.234,56", "7,5"], [1234.56, 7.5], "decimal commas", id="German"),
        pytest.param(["1 234,56", "12 345 678"], [1234.56, 12345678], "decimal commas", id="French"),
        pytest.param(["1\u00a0234,5", "2"], [1234.5, 2], "decimal commas", id="no-break space"),
        pytest.param(["1\u202f234,5", "2"], [1234.5, 2], "decimal commas", id="narrow no-break space"),
        pytest.param(["1'234.5", "2"], [1234.5, 2], "decimal points", id="Swiss"),
        pytest.param(["1,234.5", "2,000"], [1234.5, 2000], "decimal points", id="American"),
        pytest.param(["1,234,567", "2"], [1234567, 2], "decimal points", id="millions"),
        pytest.param(["1.234.567", "2"], [1234567, 2], "decimal commas", id="German millions"),
        pytest.param(["0,123", "1,234"], [0.123, 1.234], "decimal commas", id="no thousands after 0"),
        pytest.param(["12,5 %", "3 %"], [12.5, 3], "decimal commas and '%'", id="percent"),
        pytest.param(["12.5%", "3%"], [12.5, 3], "decimal points and '%'", id="percent without space"),
        pytest.param(["$1,234.50", "-$3", "$ 2"], [1234.5, -3, 2], "decimal points and '$'", id="dollars"),
        pytest.param(["1.234,50 €", "3 €"], [1234.5, 3], "decimal commas and '€'", id="euros"),
        pytest.param(["EUR 1.5", "EUR 2"], [1.5, 2], "decimal points and 'EUR'", id="the code of a currency"),
        pytest.param(["−1,5", "2,5"], [-1.5, 2.5], "decimal commas", id="the minus of typesetters"),
        pytest.param(["1,5e3", "2,5"], [1500, 2.5], "decimal commas", id="exponents"),
        pytest.param(["k.A.", "1,5", "2"], [None, 1.5, 2], "decimal commas", id="another mark of a missing value"),
    ],
)
def test_numbers_are_read_as_countries_write_them(csv_file: Write, cells: list[str], numbers: list[Any], way: str):
    table = read_csv(csv_file("x;y\n" + "".join(f"{cell};a\n" for cell in cells)), missing=["k.A."])
    assert table["x"] == numbers
    assert len(table.notes) == 1
    assert re.match(rf"numbers with {re.escape(way)} in 'x': ['\"].*['\"] is read as ", table.notes[0])


@pytest.mark.parametrize(
    "cells",
    [["12/5"], ["A1", "B2"], ["12:30"], ["2020-01-02"], ["1.2.3"], ["030 123 456"], ["1,2,3"], ["1st"], ["a %"], ["%"]],
    ids=lambda cells: cells[0],
)
def test_other_texts_with_digits_stay_texts(csv_file: Write, cells: list[str]):
    assert read_csv(csv_file("x;y\n" + "".join(f"{cell};a\n" for cell in cells)))["x"] == cells


def test_a_number_that_can_be_read_in_two_ways_is_an_error_with_the_way_out(csv_file: Write):
    path = csv_file('x,y\n1,a\n"1,234",b\n')
    with pytest.raises(
        ValueError,
        match=r"line 3, column 'x': '1,234' may be 1234 or 1\.234: say which with --decimal \. or --decimal ,",
    ):
        read_csv(path)
    assert read_csv(path, decimal=",")["x"] == [1.0, 1.234]
    assert read_csv(path, decimal=".")["x"] == [1.0, 1234.0]
    assert read_csv(path, thousands=",")["x"] == [1.0, 1234.0]
    assert read_csv(path, types={"x": str})["x"] == ["1", "1,234"]
    assert read_csv(path, exclude=["x"]).columns == ["y"]


def test_other_columns_of_the_file_tell_how_it_is_written(csv_file: Write):
    german = "a;b;c\n1,234;1.234;12,5\n5;2.000;7\n"
    table = read_csv(csv_file(german))
    assert columns_of(table) == {"a": [1.234, 5], "b": [1234, 2000], "c": [12.5, 7]}
    assert read_csv(csv_file("a;b\n1.5;12,5\n2.25;7\n"))["a"] == [1.5, 2.25]
    american = 'a,b\n"1,234",1\n"5","1,234.5"\n'
    assert columns_of(read_csv(csv_file(american))) == {"a": [1234, 5], "b": [1, 1234.5]}


def test_points_and_commas_before_decimals_are_not_mixed(csv_file: Write):
    with pytest.raises(ValueError, match=r"line 3, column 'x': '2,5' is not a finite number if the other rows are"):
        read_csv(csv_file("x;y\n1.5;a\n2,5;b\n"))
    with pytest.raises(ValueError, match=r"line 2, column 'x': '1\.5' is not a finite number"):
        read_csv(csv_file("x;y\n1.5;a\n2.5;b\n"), decimal=",")
    with pytest.raises(
        ValueError, match=r"line 3, column 'x': 'lots' is not a finite number, but '1,5' in another row"
    ):
        read_csv(csv_file("x;y\n1,5;a\nlots;b\n"))


def test_a_unit_is_taken_off_where_a_number_is_asked_for(csv_file: Write):
    path = csv_file("weight,x\n12 kg,1\n7.5 kg,2\n")
    table = read_csv(path)
    assert table["weight"] == ["12 kg", "7.5 kg"]
    assert table.notes == [
        "column 'weight' holds texts; '12 kg' looks like a number: --missing MARK and --number COLUMN "
        "(missing=, types=) read numbers"
    ]
    assert read_csv(path, types={"weight": float})["weight"] == [12.0, 7.5]


def test_prices_with_a_word_among_them_are_noted(csv_file: Write):
    table = read_csv(csv_file("price,x\n$5,1\n$6,2\non request,3\n"))
    assert table["price"] == ["$5", "$6", "on request"]
    assert table.notes[0].startswith(
        "column 'price' holds texts; '$5' looks like a number, 'on request' does not: --missing"
    )
    assert read_csv(csv_file("price,x\n$5,1\n$6,2\non request,3\n"), missing=["on request"])["price"] == [
        5.0,
        6.0,
        None,
    ]


@pytest.mark.parametrize("rows", [3, 50, 2000])
@pytest.mark.parametrize(
    ("early", "late", "numbers"),
    [
        ("1.234", "5.678,5", (1234.0, 5678.5)),
        ("1,5", "2", (1.5, 2.0)),
        ("1", "2,5", (1.0, 2.5)),
        ("", "2,5", (None, 2.5)),
        ("1.5", "NA", (1.5, None)),
        ("1,5", "n/a", (1.5, None)),
        ("", "a", (None, "a")),
        ("1.5 %", "2.5 %", (1.5, 2.5)),
    ],
)
def test_what_a_column_is_may_show_late(
    csv_file: Write, monkeypatch: pytest.MonkeyPatch, rows: int, early: str, late: str, numbers: tuple[Any, Any]
):
    monkeypatch.setattr(_reading, "CELLS", 64)  # 16 or 32 rows a chunk
    table = read_csv(csv_file("x;y\n" + f"{early};1\n" * rows + f"{late};1\n"))
    assert table["x"] == [numbers[0]] * rows + [numbers[1]]
    with pytest.raises(ValueError, match=rf"line {rows + 3}, column 'y': 'lots' is not a finite number, but '1' in"):
        read_csv(csv_file("x;y\n" + f"{early};1\n" * rows + f"{late};1\n" + f"{late};lots\n"))


def test_points_between_thousands_are_told_by_another_column_at_the_end(
    csv_file: Write, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_reading, "CELLS", 64)
    table = read_csv(csv_file("x;y\n" + "1.234;7\n" * 100 + "2.345;7,5\n"))
    assert (table["x"][0], table["x"][-1], table["y"][-1]) == (1234.0, 2345.0, 7.5)


# ---- missing values --------------------------------------------------------------------------------------------------
def test_marks_of_missing_values_are_added_and_taken_away(csv_file: Write):
    path = csv_file("country,x,y\nNA,1,-999\nDE,unknown,2\n?,-999.0,3\n")
    with pytest.raises(ValueError, match=r"'unknown' is not a finite number, but '1' in another row .*--missing MARK"):
        read_csv(path)
    table = read_csv(path, missing=["unknown", "-999"], keep=["NA"])
    assert columns_of(table) == {"country": ["NA", "DE", None], "x": [1.0, None, None], "y": [None, 2.0, 3.0]}
    assert read_csv(csv_file("x\nnan\na\n"), keep=["nan"])["x"] == ["nan", "a"]
    with pytest.raises(ValueError, match="line 2, column 'x': 'nan' is not a finite number"):
        read_csv(csv_file("x\nnan\n1\n"), keep=["nan"])


def test_a_numeric_mark_counts_in_numbers_that_are_written_otherwise(csv_file: Write):
    assert read_csv(csv_file("x;y\n1,5;a\n-999,0;b\n"), missing=["-999"])["x"] == [1.5, None]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"sep": ";;"}, ValueError, "the separator of cells must be one character"),
        ({"sep": '"'}, ValueError, "the separator of cells must be one character"),
        ({"sep": 5}, TypeError, "sep is a text of one character, not 5"),
        ({"decimal": ";"}, ValueError, "the mark before decimals must be '.' or ','"),
        ({"thousands": "12"}, ValueError, "the mark between thousands must be one character"),
        ({"thousands": ",", "decimal": ","}, ValueError, "cannot both be ','"),
        ({"missing": "NA"}, TypeError, "missing is a list of marks, as ['NA']"),
        ({"exclude": "x"}, TypeError, "exclude is a list of names, as ['x']"),
        ({"exclude": ["q"]}, ValueError, "there is no column 'q'"),
    ],
)
def test_what_a_reader_is_told_is_checked(csv_file: Write, options: Any, error: type[Exception], words: str):
    with pytest.raises(error, match=re.escape(words)):
        read_csv(csv_file("x,y\n1,2\n"), **options)


# ---- size ------------------------------------------------------------------------------------------------------------
def test_many_rows_are_read_in_chunks_as_one(csv_file: Write):
    rows = [(i * 0.25, f"name {i % 7}", None if i % 3 else i) for i in range(20_000)]
    path = csv_file("x,name,gap\n" + "".join(f"{x},{name},{'' if gap is None else gap}\n" for x, name, gap in rows))
    table = read_csv(path)
    assert table.rows == [(x, name, gap if gap is None else float(gap)) for x, name, gap in rows]
    assert table.place(19_999).endswith("line 20001")
    assert table.codes("name")[1] == [f"name {i}" for i in range(7)]
    assert table.numbers("x").dtype == np.float64


def test_a_pipe_is_read_even_if_it_must_be_read_twice():
    reading, writing = os.pipe()
    os.write(writing, b"x;y\n1.234;1\n2.000;7,5\n")
    os.close(writing)
    table = read_csv(f"/dev/fd/{reading}")
    os.close(reading)
    assert columns_of(table) == {"x": [1234.0, 2000.0], "y": [1.0, 7.5]}


# ---- the command -----------------------------------------------------------------------------------------------------
@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"{i};{i},5;{'NA' if i % 2 else 'DE'};{'-999' if i == 7 else i};{2 * i},25" for i in range(40)]
    path = Path("german.csv")
    path.write_text("\n".join(["id;x;country;z;y", *rows]))
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


FAST = ("--hidden", "none", "--epochs", 2, "--no-pictures")


def test_fit_and_predict_read_a_german_file_and_predict_writes_one(german: Path):
    told = ("--exclude", "id", "--keep", "NA", "--missing", "-999")
    result = call("fit", german, "--target", "y", *told, *FAST)
    assert result.exit_code == 0, result.output
    printed = " ".join(result.stdout.split())
    assert "regression: 'y' from 'x', 'country', 'z'" in printed
    assert "numbers with decimal commas in 'x', 'y': '0,5' is read as 0.5" in printed
    predicted = call("predict", "tinygrad-edu-fit/model.json", german)
    assert predicted.exit_code == 0, predicted.output
    assert "Note: missing values: 1 in 'z'" in predicted.stderr  # as the model was told, and NA is a country
    header, first, *_ = predicted.stdout.splitlines()
    assert header == "id;x;country;z;y;prediction"
    assert re.fullmatch(r"0;0,5;DE;0;0,25;-?\d+,\d+", first)


def test_predict_reads_a_single_row_as_the_table_of_training_was_read(german: Path):
    Path("sales.csv").write_text("x;y\n" + "".join(f"{i}.500,5;{i}\n" for i in range(1, 30)))
    assert call("fit", "sales.csv", "--target", "y", *FAST).exit_code == 0
    results = []
    for text in ("2.500", "2500", "2500,0"):
        Path("new.csv").write_text(f"x;z\n{text};a\n")
        results.append(call("predict", "tinygrad-edu-fit/model.json", "new.csv").stdout.splitlines()[1].split(";")[2])
    assert len({*results}) == 1
    Path("new.csv").write_text("x;z\n2500.0;a\n")
    failed = call("predict", "tinygrad-edu-fit/model.json", "new.csv")
    assert "'2500.0' is not a finite number with a comma before its decimals (--decimal . takes points" in failed.stderr
    again = call("predict", "tinygrad-edu-fit/model.json", "new.csv", "--decimal", ".")
    assert again.stdout.splitlines()[1].split(";")[2] == results[0].replace(",", ".")


def test_texts_and_numbers_are_named_by_options(german: Path):
    result = call("fit", german, "--target", "y", "--text", "z", "--number", "x", "--exclude", "id", *FAST)
    assert result.exit_code == 0, result.output
    assert "column 'z' has" in " ".join(result.stdout.split())  # 40 texts, all different
    for arguments, words in (
        (("--text", "x", "--number", "x"), "column 'x' is named by --text and by --number"),
        (("--exclude", "y"), "column 'y' cannot be excluded: it is the target"),
        (("--number", "country"), "german.csv, line 2, column 'country': 'DE' is not a finite number"),
        (("--sep", "^^"), "the separator of cells must be one character"),
    ):
        failed = call("fit", german, "--target", "y", *arguments, *FAST)
        assert failed.exit_code == 2
        assert words in failed.stderr


def test_a_file_without_a_header_is_fitted_by_numbers_of_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("bare.csv").write_text("".join(f"{i}.5,{2 * i}\n" for i in range(20)))
    assert "--header none (header=False)" in call("fit", "bare.csv", "--target", "column2").stderr
    assert call("fit", "bare.csv", "--target", "column2", "--header", "none", *FAST).exit_code == 0
    result = call("predict", "tinygrad-edu-fit/model.json", "bare.csv")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 20)
    assert result.stdout.startswith("0.5,0,")


def test_classes_too_rare_to_split_are_named_and_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("kinds.csv").write_text(
        "x,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20)) + "9,rare\n8,few\n7,few\n"
    )
    printed = " ".join(call("fit", "kinds.csv", "--target", "kind", *FAST).stdout.split())
    assert (
        "classes with a single row, 'rare', cannot be split: not measured (--min-class-rows 2 leaves them out)"
        in printed
    )
    printed = " ".join(call("fit", "kinds.csv", "--target", "kind", "--min-class-rows", 3, *FAST).stdout.split())
    assert "3 rows left out, of classes with fewer than 3 rows: 'few', 'rare'" in printed
    assert "classes 'a', 'b' data" in printed
    failed = call("fit", "kinds.csv", "--target", "kind", "--min-class-rows", 30)
    assert (failed.exit_code, "no class of column 'kind' has 30 rows" in failed.stderr) == (2, True)


# ---- features --------------------------------------------------------------------------------------------------------
def test_features_of_arrays_are_those_of_single_cells():
    table = data.penguins().drop_missing("species")
    features = data.Features.fit(table.select("body_mass_g", "sex", "island"))
    by_cell = [
        [x for name, encoding in features.encodings.items() for x in encoding.encode(row[table.columns.index(name)])]
        for row in table.rows
    ]
    X = features.transform(table)
    assert (X.shape, X.dtype) == ((344, 6), np.float64)
    assert X.tolist() == by_cell
    assert data.Target.fit(table, "species").transform(table) == data.Target.fit(table, "species").encoding.transform(
        table["species"]
    )
