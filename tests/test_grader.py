"""The grader names what is wrong with an engine, and nothing else; whatever a file does, there is a grade."""

import json
import math
import os
import random
import re
import subprocess
import sys
import textwrap
from dataclasses import FrozenInstanceError, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
from click.testing import CliRunner
from micrograd.engine import Value as Micrograd
from profiles import IN_CI, sample

import tinygrad_edu as tg
from tinygrad_edu import Value, testing
from tinygrad_edu.cli import main
from tinygrad_edu.testing import grader
from tinygrad_edu.testing.grader import _examination, _isolation, _notebook, concepts
from tinygrad_edu.testing.grader.concepts import CONCEPTS
from tinygrad_edu.testing.grader.grade import examine, grade, grade_file, suite
from tinygrad_edu.testing.grader.grades import Grade

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA = json.loads((DOCS / "grader-schema-1.json").read_text(encoding="utf-8"))
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
    return grade(engine_of(name), skip=["many-paths"] if name == "paths" else ["reference"])


def found(grade: Grade) -> dict[str, str]:
    """What has not passed, and is no consequence of what is named before."""
    return {result.name: result.status for result in grade.results if not result.passed and not result.follows}


# ---- the table -------------------------------------------------------------------------------------------------------
def test_names_are_unique_and_one_word_each():
    assert len({*NAMES}) == len(NAMES) >= 30
    assert all(name.replace("-", "").isalpha() and name == name.lower() for name in NAMES)


@pytest.mark.parametrize("concept", CONCEPTS, ids=NAMES)
def test_a_concept_says_what_it_examines_and_what_to_explanation(concept: concepts.Concept):
    assert concept.examines
    assert concept.rule.endswith(".")
    assert concept.points > 0
    assert len(concept.examines) <= 44  # one line of the report
    assert bool(concept.programs) != concept.generated


@pytest.mark.parametrize("concept", CONCEPTS, ids=NAMES)
def test_a_concept_builds_on_earlier_ones(concept: concepts.Concept):
    assert {*concept.builds_on} <= {*NAMES[: NAMES.index(concept.name)]}


@pytest.mark.parametrize("concept", CONCEPTS, ids=NAMES)
def test_every_program_shows_numbers_last(concept: concepts.Concept):
    for program in concept.programs:
        shown = _examination.show_numbers(program, Value)
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
        "reflected-power": "missing",
        "value-exponent": "missing",
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
    assert slow.explanation == (
        "It takes too long: the work grows with the number of nodes, not with the number of paths to them."
    )


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
    assert {*found(grade)} >= expected  # what nothing links to them comes along
    first = grade[min(expected, key=NAMES.index)]
    assert next(result.name for result in grade.results if not result.passed) == first.name
    assert first.explanation or first.status == "missing"
    if first.status == "wrong":
        assert first.program
        assert first.error or first.expected != first.got


def test_no_concept_is_without_a_mistake_that_breaks_it():
    named = {name for _, _, names in MISTAKES.values() for name in names}
    assert {*NAMES} - named == {
        "unused-nodes",
        "many-paths",
        "deep-chains",
        "generated-expressions",
    }  # which have tests of their own


# ---- what is said of a mistake ---------------------------------------------------------------------------------------
def test_an_engine_that_counts_uses_loses_gradients_where_one_is_not_reached():
    result = grade_of("counting")["unused-nodes"]
    assert (result.expression, result.got) == ("a.grad, b.grad, d.grad", "0.0, 5.0, 0.0")
    assert result.explanation == (
        "A node waits for every use, also for one that backward() does not reach: count only the uses it does."
    )
    assert {r.name for r in grade_of("counting").results if r.status == "wrong"} == {"unused-nodes"}


def test_arrays_that_two_nodes_share_are_named_and_the_visited_set_is_not():
    arrays = grade_of("arrays")
    wrong = [result for result in arrays.results if result.status == "wrong" and result.name != "deep-chains"]
    assert {result.name: result.follows for result in wrong} == {
        "order": "",
        "sum": "order",
    }
    assert wrong[0].explanation.startswith("Two nodes keep their gradients in one array")
    assert "visited" not in arrays.report()


