"""Hypothesis profiles: quick for a developer, thorough where CI=true. Node and a browser. Ctrl-C. And tidying."""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings
from javascript import JavaScript
from pages import open_tab
from profiles import IN_CI

from tinygrad_edu.rules import OPS

settings.register_profile("quick", max_examples=10, deadline=None)  # others each time, as there are many developers
settings.register_profile("thorough", max_examples=200, deadline=None, derandomize=True)  # CI says the same each time
settings.register_profile(  # for `mutation.py`: a mistake need not be shrunk, nor be found again
    "mutation",
    max_examples=50,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
)
settings.load_profile("thorough" if IN_CI else "quick")
if not IN_CI:
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # it compiles sooner

# What is started in the background, or by nohup, ignores these, and its children do; but the tests send them.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_collection_finish() -> None:
    """Takes what has been imported from the cycle collector, as it lives to the end of the run."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much was tested; at the end, as `-q` leaves out what would stand at the head."""
    if IN_CI:
        terminalreporter.write_line("a thorough run: 200 examples of each property, and all cases")
    else:
        terminalreporter.write_line("a quick run: 10 examples of each property, some of many cases; CI=true runs all")


@pytest.fixture(scope="session")
def javascript() -> Iterator[JavaScript]:
    if not shutil.which("node"):
        (pytest.fail if IN_CI else pytest.skip)("JavaScript is run by Node.js, and there is no `node` on the PATH")
    javascript = JavaScript()
    yield javascript
    javascript.close()


@pytest.fixture(scope="module")  # not longer: its event loop would be in the way of others
def tab() -> Iterator[Any]:
    with open_tab() as tab:
        yield tab


@pytest.fixture(autouse=True)
def _all_is_left_as_it_was() -> Iterator[None]:
    """What a test enters in the table of operations is taken out, and its figures are closed."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)
    if "matplotlib.pyplot" in sys.modules:  # which warns of more than 20, whichever tests have opened them
        sys.modules["matplotlib.pyplot"].close("all")
