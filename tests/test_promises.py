"""Promises that are kept by tests: a light import, the public names, the size of the core, and who may import whom."""

import ast
import copy
import importlib.metadata
import os
import pickle
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tinygrad_edu as tg
from tinygrad_edu.train.history import EndedRun

PACKAGE = Path(tg.__file__).parent


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(node: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Those in a file or a statement, each with whether it stands inside of a function."""
    in_function = in_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield inner, in_function
            yield from statements(inner, in_function)


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return done.stdout


def test_importing_the_package_loads_the_standard_library_and_nothing_else():
    """Site hooks of the environment may have loaded more before; only what the import itself adds counts."""
    added = run(
        "import sys; before = set(sys.modules)\n"
        "import tinygrad_edu as tg; tg.data, tg.losses, tg.nn, tg.optim, tg.train\n"
        "tg.teach.check('5.2', tg.teach.exercise('5.2').solution())\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    ).split()
    assert set(added) - {"tinygrad_edu"} <= sys.stdlib_module_names


def test_what_is_heavy_is_loaded_on_first_use():
    """Of each module whether it is there before and after what needs it: in one process, the lighter ones first."""
    fit = "tg.train.fit(tg.nn.Linear(1), [[1.0], [2.0]], [1.0, 2.0], epochs=1, compile={})"
    uses = {
        "tinygrad_edu.train": fit.format(False),
        "tinygrad_edu.compiler": "tg.testing",
        "tinygrad_edu.testing.grader.grade": "tg.testing.grade",
        "hypothesis": "tg.testing.strategies",
        "tinygrad_edu.viz": "tg.draw",
        "numpy": fit.format(True),
    }
    lines = [f"print({name!r} in sys.modules); {use}; print({name!r} in sys.modules)" for name, use in uses.items()]
    assert run("\n".join(["import sys, tinygrad_edu as tg", *lines])).split() == ["False", "True"] * len(uses)


def test_the_public_names():
    assert sorted(tg.__all__) == sorted(
        """
        Value abs acos acosh asin asinh atan atanh clamp compile cos cosh data define_op derivative dot draw draw_dot
        elu erfc exp exp2 explore expm1 gelu grad hessian hvp jacobian leaky_relu load log log10 log1p log2 log_softmax
        logsumexp losses maximum mean minimum nn no_grad optim prod record relu sigmoid sign silu sin sinh softmax
        softplus sqrt step take tan tanh teach testing total trace train value_and_grad where
        """.split()
    )
    assert all(hasattr(tg, name) for name in tg.__all__)
    assert set(tg.__all__) <= set(dir(tg))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'drow'"):
        _ = tg.drow


@pytest.mark.parametrize("name", [n for n in tg.__all__ if not isinstance(getattr(tg, n), type(os))])
def test_every_public_name_is_documented(name: str):
    assert (getattr(tg, name).__doc__ or "").strip()


# From below: a file imports what stands to its left, and of its own folder what does not import it back.
LAYERS = """
    errors _interrupts _limits _io _validate _samples _display rules ops modes graph engine _parts functional gradients
    nn losses optim data train compiler viz testing teach sklearn cli _hypothesis
    """.split()
# Imports of a later module inside of a function: when it is called, and not before.
DEFERRED = {
    ("nn", "compiler.prediction"),  # predict(X) for many samples
    ("engine", "viz.graph"),  # the picture of a Value in a notebook
    ("train.fit", "compiler.training"),  # fit(…, compile=True)
    ("train.fit", "compiler.jax_training"),  # fit(…, compile="jax")
}
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"  # which spells out the public names of all of them
}


def named(node: ast.Import | ast.ImportFrom, file: str, path: Path) -> set[str]:
    """The files of the package that a statement imports, relative or absolute."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        package = ["tinygrad_edu", *file.split(".")]
        above = package[: len(package) - node.level + (path.stem == "__init__")] if node.level else []
        start = ".".join([*above, *([node.module] if node.module else [])])
        names = [start, *[f"{start}.{alias.name}" for alias in node.names]]
    found = {name.removeprefix("tinygrad_edu.") for name in names if name.startswith("tinygrad_edu.")}
    found &= FILES.keys()
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


@cache
def imports(file: str) -> tuple[set[str], set[str]]:
    """What a file imports when it is loaded, for the type checker included; and what later, inside of functions."""
    at_once: set[str] = set()
    later: set[str] = set()
    for node, in_function in statements(parse(FILES[file])):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            (later if in_function else at_once).update(named(node, file, FILES[file]))
    return at_once, later


def layer(file: str) -> int:
    return LAYERS.index(file.partition(".")[0])


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_file_imports_only_from_its_left(file: str):
    at_once, later = imports(file)
    assert {other for other in at_once if layer(other) > layer(file)} == set()
    assert {(file, other) for other in later if layer(other) > layer(file)} == {
        pair for pair in DEFERRED if pair[0] == file
    }


def test_no_two_files_import_each_other():
    """Nor three in a circle."""
    waiting = {file: imports(file)[0] - {file} for file in FILES}
    while ready := {file for file, others in waiting.items() if not others & waiting.keys()}:
        waiting = {file: others for file, others in waiting.items() if file not in ready}
    assert waiting == {}


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_private_file_is_imported_by_its_own_folder_alone(file: str):
    at_once, later = imports(file)
    for other in at_once | later:
        folder, _, name = other.rpartition(".")
        assert not name.startswith("_") or not folder or f"{file}.".startswith(f"{folder}.")


def distributions(requirements: list[str]) -> set[str]:
    """The names of the packages, as PEP 503 spells them."""
    names = [re.match(r"[\w.-]+", requirement)[0] for requirement in requirements]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def third_party_imports() -> dict[str, set[str]]:
    """The packages that are imported anywhere in ours, each with the files that do it."""
    providers, found = importlib.metadata.packages_distributions(), {}
    for path in PACKAGE.rglob("*.py"):
        for node, _ in statements(parse(path)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for module in modules:
                top = module.split(".")[0]
                if top not in {*sys.stdlib_module_names, "tinygrad_edu", "pyodide"}:  # which is Python, in a browser
                    (name,) = distributions([*{*providers[top]}])
                    found.setdefault(name, set()).add(path.relative_to(PACKAGE).as_posix())
    return found


JAX_FILES = ("backends/jax.py", "jax_training.py", "jax_processes.py", "_pieces.py")
ASKED_FOR = (*[f"compiler/{name}" for name in JAX_FILES], "sklearn.py", "_hypothesis.py")


def test_every_package_that_is_imported_is_declared():
    """Also one that another package brings along: that may do without it in its next version."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared, imports = distributions(project["dependencies"]), third_party_imports()
    assert {"numpy", "pillow", "tqdm"} <= imports.keys()
    rest = {name: files for name, files in imports.items() if name not in declared}
    extras = project["optional-dependencies"]
    assert rest.keys() <= distributions([*extras["test"], *extras["jax"], *extras["sklearn"]])
    files = {file for files in rest.values() for file in files}
    assert {file for file in files if not file.startswith("testing/")} <= {*ASKED_FOR}
    assert declared <= imports.keys()  # and none too many


def test_a_program_in_plain_python_needs_no_third_party_package():
    program = tg.record(lambda xs: sum(x.tanh() * 2.0 for x in xs), [0.0] * 40, gradients=True)
    code = f"{program.source('python')}\n\nimport sys\nprint(f([0.0] * 40)[0], 'numpy' in sys.modules)"
    assert run(code).split() == ["0.0", "False"]


def exceptions() -> list[type[BaseException]]:
    """All classes of exceptions that are defined anywhere in the package."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(tg.__path__, "tinygrad_edu.")]
    things = [thing for module in modules for thing in vars(module).values() if isinstance(thing, type)]
    found = {
        thing for thing in things if issubclass(thing, BaseException) and thing.__module__.startswith("tinygrad_edu.")
    }
    return sorted(found, key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("kind", exceptions(), ids=lambda kind: kind.__name__)
def test_every_exception_comes_through_to_another_process(kind: type[BaseException]):
    """A pool of processes waits for ever for an exception that cannot be unpickled."""
    history = tg.train.History()
    history.loss.append(0.5)
    error = kind("what happened", history) if issubclass(kind, EndedRun) else kind("what happened")
    error.add_note("and where")
    error.detail = {"x": 1.0}
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert (str(twin), twin.args, twin.__notes__) == ("what happened", ("what happened",), ["and where"])
        assert twin.detail == {"x": 1.0}
        if issubclass(kind, EndedRun):
            assert twin.history.loss == [0.5]


def test_of_which_there_are_these():
    names = {kind.__name__ for kind in exceptions()}
    assert {"DivergenceError", "TrainingInterrupted", "ExpressionError", "AnomalyError", "RecordingError"} <= names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_every_file_says_what_it_is_for(path: Path):
    docstring = ast.get_docstring(parse(path))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", ","))