def test_a_starter_begins_with_what_is_taught_first():
    starter = grade_of("starter")
    assert starter["deep-chains"].status == "wrong"
    assert "\nBegin with repr.\n" in starter.report()
    assert "\nBegin with reflected-addition.\n" in replace(starter, results=starter.results[3:]).report()


IN_A_SET = GOOD.replace("self._prev = _children", "self._prev = set(_children)")  # in any order, as micrograd does
WALK = GOOD[GOOD.index("        order, visited") : GOOD.index("    def __neg__")]
STACK = """
        self.grad, stack, visited = 1.0, [self], {self}
        while stack:
            node = stack.pop()
            node._backward()
            for x in node._prev - visited:
                visited.add(x)
                stack.append(x)
"""
OWN = "\n        self.grad = 1.0\n        self._backward()\n"
EQUAL = """    def __eq__(self, other):
        return self.data == other.data

    def __hash__(self):
        return hash(self.data)

"""
ONCE = "A node that is used twice takes its backward step twice:"
EARLY = "A node takes its backward step too early:"

# what stands in the engine, what in its place; the first concept that is wrong, and what is said of it
CLASSIC = {
    "= for all": ("grad += ", "grad = ", "accumulation", "The gradient of a later use takes the place"),
    "= in +": (
        "grad += out.grad\n",
        "grad = out.grad\n",
        "accumulation",
        "The backward step of __add__ sets the gradient w",
    ),
    "= in *": (
        "self.grad += other.data *",
        "self.grad = other.data *",
        "accumulation",
        "The backward step of __mul__ sets the gradient for its left input with =",
    ),
    "no reversed": ("reversed(order)", "order", "chain-rule", "Only the inputs of the last node get a gradient:"),
    "nothing visited": (ORDER, ORDER.replace("elif node not in visited", "else"), "", ONCE),
    "own step only": (
        WALK,
        OWN,
        "chain-rule",
        "Only the inputs of",
    ),
    "two levels": (
        WALK,
        f"{OWN}        for x in self._prev:\n            x._backward()\n",
        "shared-nodes",
        "backward() goes to the inputs of the inputs, and no further",
    ),
    "recursion": (
        WALK,
        f"{OWN}        for x in self._prev:\n            x.backward()\n",
        "multiplication",
        "backward() calls backward() of the inputs, which sets their gradients to 1",
    ),
    "a stack": (WALK, STACK, "order", EARLY),
    "a queue": (WALK, STACK.replace("pop()", "pop(0)"), "order", EARLY),
    "a stack, and nothing visited": (WALK, STACK.replace(" - visited", ""), "", ONCE),
    "inputs cleared": (
        "            node._backward()",
        "            for x in node._prev:\n                x.grad = 0.0\n            node._backward()",
        "accumulation",
        "A backward step sets the gradients of its inputs to 0 first",
    ),
    "own gradient cleared": (
        "            node._backward()",
        "            node._backward()\n            node.grad = 0.0 if node._prev else node.grad",
        "chain-rule",
        "A node that was computed loses its gradient",
    ),
    "called at once": ("= _backward\n", "= _backward() or (lambda: None)\n", "addition", "No backward step is taken:"),
    "no step": (
        "            self.grad += (1 - t**2) * out.grad\n",
        "            pass\n",
        "tanh",
        "The backward step of tanh adds",
    ),
    "no step for b": (
        "            other.grad += out.grad\n",
        "",
        "addition",
        "The backward step of __add__ adds nothing to",
    ),
    "no inputs": ('(self,), "tanh"', '(), "tanh"', "tanh", "tanh does not give its inputs to the node"),
    "one input": (
        '(self, other), "*"',
        '(self,), "*"',
        "division",
        "__mul__ does not give its right input to the node",
    ),
    "equal numbers": (
        "    def __repr__",
        f"{EQUAL}    def __repr__",
        "",
        "Nodes with equal numbers are taken for one node:",
    ),
    "tanh of its input": ("(1 - t**2)", "(1 - self.data**2)", "tanh", "The backward step of tanh computes 1 - x**2 of"),
    "relu at 0": ("(self.data > 0)", "(self.data >= 0)", "relu", "The backward step of relu gives 1 at x = 0"),
    "relu everywhere": ("(self.data > 0) * ", "", "relu", "The backward step of relu passes the gradient on also"),
    "exp of its input": (
        "out.data * out.grad",
        "self.data * out.grad",
        "exp",
        "The backward step of exp multiplies by its in",
    ),
    "log of its output": (
        "out.grad / self.data",
        "out.grad / out.data",
        "log",
        "The backward step of log divides by its out",
    ),
    "no factor n": (
        "other * self.data ** (",
        "self.data ** (",
        "power",
        "The backward step of __pow__ computes a**(n-1), w",
    ),
    "n not lowered": (
        "self.data ** (other - 1)",
        "self.data**other",
        "power",
        "The backward step of __pow__ computes n * a**n:",
    ),
}


