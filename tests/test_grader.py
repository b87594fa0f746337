"""The grader names what is wrong with an engine, and nothing else; whatever a file does, there is a grade."""

import json
import subprocess
import sys
import textwrap
import time
from dataclasses import FrozenInstanceError, replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from micrograd.engine import Value as Micrograd
from profiles import IN_CI

import tinygrad_edu as tg
from tinygrad_edu import Value, testing
from tinygrad_edu.cli import main
from tinygrad_edu.testing import grader
from tinygrad_edu.testing.grader import _examination, _isolation, concepts
from tinygrad_edu.testing.grader._examination import examine
from tinygrad_edu.testing.grader.concepts import CONCEPTS
from tinygrad_edu.testing.grader.grade import grade, grade_file, suite
from tinygrad_edu.testing.grader.grades import Grade

ENGINES = Path(__file__).parent / "engines"
GOOD = (ENGINES / "good.py").read_text(encoding="utf-8")
NAMES = [concept.name for concept in CONCEPTS]
BY_NAME = {concept.name: concept for concept in CONCEPTS}


@pytest.fixture(autouse=True)
def _as_many_expressions_as_the_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that are generated in this process; a file is examined with all of them."""
    if not IN_CI:
        monkeypatch.setattr(_examination, "EXPRESSIONS", 20)


def engine(text: str = GOOD) -> type:
    scope: dict[str, type] = {"__name__": "engine"}  # type: ignore[dict-item]
    exec(compile(text, "engine.py", "exec"), scope)
    return scope["Value"]


def engine_of(name: str) -> type:
    return engine((ENGINES / f"{name}.py").read_text(encoding="utf-8"))


@cache
def grade_of(name: str) -> Grade:
    """Of one of the engines; `paths` would need 2**60 steps for its many paths."""
    return grade(engine_of(name), skip=["many-paths"] if name == "paths" else [])


def found(grade: Grade) -> dict[str, str]:
    """What has not passed, and is no consequence of what is named before."""
    return {result.name: result.status for result in grade.results if not result.passed and not result.follows}


# ---- the table -------------------------------------------------------------------------------------------------------
def test_names_are_unique_and_one_word_each():
    assert len({*NAMES}) == len(NAMES) >= 30
    assert all(name.replace("-", "").isalpha() and name == name.lower() for name in NAMES)


@pytest.mark.parametrize("concept", CONCEPTS, ids=NAMES)
def test_a_concept_says_what_it_examines_and_what_to_look_at(concept: concepts.Concept):
    assert concept.examines
    assert concept.look_at.endswith(".")
    assert len(concept.examines) <= 44  # one line of the report
    assert bool(concept.programs) != concept.generated


@pytest.mark.parametrize("concept", CONCEPTS, ids=NAMES)
def test_a_concept_builds_on_earlier_ones(concept: concepts.Concept):
    assert {*concept.builds_on} <= {*NAMES[: NAMES.index(concept.name)]}


@pytest.mark.parametrize("concept", CONCEPTS, ids=NAMES)
def test_every_program_shows_numbers_last(concept: concepts.Concept):
    for program in concept.programs:
        shown = list(_examination._run_program(program, Value))
        assert shown
        assert shown[-1][0] == program.splitlines()[-1]


def test_concepts_are_chosen_by_their_names_or_groups_in_their_own_order():
    chosen = [concept.name for concept in concepts.choose_concepts(["order", "functions"], ["log", "exp"])]
    assert chosen == ["order", "relu", "tanh"]
    assert concepts.choose_concepts("order") == (BY_NAME["order"],)
    assert concepts.choose_concepts() == CONCEPTS


def test_a_concept_that_there_is_not_is_an_error_that_lists_them():
    with pytest.raises(
        ValueError, match=r"no concept and no group is called 'ordre'; there are values: value, .*order"
    ):
        grade(Value, only=["ordre"])
    with pytest.raises(ValueError, match="no concept is left to examine"):
        grade(Value, only=["order"], skip=["backward"])


# ---- engines ---------------------------------------------------------------------------------------------------------
test_our_own_engine = suite(Value)  # all of it passes, as a suite for pytest
test_a_complete_engine_of_a_student = suite(engine(), skip=["large-graphs", "reference"])  # below, in a file


def test_micrograd_fails_where_it_is_known_to():
    assert found(grade(Micrograd)) == {
        "power-at-zero": "wrong",
        "tanh": "missing",
        "exp": "missing",
        "log": "missing",
        "deep-chains": "wrong",
    }


def test_the_engine_of_a_scalar_gpt_fails_in_the_same_places():
    slots = grade_of("slots")
    assert found(slots) == {
        "repr": "missing",
        "power-at-zero": "wrong",
        "tanh": "missing",
        "reflected-power": "missing",
        "value-exponent": "missing",
        "deep-chains": "wrong",
    }
    assert slots["value-exponent"].reason.startswith("the class refuses it: TypeError: unsupported operand")


def test_an_engine_that_follows_every_path_is_right_but_slow():
    paths = engine_of("paths")
    assert all(examine(BY_NAME[name], paths).passed for name in ("accumulation", "shared-nodes", "order"))
    slow = examine(BY_NAME["many-paths"], paths, seconds=0.2)
    assert (slow.status, slow.error) == ("wrong", "it was still running after 0.2 s")
    assert slow.location is not None
    assert slow.location.file == "engine.py"
    assert "visit each node once" in slow.look_at


def test_an_engine_with_a_few_operations_is_compared_on_these():
    assert examine(BY_NAME["generated-expressions"], engine_of("paths")).passed


NO_METHOD = "    def {0}(self, other):\n        return self {1} other\n\n"
ORDER = (
    "            elif node not in visited:\n                visited.add(node)\n                stack += [node, None,"
)

# one mistake each: what stands in the good engine, what in its place, and the concepts that it breaks by itself
MISTAKES: dict[str, tuple[str, str, set[str]]] = {
    "data negated": ("self.data = data", "self.data = -data", {"value"}),
    "no gradient at first": ("        self.grad = 0.0\n", "", {"data-and-grad"}),
    "gradients kept by number": (
        "    def __repr__",
        "    table = {}\n    grad = property(lambda self: Value.table[self.data], "
        "lambda self, g: Value.table.update({self.data: g}))\n\n    def __repr__",
        {"data-and-grad"},
    ),
    "a text without the number": ("data={self.data}", "data=?", {"repr"}),
    "root gradient not set": ("        self.grad = 1.0\n", "", {"root-gradient"}),
    "numbers not converted": (
        "        other = other if isinstance(other, Value) else Value(other)\n        out = Value(self.data +",
        "        out = Value(self.data +",
        {"addition"},
    ),
    "gradient of the sum negated": ("other.grad += out.grad", "other.grad -= out.grad", {"addition"}),
    "no __radd__": (NO_METHOD.format("__radd__", "+"), "", {"reflected-addition"}),
    "factors not crossed": ("self.grad += other.data *", "self.grad += self.data *", {"multiplication"}),
    "no __rmul__": (NO_METHOD.format("__rmul__", "*"), "", {"reflected-multiplication"}),
    "the chain rule forgotten in +": ("other.grad += out.grad", "other.grad += 1.0", {"chain-rule"}),
    "minus forgotten": ("return self * -1", "return self * 1", {"negation"}),
    "subtraction turned round": ("return self + (-other)", "return (-self) + other", {"subtraction"}),
    "__rsub__ turned round": ("return (-self) + other", "return self - other", {"reflected-subtraction"}),
    "exponent forgotten": ("other * self.data ** (other - 1)", "self.data ** (other - 1)", {"power"}),
    "exponent not lowered": ("self.data ** (other - 1)", "self.data**other", {"power"}),
    "power by logarithms": (
        "Value(self.data**other,",
        "Value(math.exp(other * math.log(self.data)) if self.data else 0.0**other,",
        {"power-of-negative"},
    ),
    "0**0 differentiated": ("if other != 0:", "if True:", {"power-at-zero"}),
    "division multiplies": ("return self * other**-1", "return self * other", {"division"}),
    "__rtruediv__ turned round": ("return other * self**-1", "return self / other", {"reflected-division"}),
    "relu steep at 0": ("(self.data > 0)", "(self.data >= 0)", {"relu"}),
    "relu is abs": ("max(0.0, self.data)", "abs(self.data)", {"relu"}),
    "tanh without the square": ("(1 - t**2)", "(1 - t)", {"tanh"}),
    "tanh wrong by 0.05 %": ("(1 - t**2)", "1.0005 * (1 - t**2)", {"tanh"}),
    "the chain rule forgotten in tanh": ("(1 - t**2) * out.grad", "(1 - t**2)", {"tanh"}),
    "exp differentiated to x": ("out.data * out.grad", "self.data * out.grad", {"exp"}),
    "log differentiated to 1/log": ("out.grad / self.data", "out.grad / out.data", {"log"}),
    "log left to be written": (
        "        out = Value(math.log",
        "        raise NotImplementedError\n        out = (",
        {"log"},
    ),
    "logarithm of the base forgotten": ("self * math.log(base)", "self * base", {"reflected-power"}),
    "exponent turned round": ("(other * self.log()).exp()", "(self * other.log()).exp()", {"value-exponent"}),
    "= for +=": ("self.grad += other.data", "self.grad = other.data", {"accumulation"}),
    "= for += on the left of +": ("self.grad += out.grad", "self.grad = out.grad", {"accumulation"}),
    "= for += on the right of +": ("other.grad += out.grad", "other.grad = out.grad", {"accumulation"}),
    "= for += on the right of *": ("other.grad += self.data", "other.grad = self.data", {"accumulation"}),
    "= for += in **": ("self.grad += other * self", "self.grad = other * self", {"power"}),
    "= for += in tanh": ("self.grad += (1 - t", "self.grad = (1 - t", {"tanh"}),
    "nothing visited": (ORDER, "            else:\n                stack += [node, None,", {"shared-nodes"}),
    "no topological order": (
        ORDER,
        ORDER.replace("stack += [node, None,", "order.insert(0, node)\n                stack += ["),
        {"order"},
    ),
    "truth of a number": (
        "Value(other)\n        out = Value(self.data *",
        "Value(other or 1)\n        out = Value(self.data *",
        {"constants"},
    ),
    "equal by number": (
        "    def __repr__",
        "    def __eq__(self, other):\n        return self.data == other.data\n\n    def __hash__(self):\n"
        "        return hash(self.data)\n\n    def __repr__",
        {"equal-numbers"},
    ),
    "+= in place": (
        "    def __repr__",
        "    def __iadd__(self, other):\n        self.data += other\n        return self\n\n    def __repr__",
        {"inputs-unchanged"},
    ),
    "0 + a is cut off": (
        NO_METHOD.format("__radd__", "+"),
        "    def __radd__(self, other):\n        return self + other if other else Value(self.data)\n\n",
        {"sum"},
    ),
    "one tape for all": (
        "        for node in reversed(order):\n",
        "        Value.tape = getattr(Value, 'tape', []) + order\n        for node in reversed(Value.tape):\n",
        {"separate-graphs"},
    ),
    "leaf gradients reset": (
        "        self.grad = 1.0\n",
        "        for node in order:\n            node.grad = 0.0\n        self.grad = 1.0\n",
        {"gradients-add-up"},
    ),
    "zeros not kept": (
        "    def __repr__",
        "    def __setattr__(self, name, x):\n        if x or name not in vars(self):\n"
        "            vars(self)[name] = x\n\n    def __repr__",
        {"zeroing"},
    ),
    "marks left in the nodes": (
        "elif node not in visited:\n                visited.add(node)",
        "elif not hasattr(node, 'seen'):\n                node.seen = True",
        {"second-backward"},
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str):
    before, after, expected = MISTAKES[mistake]
    assert before in GOOD
    grade = testing.grade(engine(GOOD.replace(before, after, 1)), skip=["large-graphs", "reference"])
    assert {*found(grade)} == expected
    first = grade[min(expected, key=NAMES.index)]
    assert first.look_at
    if first.status == "wrong":
        assert first.program
        assert first.error or first.expected != first.got


def test_no_concept_is_without_a_mistake_that_breaks_it():
    named = {name for _, _, names in MISTAKES.values() for name in names}
    assert {*NAMES} - named == {"many-paths", "deep-chains", "generated-expressions"}  # which have tests of their own


def test_what_an_engine_lacks_is_not_generated_either():
    lacking = GOOD.replace(NO_METHOD.format("__radd__", "+"), "").replace("    def tanh", "    def hyperbolic_tangent")
    assert examine(BY_NAME["generated-expressions"], engine(lacking)).passed


def test_the_expected_numbers_are_those_of_our_engine():
    result = grade(engine(GOOD.replace("(1 - t**2)", "(1 - t)")), only=["tanh"])["tanh"]
    a = Value(0.5)
    (a.tanh() * 10.0).backward()
    assert (result.expression, result.expected) == ("a.grad", str(a.grad))
    assert result.program == "a = Value(0.5)\nb = a.tanh()\nc = b * 10.0\nc.backward()\na.grad"


@pytest.mark.parametrize(
    ("gradient", "got"), [("None", "None"), ("Value(1.0)", "a Value, not a number"), ("'1.0'", "a str, not a number")]
)
def test_a_gradient_that_is_no_number_is_wrong(gradient: str, got: str):
    result = grade(engine(GOOD.replace("        self.grad = 1.0", f"        self.grad = {gradient}")))["root-gradient"]
    assert (result.status, result.got) == ("wrong", got)


def test_a_class_that_lies_and_raises_is_graded_like_any_other():
    hostile = "def __eq__(self, other):\n        raise RuntimeError('eq')\n\n    __hash__ = object.__hash__\n"
    text = GOOD.replace("    def __repr__", f"    {hostile}\n    def __repr__").replace("data={self", "{1/0}{self")
    grade_of_it = grade(engine(text), only=["values", "operators", "backward"])
    assert found(grade_of_it) == {"repr": "wrong"}
    assert grade_of_it["repr"].error == "ZeroDivisionError: division by zero"


def test_a_number_that_equals_everything_does_not_pass():
    liar = (
        "class Liar:\n    def __eq__(self, other):\n        return True\n\n    __hash__ = None\n    __repr__ = None\n\n"
    )
    text = GOOD.replace("class Value", f"{liar}class Value").replace("= data\n", "= Liar()\n")
    assert grade(engine(text), only=["value"])["value"].got == "a Liar, not a number"


def test_numpy_numbers_are_numbers():
    text = GOOD.replace("import math", "import math\nimport numpy as np").replace(
        "self.data = data", "self.data = np.float64(data)"
    )
    assert grade(engine(text), only=["values", "operators", "more-operators", "functions"], skip=["repr"]).passed


def test_the_folder_has_all_public_names():
    assert all(hasattr(grader, name) for name in grader.__all__)
    assert grader.examine is examine
    assert testing.grade is grade


def test_a_grade_is_frozen_and_asked_by_name():
    own = grade(Value, only=["order"])
    assert own["order"].passed
    assert (own.file, own.class_name) == ("engine.py", "Value")
    with pytest.raises(FrozenInstanceError):
        own.seconds = 0.0  # type: ignore[misc]
    with pytest.raises(KeyError, match="the grade has no concept 'sum'; it has order"):
        own["sum"]


def test_only_a_class_can_be_graded():
    for grading in (grade, suite):
        with pytest.raises(TypeError, match="examines a class, such as Value itself, not a Value"):
            grading(Value(1.0))  # type: ignore[arg-type]


def test_without_hypothesis_there_is_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_examination, "find_spec", lambda name: None)
    found = grade(Value, skip=["large-graphs"])
    assert [result.name for result in found.results if not result.passed] == ["generated-expressions"]
    assert found["generated-expressions"].status == "not run"
    assert found["generated-expressions"].remark == "it needs Hypothesis: pip install 'tinygrad-edu[test]'"
    assert not found.passed


# ---- pytest ----------------------------------------------------------------------------------------------------------
def test_a_suite_fails_with_the_explanation():
    test = suite(Micrograd)
    assert [mark.args[1] for mark in test.pytestmark] == [CONCEPTS]  # type: ignore[attr-defined]
    with pytest.raises(pytest.fail.Exception) as failure:
        test(BY_NAME["power-at-zero"])
    assert "b = a ** 0" in str(failure.value)
    assert "ZeroDivisionError" in str(failure.value)


# ---- files -----------------------------------------------------------------------------------------------------------
def write(folder: Path, text: str, name: str = "my_engine.py") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


FEW = ["value", "addition", "multiplication", "order"]


def grade_few(path: Path, seconds: float = 20.0, only: list[str] = FEW, **options: str) -> Grade:
    return grade_file(path, seconds=seconds, only=only, **options)


def test_a_good_file_passes_all_in_a_few_seconds():
    good = grade_file(ENGINES / "good.py")
    assert good.passed
    assert good.counts() == {"passed": len(CONCEPTS), "missing": 0, "wrong": 0, "not run": 0}
    assert (good.file, good.class_name, good.notes) == ("good.py", "Value", ())


UNLOADABLE = [
    ("class Value:\n    def __init__(self, data)\n", "failed with SyntaxError: expected ':'", 2),
    ("import math\nimport no_such_module\n", "failed with ModuleNotFoundError: No module named 'no_such_module'", 2),
    (
        "import sys\n\nsys.exit('bye')\n",
        "ended with SystemExit: bye; put code that is not for an import below: if __name__ == '__main__':",
        3,
    ),
    ("raise KeyboardInterrupt\n", "failed with KeyboardInterrupt", 1),
    ("class Oops(BaseException):\n    __str__ = None\n\nraise Oops\n", "failed with Oops: (its message cannot", 4),
    ("class Node: pass\n", "There is no class 'Value' in my_engine.py. It has 'Node': choose with --class.", None),
    ("def Value(x): return x\n", "There is no class 'Value' in my_engine.py. It has no class at all.", None),
]


def test_what_is_said_of_files_that_cannot_be_imported(tmp_path: Path):
    """One process loads them all, one after another."""
    tasks = []
    for i, (text, _, _) in enumerate(UNLOADABLE):
        path = write(tmp_path / f"{i}", text)
        tasks.append({"path": str(path), "messages": f"{path}.messages", "class": "Value", "names": FEW, "cpu": 60})
    code = f"from tinygrad_edu.testing.grader._isolation import run_task\nfor task in {tasks}: run_task(task)"
    subprocess.run([sys.executable, "-c", code], check=True)
    for task, (_, problem, line) in zip(tasks, UNLOADABLE, strict=True):
        messages = _isolation._Messages()
        messages.read(Path(task["messages"]))
        assert problem in messages.problem
        assert (messages.location.line if messages.location else None) == line
        assert not messages.results


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("print(input())\n", "Importing my_engine.py failed with EOFError", 1),
        ("import os\nos._exit(0)\n", "could not be imported: it ended the process, with exit code 0", None),
        ("import ctypes\nctypes.string_at(0)\n", "could not be imported: the process was ended by SIGSEGV", None),
        ("import math\nx = [0] * 10**11\n", "Importing my_engine.py failed with MemoryError", 2),
    ],
)
def test_a_file_that_cannot_be_imported(tmp_path: Path, text: str, problem: str, line: int | None):
    found = grade_few(write(tmp_path, text))
    assert problem in found.problem
    assert (found.location.line if found.location else None) == line
    assert not found.passed
    assert {result.status for result in found.results} == {"not run"}
    assert [result.name for result in found.results] == FEW
    record = json.loads(found.json())
    code = text.splitlines()[line - 1] if line else ""
    place = {"file": "my_engine.py" if line else "", "line": line, "code": code}
    assert record["problem"] == {"message": found.problem, **place}
    assert record["concepts"][0]["status"] == "not run"


def test_an_import_without_end(tmp_path: Path):
    found = grade_few(write(tmp_path, "import time\nwhile True: time.sleep(1)"), seconds=1.5)
    assert found.problem == "The file could not be imported: it was still running at the time limit."
    assert found.seconds >= 1.5


NEGATION = "return self * -1"
BAD_METHODS = {  # what stands in the good engine, what in its place, the error, and whether its line is known
    "negation": (NEGATION, "import os; os._exit(7)", "it ended the process, with exit code 7", False),
    "subtraction": ("return self + (-other)", "raise SystemExit(3)", "SystemExit: 3", True),
    "reflected-subtraction": (
        "return (-self) + other",
        "import ctypes; ctypes.string_at(0)",
        "the process was ended by SIGSEGV: the usual cause is a recursion that is too deep",
        False,
    ),
    "division": ("return self * other**-1", "return [0] * 10**11", "MemoryError", True),
    "reflected-division": (
        "return other * self**-1",
        "import time; time.sleep(9)",
        "it was still running after 1 s",
        True,
    ),
    "relu": (
        'out = Value(max(0.0, self.data), (self,), "ReLU")',
        "return self.relu()",
        "RecursionError: maximum recursion depth exceeded",
        True,
    ),
    "tanh": ("t = math.tanh(self.data)", "raise KeyboardInterrupt", "the process was ended by SIGINT", False),
    "exp": (
        'out = Value(math.exp(self.data), (self,), "exp")',
        "return self.no_such_thing",
        "AttributeError: 'Value' object has no attribute 'no_such_thing'",
        True,
    ),
    "log": (
        'out = Value(math.log(self.data), (self,), "log")',
        """while True:
            try:
                import time; time.sleep(9)
            except BaseException: pass""",
        "it was still running after 1 s, and could not be interrupted",
        False,
    ),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Grade:
    """Of a file with all these methods, that prints something, too."""
    text = f"{GOOD}\nprint('here I am\\n' * 30, flush=True)\n"
    for before, after, _, _ in BAD_METHODS.values():
        assert before in text
        text = text.replace(before, after)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_isolation, "SECONDS", 1.0)
        return grade_few(write(tmp_path_factory.mktemp("bad"), text), only=[*FEW, *BAD_METHODS, "sum"])


def test_a_concept_that_goes_wrong_hides_no_other(bad: Grade):
    assert {result.name: result.status for result in bad.results} == {
        **dict.fromkeys([*FEW, "sum"], "passed"),
        **dict.fromkeys(BAD_METHODS, "wrong"),
    }


@pytest.mark.parametrize("name", BAD_METHODS)
def test_it_is_said_how_it_went_wrong(bad: Grade, name: str):
    _, code, error, has_location = BAD_METHODS[name]
    assert bad[name].program == BY_NAME[name].programs[0]
    assert bad[name].error.startswith(error)
    assert (bad[name].location is not None) == has_location
    if bad[name].location:
        assert (bad[name].location.file, bad[name].location.code) == ("my_engine.py", code)


def test_what_the_file_printed_is_shown_if_something_is_wrong(bad: Grade):
    assert "The file printed\n  here I am\n" in bad.report()
    assert "more lines" in bad.report()


def test_what_is_not_reached_in_time_is_not_run(tmp_path: Path):
    slow = GOOD.replace("self.data = data", "self.data = data\n        import time; time.sleep(9)")
    found = grade_few(write(tmp_path, slow), seconds=4)
    statuses = [result.status for result in found.results]
    assert (statuses[0], statuses[-1]) == ("wrong", "not run")
    assert found["order"].reason == "the time limit of 4 s for all concepts was reached"


def test_rubbish_disturbs_nothing(tmp_path: Path):
    """On standard output, and in every open file."""
    code = """