@pytest.mark.parametrize("name", sample([*CLASSIC], 8))
def test_a_classic_mistake_has_one_sentence_also_where_inputs_are_kept_in_a_set(name: str):
    before, after, concept, words = CLASSIC[name]
    for text in (GOOD, IN_A_SET) if "_prev - " not in after else (IN_A_SET,):
        assert before in text
        found_here = grade(engine(text.replace(before, after)), skip=["large-graphs", "reference", "exponents"])
        wrong = [result for result in found_here.results if result.status == "wrong"]
        assert wrong[0].name == (concept or wrong[0].name)
        assert wrong[0].explanation.startswith(words)
        assert {result.explanation for result in wrong if not result.follows} == {wrong[0].explanation}


SUB = """    def __sub__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data - other.data, (self, other), "-")

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out
"""
NEG = "    def __neg__(self):\n        return self * -1\n\n"
PLAIN_SUB = "    def __sub__(self, other):\n        return self + (-other)\n"


def test_a_mistake_behind_a_missing_method_is_one_of_its_own():
    text = GOOD.replace(NEG, "").replace(PLAIN_SUB, SUB)
    found_here = grade(engine(text), skip=["large-graphs", "reference"])
    assert found(found_here) == {"negation": "missing", "subtraction": "wrong"}
    assert found_here["reflected-subtraction"].follows == "negation"
    subtraction = found_here["subtraction"]
    assert subtraction.explanation == "b.grad has the wrong sign: a - b has the derivatives 1 in a and -1 in b."
    assert "\nsubtraction\n" in found_here.report()


@pytest.mark.parametrize(
    ("sign", "follows", "explanation"),
    [
        ("self + (-other)", "negation", "It passes as soon as __neg__ is right: mend negation first."),
        ("(-self) + other", "", "Even with a right __neg__, c.data is wrong, before any gradient: a - b has the"),
    ],
)
def test_a_mistake_that_needs_a_missing_method_is_tried_with_a_right_one(
    tmp_path: Path, sign: str, follows: str, explanation: str
):
    text = GOOD.replace(NEG, "").replace("self + (-other)", sign)
    subtraction = grade_few(write(tmp_path, text), only=["negation", "subtraction"])["subtraction"]
    assert subtraction.follows == follows
    assert subtraction.explanation.startswith(explanation)


def test_every_wrong_concept_has_its_program_and_its_sentence(bad: Grade):
    for grade_of_it in (
        bad,
        grade_of("arrays"),
        grade(engine(GOOD.replace("self.grad += out.grad", "self.grad = 1")), skip="reference"),
    ):
        for result in grade_of_it.results:
            if result.status == "wrong":
                assert result.program
                assert result.explanation.endswith(".")
                assert f"\n{result.name}\n" in grade_of_it.report()


@pytest.mark.parametrize("mistake", sample([*MISTAKES], 4))
def test_a_mistake_is_named_whatever_the_numbers_are(mistake: str, tmp_path: Path):
    before, after, expected = MISTAKES[mistake]
    path = write(tmp_path, GOOD.replace(before, after, 1))
    for seed in (1, 2):
        found_here = grade_file(path, skip=["large-graphs", "reference"], seed=seed)
        assert next(r.name for r in found_here.results if not r.passed) == min(expected, key=NAMES.index)


def test_numbers_are_varied_but_not_what_they_are_for():
    program = "a = Value(3.0)\nb = Value(3.0)\nc = a * 2 + 0.0 - b ** 0.5 * 1.0\n'3.0' in repr(a), -3.0"
    varied = _examination.vary_numbers(program, random.Random(1))
    number = varied[10 : varied.index(")")]
    assert number != "3.0"
    assert varied == program.replace("3.0", number)


# ---- notebooks -------------------------------------------------------------------------------------------------------
def write_notebook(folder: Path, *cells: str, name: str = "engine.ipynb") -> Path:
    kinds = [("markdown" if cell.startswith("#") else "code", cell) for cell in cells]
    content = {"cells": [{"cell_type": kind, "source": text.splitlines(keepends=True)} for kind, text in kinds]}
    path = folder / name
    path.write_text(json.dumps({**content, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}), encoding="utf-8")
    return path


def test_a_notebook_is_its_code_cells_in_order(tmp_path: Path):
    first = "%matplotlib inline\nif True:\n    %time x = 1\ny = %time x + 1\nassert (x, y) == (1, 2)\n"
    last = "%%time\nget_ipython().run_line_magic('matplotlib', 'inline')\ndisplay(Value(x), clear=True)\n"
    path = write_notebook(tmp_path, "# My engine", first, "%%bash\nexit 1\n", GOOD, last)
    found_here = grade_few(path, only=[*FEW, "negation"])
    assert found_here.passed
    assert found_here.printed == "Value(data=1, grad=0.0)"


CELLS = {  # and how many lines are for the notebook alone
    "%matplotlib inline\n!pip install nothing \\\n  --quiet \\\n\nx = 1\nimport math\nmath?\n?math\nmath.pi??\n": 5,
    "import sys\nsys.path[0]?\nsys.pa*?\nx = [0][0]  # what?\n": 2,
    "t = %timeit -o 1\nfiles = !ls 'it \\\n -l\nx, y = 1, 2\nfile = !ls\n": 3,
    "x = (10\n  % 3)\ny = [7\n%4]\nz = {'a': 7\n!= 8}\n": 0,
    "x = 10 \\\n% 3\ny = 10 \\\n  % 4\nz = 'a = !b'  # = !c '\n": 0,
    'x = """\n%time\n!ls \\"""\n?\n"""\ny = r\'\'\'\n% (\n\'\'\'\n%pwd\n': 1,
    "def f():\n    !ls (\n    %pwd [\n    return '%d' % 5, f'{3=!r}'\nx = f()\n": 2,
    "# it's (\n!ls \"\"\"\nx = '\\'' '('\n%pwd\nx = 5\nx %= 3\nx = x != 4\n": 2,
    "if True: pass\nelse:\n    !ls\nx = (\n    '%s'\n    # (\n    % 1\n)\ny = lambda a=3: a\ny = y()\n": 1,
}