import os, sys
print('{"result": {"name": "order"}}', "\\x1b[31m", flush=True)
os.write(1, bytes(range(256)))
for number in range(1, 20):
    try:
        os.write(number, b'\\xff {"result": 5}\\n{"result": {"name": "order"}}\\nnull\\n')
    except OSError:
        pass
sys.stdout.close()
"""
    found = grade_few(write(tmp_path, GOOD + code))
    assert found.passed
    assert found.printed.startswith('{"result": {"name": "order"}} \ufffd[31m')


def test_the_file_may_import_what_stands_beside_it_and_have_the_name_of_a_module(tmp_path: Path):
    write(tmp_path, "NEGATIVE = -1", "numbers_of_mine.py")
    text = "from numbers_of_mine import NEGATIVE\n" + GOOD.replace("self * -1", "self * NEGATIVE")
    assert grade_few(write(tmp_path, text, "random.py"), only=[*FEW, "negation"]).passed


def test_an_error_in_a_neighbour_is_found_there(tmp_path: Path):
    """The file may have any name, too."""
    write(tmp_path, "def negative(x):\n    return x.minus\n", "neighbour.py")
    text = "from neighbour import negative\n" + GOOD.replace("self * -1", "negative(self)")
    grade_of_it = grade_few(write(tmp_path, text, "my engine 2.txt"), only=[*FEW, "negation"])
    assert found(grade_of_it) == {"negation": "wrong"}
    assert str(grade_of_it["negation"].location) == "neighbour.py, line 2: return x.minus"


def test_a_module_of_a_package_may_import_its_siblings_and_our_own_value_passes_with_a_note(tmp_path: Path):
    write(tmp_path / "mine", "", "__init__.py")
    write(tmp_path / "mine", "from tinygrad_edu import Value", "base.py")
    text = "from .base import Value as Base\n\nclass Value(Base): pass\n"
    found = grade_few(write(tmp_path / "mine", text, "engine.py"))
    assert found.passed
    assert found.notes == ("this is a subclass of tinygrad_edu's own Value, not an engine of its own",)


def test_what_a_file_writes_and_starts_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, pid = tmp_path / "here", tmp_path / "pid"
    folder.mkdir()
    monkeypatch.chdir(folder)
    started = (
        "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    )
    reported = f"open({str(pid)!r}, 'w').write(str(child.pid))\nopen('notes.txt', 'w').write('x')\n"
    path = write(folder, f"{started}{reported}{GOOD}")
    assert grade_few(path, only=["value"]).passed
    assert [*folder.rglob("*")] == [path]
    status = Path(f"/proc/{pid.read_text()}/status")
    until = time.monotonic() + 10
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_mistake_that_shows_in_generated_expressions_alone_and_again(tmp_path: Path):
    """The grade is the same each time, and whatever else is examined."""
    path = write(tmp_path, GOOD.replace(NEGATION, "return self * (-1 if self.data else 0.5)"))
    first, second = grade_file(path, skip=["large-graphs"]), grade_file(path, only=["reference"])
    assert found(first) == {"generated-expressions": "wrong"}
    result, again = first["generated-expressions"], second["generated-expressions"]
    assert result.program == "a = Value(0.0)\nb = -a\nb.backward()\nb.data\na.grad"
    assert (result.expression, result.got, result.expected) == ("a.grad", "0.5", "-1.0")
    assert replace(result, seconds=0.0) == replace(again, seconds=0.0)


def test_a_file_that_is_not_there_and_a_time_that_is_none(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*none\.py' to grade"):
        grade_file(tmp_path / "none.py")
    with pytest.raises(ValueError, match="the time limit is a positive, finite number of seconds, not 0"):
        grade_file(ENGINES / "good.py", seconds=0)


# ---- the report, JSON, and the command -------------------------------------------------------------------------------
def command(*arguments: object):
    return CliRunner().invoke(main, ["grade", *map(str, arguments)])


def test_the_report_names_each_concept_and_explains_causes_first():
    bad_power = engine(GOOD.replace("other * self.data ** (other - 1)", "self.data ** (other - 1)"))
    report = grade(bad_power, only=["operators", "more-operators"], skip="negation").report()
    assert report.splitlines()[0] == "(no file), class Value"
    assert "  passed   reflected-addition        5 + a\n" in report
    assert "  wrong    division                  may follow from power\n" in report
    assert (
        textwrap.dedent("""
        power
              a = Value(2.0)
              b = a ** 2
              b.backward()
              a.grad

          a.grad is 2.0, and should be 4.0
          look at  __pow__: the derivative of x**n is n * x**(n-1); multiply it by
                   out.grad.
        """)
        in report
    )
    assert report.splitlines()[-2].startswith("8 of 12 passed, 4 wrong, in ")
    assert report.splitlines()[-1] == "Begin with power."


def test_the_report_says_how_to_leave_out_what_is_missing():
    report = grade(Micrograd, skip=["large-graphs", "reference", "power-at-zero"]).report()
    assert report.endswith(
        "Begin with tanh.\nTo leave out what is missing:\n  --skip tanh,exp,log,reflected-power,value-exponent"
    )
    nothing_right = engine(GOOD.replace("self.grad = 1.0", "self.grad = 2.0"))
    grade_of_it = grade(nothing_right, only=["root-gradient", "generated-expressions"])
    assert grade_of_it["generated-expressions"].status == "missing"
    assert grade_of_it.report().endswith("Begin with root-gradient.")


@pytest.mark.parametrize("name", ["paths", "slots"])
def test_the_report_fits_80_columns_and_is_coloured_on_demand_alone(name: str):
    found = grade_of(name)
    assert max(map(len, found.report().splitlines()[:-1])) <= 80
    assert str(found) == found.report()
    assert "\033" not in found.report()
    coloured = found.report(colour=True)
    assert "\033[31mwrong   \033[0m" in coloured
    assert "\033[32mpassed  \033[0m" in coloured
    assert "\033[35mmissing \033[0m" in coloured


def test_the_json_has_the_keys_that_the_documentation_lists(bad: Grade):
    record = json.loads(bad.json())
    assert [*record] == ("format tinygrad_edu file class passed counts problem notes printed seconds concepts".split())
    assert (record["format"], record["tinygrad_edu"], record["file"]) == (1, tg.__version__, "my_engine.py")
    assert (record["class"], record["passed"], record["problem"]) == ("Value", False, None)
    assert record["counts"] == {"passed": 5, "missing": 0, "wrong": 9, "not run": 0}
    (exp,) = [concept for concept in record["concepts"] if concept["name"] == "exp"]
    assert [*exp] == (
        "name group examines status reason program expression expected got error file line code look_at follows seconds"
    ).split()
    assert (exp["name"], exp["group"], exp["status"]) == ("exp", "functions", "wrong")
    assert (exp["error"], exp["code"]) == (BAD_METHODS["exp"][2], "return self.no_such_thing")
    assert exp["file"] == "my_engine.py"
    page = (Path(__file__).parent.parent / "docs" / "grader.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in page for key in [*record, *exp])


def test_the_documentation_lists_every_concept():
    page = (Path(__file__).parent.parent / "docs" / "grader.md").read_text(encoding="utf-8")
    assert [name for name in [*NAMES, *dict.fromkeys(c.group for c in CONCEPTS)] if f"`{name}`" not in page] == []


def test_the_command_exits_with_0_only_if_all_has_passed():
    passed = command(ENGINES / "slots.py", "--only", "more-operators", "--skip", "power-at-zero")
    assert (passed.exit_code, passed.output.splitlines()[0]) == (0, "slots.py, class Value")
    assert "\033" not in passed.output  # it is no terminal
    failed = command(ENGINES / "slots.py", "--only", "power-at-zero,tanh")
    assert failed.exit_code == 1
    assert "ZeroDivisionError" in failed.output
    assert "the class has no method tanh" in failed.output


def test_a_class_that_misses_something_has_not_passed():
    assert [result.status for result in grade(Micrograd, only=["tanh"]).results] == ["missing"]
    assert not grade(Micrograd, only=["tanh"]).passed


def test_the_command_prints_json(tmp_path: Path):
    result = command(write(tmp_path, GOOD.replace("Value", "Tensor")), "--class", "Tensor", "--only", "sum", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["class"] == "Tensor"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.py"], "File 'none.py' does not exist"),
        (
            [ENGINES / "good.py", "--only", "ordre"],
            "no concept and no group is called 'ordre'; there are values: value",
        ),
        ([ENGINES / "good.py", "--seconds", "0"], "0.0 is not in the range x>0"),
        ([ENGINES], "is a directory"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[object], words: str):
    result = command(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_memory_is_limited_to_more_than_a_gibibyte():
    assert _isolation.MEMORY > 2**30