@pytest.mark.parametrize("cell", CELLS)
def test_of_a_cell_all_goes_that_ipython_takes_and_nothing_else(cell: str):
    """Both texts are run, and give the same names the same values."""
    TransformerManager = pytest.importorskip("IPython.core.inputtransformer2").TransformerManager
    taken, ours, theirs = [], {}, {}
    kept = _notebook._keep_python(cell)
    exec(kept, ours)
    shell = SimpleNamespace(system=taken.append, run_line_magic=lambda *x: taken.append(x), getoutput=lambda x: [])
    exec(text := TransformerManager().transform_cell(cell), theirs | {"get_ipython": lambda: shell}, theirs)
    assert text.count("get_ipython()") == CELLS[cell]
    names = {"x", "y", "z", "t", "files", "file"}
    assert {k: x for k, x in ours.items() if k in names} == {k: x for k, x in theirs.items() if k in names}
    assert kept.count("\n") == cell.count("\n")


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        ("x = 1\nraise ValueError\n", "cell 3, line 2: raise ValueError"),
        ("x = (\n", "cell 3, line 1: x = ("),
        ("Value.__add__ = lambda a, b:\\\n    a.no\n", "cell 3, line 2: a.no"),
        ("while True:\n    pass\n", "cell 3, line"),
    ],
)
def test_a_line_of_a_notebook_is_named_by_its_cell(tmp_path: Path, cell: str, place: str):
    first = GOOD if "Value." in cell else "x = 0\n"  # where the class is there, a cell that fails is a note
    found = grade_few(write_notebook(tmp_path, "# Text", first, cell), seconds=3.0 if "while" in cell else 20.0)
    location = found.location or next(result.location for result in found.results if result.location)
    assert str(location).startswith(place)


def test_cells_that_fail_are_noted_and_the_class_is_the_one_after_all_cells(tmp_path: Path):
    begun = "class Value:\n    pass\nValue(1)\n"
    cells = ("x = 1", begun, "# It takes a number", GOOD, "raise SystemExit('\\x1b[2J' + 'x' * 500)", "x = (", "x = 2")
    grade = grade_few(write_notebook(tmp_path, *cells))
    first, others = grade.notes
    assert grade.passed
    assert first == "cell 2 failed with TypeError: Value() takes no arguments"
    assert others == "of the cells below it, these failed, too: 'cell 5', 'cell 6'"
    record = json.loads(grade.json())
    jsonschema.validate(record, SCHEMA)
    assert record["notes"] == [*grade.notes]
    assert f"Note: {first}." in grade.report()
    assert f"Note: {first}.\n" in json.loads(grade.gradescope())["output"]


def test_the_error_of_a_cell_is_cut_and_steers_nothing(tmp_path: Path):
    cell = "class \u00c9(Exception): pass\nraise \u00c9('\\x1b[2J\\n' + 'x' * 500)"
    (note,) = grade_few(write_notebook(tmp_path, GOOD, cell)).notes
    assert note.startswith("cell 2 failed with \u00c9: \ufffd[2J xxx")
    assert len(note) <= len("cell 2 failed with ") + 200


def test_where_no_cell_has_made_the_class_the_first_error_is_the_problem(tmp_path: Path):
    grade = grade_few(write_notebook(tmp_path, "%%writefile my.py\nclass Value: pass", "from my import Value", "1 / 0"))
    assert "No module named 'my'" in grade.problem
    assert str(grade.location) == "cell 2, line 1: from my import Value"
    assert not grade.passed


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"cells": [1]}', "[" * 100_000])
def test_what_is_called_a_notebook_and_is_none(tmp_path: Path, text: str):
    with pytest.raises(ValueError, match=r"my\.ipynb is not a notebook of Jupyter"):
        grade_file(write(tmp_path, text, "my.ipynb"))


# ---- what an engine lacks --------------------------------------------------------------------------------------------
def test_what_an_engine_lacks_is_not_generated_either():
    lacking = GOOD.replace(NO_METHOD.format("__radd__", "+"), "").replace("    def tanh", "    def hyperbolic_tangent")
    assert examine(BY_NAME["generated-expressions"], engine(lacking)).passed


def test_the_expected_numbers_are_those_of_our_engine():
    result = grade(engine(GOOD.replace("(1 - t**2)", "(1 - t**3)")), only=["tanh"])["tanh"]
    a = Value(0.5)
    (a.tanh() * 10.0).backward()
    assert (result.expression, result.expected) == ("a.grad", str(a.grad))
    assert result.program == "a = Value(0.5)\nb = a.tanh()\nc = b * 10.0\nc.backward()\na.grad"
    assert (
        result.explanation == "a.grad is wrong: tanh(x) has the derivative 1 - t**2, where t = tanh(x) is the output."
    )


@pytest.mark.parametrize(
    ("gradient", "got"), [("None", "None"), ("Value(1.0)", "a Value, not a number"), ("'1.0'", "a str, not a number")]
)
def test_a_gradient_that_is_no_number_is_wrong(gradient: str, got: str):
    result = grade(
        engine(GOOD.replace("        self.grad = 1.0", f"        self.grad = {gradient}")), only=["root-gradient"]
    )["root-gradient"]
    assert (result.status, result.got) == ("wrong", got)


@pytest.mark.parametrize("name", ["TimeLimitError", "TimeIsOverError", "Ended", "OutOfTimeError"])
def test_an_error_of_the_class_is_what_it_is_whatever_its_name_is(tmp_path: Path, name: str):
    text = f"class {name}(Exception):\n    pass\n\n" + GOOD.replace(NEGATION, f"raise {name}('mine')")
    for graded in (grade(engine(text), only=["negation"]), grade_few(write(tmp_path, text), only=["negation"])):
        assert graded["negation"].error == f"{name}: mine"
        assert graded["negation"].explanation.startswith("There is an error where a number should be")


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


def test_the_search_writes_nothing_to_the_folder_of_the_user(tmp_path: Path):
    """In a process of its own, as Hypothesis remembers what it has written."""
    code = """
from hypothesis.configuration import storage_directory
from tinygrad_edu import Value, testing
before = storage_directory("x", intent_to_write=False).path
assert testing.grade(Value, only="reference").passed
assert storage_directory("x", intent_to_write=False).path == before
"""
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert [*tmp_path.iterdir()] == []


# ---- pytest ----------------------------------------------------------------------------------------------------------
def test_a_suite_fails_with_the_explanation():
    test = suite(Micrograd)
    assert [mark.args[1] for mark in test.pytestmark] == [CONCEPTS]  # type: ignore[attr-defined]
    with pytest.raises(pytest.fail.Exception) as failure:
        test(BY_NAME["power-at-zero"])
    assert "b = a ** 0" in str(failure.value)
    assert "ZeroDivisionError" in str(failure.value)


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    return subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=folder)


def test_pytest_runs_the_files_of_the_page_for_teachers(tmp_path: Path):
    page = (DOCS / "grader.md").read_text(encoding="utf-8")
    files = dict(re.findall(r'```python title="(.+?)"\n(.*?)```', page, flags=re.DOTALL))
    assert [*files] == ["test_engine.py", "test_students.py"]
    write(tmp_path, GOOD, "my_engine.py")
    write(tmp_path, GOOD.replace("+= out.grad", "= out.grad"), "anna.py")
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = run_pytest(tmp_path)
    assert run.returncode == 1
    assert "1 failed, 35 passed" in run.stdout
    assert "Begin with accumulation." in run.stdout


# ---- an autograder ---------------------------------------------------------------------------------------------------
RESULTS = {  # what Gradescope documents of results.json: what is required, of which type, and which words it knows
    "type": "object",
    "required": ["score", "output", "execution_time", "tests"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 100},
        "output": {"type": "string", "minLength": 1},
        "execution_time": {"type": "number", "minimum": 0},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "score", "max_score", "status", "output"],
                "additionalProperties": False,
                "properties": {
                    "name": {"enum": NAMES},
                    "score": {"type": "number", "minimum": 0},
                    "max_score": {"type": "number", "exclusiveMinimum": 0},
                    "status": {"enum": ["passed", "failed"]},
                    "output": {"type": "string", "minLength": 1},
                },
            },
        },
    },
}


def test_the_script_of_an_autograder_writes_what_gradescope_reads(tmp_path: Path):
    """In its folders: `submission` has the student's file, and `results` gets the results."""
    page = (DOCS / "grader.md").read_text(encoding="utf-8")
    (script,) = re.findall(r'```bash title="run_autograder"\n(.*?)```', page, flags=re.DOTALL)
    write(tmp_path, script, "run_autograder")
    command = write(tmp_path / "bin", f'#!/bin/sh\nexec "{sys.executable}" -m tinygrad_edu.cli "$@"\n', "tinygrad-edu")
    command.chmod(0o755)
    (tmp_path / "results").mkdir()
    paths = {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(DOCS.parent)}
    environment = {**os.environ, **paths, "AUTOGRADER": str(tmp_path)}
    failed = {}
    for text in (GOOD, GOOD.replace("return self * -1", "return self * 1")):
        write(tmp_path / "submission", text)
        subprocess.run(["bash", str(tmp_path / "run_autograder")], env=environment, check=True, capture_output=True)
        record = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
        jsonschema.validate(record, RESULTS)
        assert [test["name"] for test in record["tests"]] == NAMES
        assert sum(test["max_score"] for test in record["tests"]) == 100
        assert record["score"] == sum(test["score"] for test in record["tests"])
        failed[record["score"]] = {test["name"] for test in record["tests"] if test["status"] == "failed"}
    assert failed[100] == set()
    (wrong,) = [names for score, names in failed.items() if score < 100]
    assert {"negation", "subtraction"} <= wrong
    assert "addition" not in wrong


def test_an_autograder_reads_the_results_file(tmp_path: Path):
    path = write(tmp_path, GOOD.replace("return self * -1", "return self * 1"))
    results = tmp_path / "results.json"
    only = ["--only", "operators,negation"]
    assert command(path, *only, "--gradescope", results).exit_code == 1
    record = json.loads(results.read_text(encoding="utf-8"))
    jsonschema.validate(record, RESULTS)
    assert record["score"] == sum(test["score"] for test in record["tests"]) == 15
    for test in record["tests"]:
        assert 0 <= test["score"] <= test["max_score"]
        assert test["status"] == ("passed" if test["score"] else "failed")
    last = record["tests"][-1]
    assert (last["name"], last["max_score"]) == ("negation", 2)
    assert "b.data is wrong, before any gradient" in last["output"]
    assert "5 of 6 passed" in record["output"]


def test_an_autograder_is_told_why_a_file_cannot_be_imported(tmp_path: Path):
    record = json.loads(grade_few(write(tmp_path, "x = 1\n1 +\n")).gradescope())
    assert record["score"] == 0
    assert record["output"].startswith("Importing my_engine.py failed with SyntaxError")
    assert "my_engine.py, line 2: 1 +" in record["output"]
    assert [test["status"] for test in record["tests"]] == ["failed"] * len(FEW)


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
    ("from tinygrad_edu import Value\n", "ImportError: tinygrad_edu cannot be imported while an engine is graded", 1),
    ("class Node: pass\n", "There is no class 'Value' in my_engine.py. It has 'Node': choose with --class.", None),
    ("def Value(x): return x\n", "There is no class 'Value' in my_engine.py. It has no class at all.", None),
]


@pytest.mark.parametrize(("text", "problem", "line"), sample(UNLOADABLE, 4))
def test_what_is_said_of_files_that_cannot_be_imported(tmp_path: Path, text: str, problem: str, line: int | None):
    found = grade_few(write(tmp_path, text))
    assert problem in found.problem
    assert (found.location.line if found.location else None) == line
    assert {result.status for result in found.results} == {"not run"}


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
    "tanh": ("t = math.tanh(self.data)", "raise KeyboardInterrupt", "KeyboardInterrupt", True),
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
        "it was still running after 1 s",
        None,
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
    assert bad[name].program.splitlines()[-2:] == BY_NAME[name].programs[0].splitlines()[-2:]
    assert bad[name].error.startswith(error)
    assert has_location is None or (bad[name].location is not None) == has_location
    if has_location:
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
    code = """
import os, sys
print('{"result": {"name": "order"}}', "\\x1b[31m", flush=True)
os.write(1, bytes(range(256)))
os.write(2, b'\\xff {"result": 5}\\n{"result": {"name": "order"}}\\nnull\\n')
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


def test_a_module_of_a_package_may_import_its_siblings(tmp_path: Path):
    write(tmp_path / "mine", "", "__init__.py")
    write(tmp_path / "mine", GOOD, "base.py")
    text = "from .base import Value as Base\n\nclass Value(Base): pass\n"
    assert grade_few(write(tmp_path / "mine", text, "engine.py")).passed


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
    for seconds in (0, -1, math.nan, math.inf, 1e10, 1e300):
        with pytest.raises(ValueError, match=f"more than 0 and at most 86400, a day, not {re.escape(f'{seconds:g}')}"):
            grade_file(ENGINES / "good.py", seconds=seconds)
    assert grade_file(ENGINES / "good.py", only="value", seconds=86_400).passed


# ---- the report, JSON, and the command -------------------------------------------------------------------------------
def command(*arguments: object):
    return CliRunner().invoke(main, ["grade", *map(str, arguments)])


def test_the_report_names_each_concept_and_explains_causes_first():
    bad_power = engine(GOOD.replace("other * self.data ** (other - 1)", "self.data ** (other - 1)"))
    report = grade(bad_power, only=["operators", "more-operators"], skip="negation").report()
    assert report.splitlines()[0] == "(no file), class Value"
    assert "  passed   reflected-addition        5 + a\n" in report
    assert "  wrong    division                  follows from power\n" in report
    assert (
        textwrap.dedent("""
        power
              a = Value(2.0)
              b = a ** 2
              b.backward()
              a.grad

          a.grad is 2.0, and should be 4.0
          why      The backward step of __pow__ computes a**(n-1), without the factor n:
                   the derivative is n * a**(n-1).
        """)
        in report
    )
    assert report.splitlines()[-2].startswith("8 of 12 passed, 4 wrong, 21 of 29 points, in ")
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
    assert [*record] == (
        "version tinygrad_edu file class passed points max_points counts problem notes printed seed sandbox seconds "
        "concepts"
    ).split()
    assert (record["version"], record["tinygrad_edu"], record["file"]) == (1, tg.__version__, "my_engine.py")
    assert (record["class"], record["passed"], record["problem"]) == ("Value", False, None)
    assert record["counts"] == {"passed": 5, "missing": 0, "wrong": 9, "not run": 0}
    (exp,) = [concept for concept in record["concepts"] if concept["name"] == "exp"]
    assert [*exp] == (
        "name group examines status points max_points reason program expression expected got error file line code "
        "explanation follows seconds"
    ).split()
    assert (exp["name"], exp["group"], exp["status"]) == ("exp", "functions", "wrong")
    assert (exp["error"], exp["code"]) == (BAD_METHODS["exp"][2], "return self.no_such_thing")
    assert exp["file"] == "my_engine.py"
    page = (DOCS / "grader.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in page for key in [*record, *exp])
    assert [*SCHEMA["properties"]] == SCHEMA["required"] == [*record]
    assert [*SCHEMA["properties"]["concepts"]["items"]["properties"]] == [*exp]


def test_the_json_follows_the_schema_that_is_published(bad: Grade, tmp_path: Path):
    unreadable = grade_few(write(tmp_path, "1 +"))
    for found in (bad, unreadable, grade_of("paths"), grade(Value, only=["order"])):
        jsonschema.validate(json.loads(found.json()), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(unreadable.json()), "version": 2}, SCHEMA)


def test_the_documentation_lists_every_concept():
    page = (DOCS / "grader.md").read_text(encoding="utf-8")
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
        ([ENGINES / "good.py", "--seconds", "0"], "must be more than 0 and at most 86400, a day, not 0"),
        ([ENGINES / "good.py", "--seconds", "1e300"], "must be more than 0 and at most 86400, a day, not 1e+300"),
        ([ENGINES], "is a directory"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[object], words: str):
    result = command(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
