"""A file that means to cheat, or to do harm: each line of the table in docs/grader.md is tried here.

Without a sandbox, if not said otherwise: what holds there holds in one, too.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from profiles import sample

from tinygrad_edu.cli import main
from tinygrad_edu.testing.grader import _isolation, _worker, grade_file
from tinygrad_edu.testing.grader.grades import Grade

GOOD = (Path(__file__).parent / "engines" / "good.py").read_text(encoding="utf-8")
FEW = ["value", "addition", "multiplication"]
ROOT = Path(__file__).parent.parent
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what a process has started is found on Linux alone")
in_bubblewrap = pytest.mark.skipif(not _isolation._has_bubblewrap(), reason="bwrap does not run here")


def write(folder: Path, text: str, name: str = "engine.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def attack(folder: Path, code: str, **options: object) -> Grade:
    """Grades a file with this code, and with a class that is no engine if the code makes none."""
    is_engine = "class Value" in code
    return grade_file(
        write(folder, code if is_engine else f"{code}\nclass Value:\n    def __init__(self, data): pass\n"),
        **{"only": FEW, "sandbox": "none", "seconds": 20.0, **options},  # type: ignore[arg-type]
    )


def is_gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends, and is no more than an entry that its parent has not read yet."""
    status, until = Path(f"/proc/{pid}/status"), time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if "State:\tZ" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


# ---- to cheat --------------------------------------------------------------------------------------------------------
LOADED = b'{"id": "0", "methods": ["__add__", "__mul__", "backward"], "refused": []}'
SHOWN = b'{"id": "0", "shown": [5.0]}'
CHEATS = {
    "a report that is printed": "print('38 of 38 passed, 100 of 100 points')\nimport os\nos._exit(0)",
    "an answer in every open file": f"""
import os
for number in range(1, 30):
    try: os.write(number, {LOADED!r} + b'\\n' + {SHOWN!r} + b'\\n')
    except OSError: pass
""",
    "the message of an earlier grader": """
import os
for number in range(1, 30):
    try: os.write(number, b'{"result": {"name": "value", "status": "passed"}}\\n' * 50)
    except OSError: pass
os._exit(0)
""",
    "our own engine": "from tinygrad_edu import Value\nclass Value(Value): pass",
    "micrograd's engine": "import micrograd.engine\nclass Value(micrograd.engine.Value): pass",
    "an examiner with other functions": "import tinygrad_edu.testing.grader as g\ng.grade = g.examine = print",
    "an encoder that says all is well": """
json.dumps = lambda x: '{"id": "%s", "status": "passed", "passed": true}' % x.get("id")
""",
    "a type of error that is a number": """
import json
json.dumps = lambda x: '{"id": "%s", "kinds": 5}' % x["id"]
""",
    "numbers in lists in lists": """
import json
json.dumps = lambda x: '{"id": "%s", "methods": ["__add__", "__mul__", "backward"], "refused": [], "shown": %s5%s}' % (
    x["id"], "[" * 900, "]" * 900)
""",
    "numbers that equal everything": """
class Same(float):
    def __eq__(self, other): return True
    def __float__(self): return 0.0
    __hash__ = None
class Value:
    def __init__(self, data): self.data = self.grad = Same(0)
    def __add__(self, other): return self
    __mul__ = __add__
    def backward(self): pass
""",
    "the numbers of the table of concepts": """
class Value:
    def __init__(self, data): self.data, self.grad = {3.0: 3.0, -2: -2}.get(data, 0.0), 0.0
    def __add__(self, other):
        out = Value(0)
        out.data = 5.0 if isinstance(other, Value) else 7.0
        return out
    __mul__ = __add__
    def backward(self): pass
""",
}


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_passes(tmp_path: Path, name: str):
    found = attack(tmp_path, CHEATS[name])
    assert not found.passed
    assert sum(result.passed for result in found.results) < len(FEW)


def test_exit_code_0_cannot_be_had_from_what_the_file_says_of_itself(tmp_path: Path):
    path = write(tmp_path, CHEATS["a report that is printed"])
    result = CliRunner().invoke(main, ["grade", str(path), "--only", "value", "--sandbox", "none"])
    assert result.exit_code == 1
    assert "0 of 1 passed" in result.output


def test_expected_numbers_are_not_in_the_process_of_the_file(tmp_path: Path):
    """All that a method reaches through the frames that have called it is searched for them."""
    spy = """
import sys
class Value:
    def __init__(self, data): self.data, self.grad = data, 0.0
    def __mul__(self, other):
        frame, text = sys._getframe().f_back, ""
        while frame:
            text += repr(frame.f_locals) + repr(frame.f_globals)
            frame = frame.f_back
        x = self.data * getattr(other, "data", other)
        print("Value(" in text, repr(x) in text, "tinygrad_edu" in sys.modules)
        return Value(x + 1)
    def backward(self): pass
"""
    found = attack(tmp_path, spy, only=["multiplication"], seed=3)
    assert found["multiplication"].expression == "c.data"
    assert {*found.printed.splitlines()} == {"True False False"}  # the program is there


def test_the_numbers_of_programs_depend_on_the_file(tmp_path: Path):
    wrong = GOOD.replace("self.data * other.data, (", "self.data + other.data, (")
    first = attack(tmp_path, wrong)["multiplication"]
    again = attack(tmp_path, wrong)["multiplication"]
    other = attack(tmp_path, f"{wrong}\n# another")["multiplication"]
    chosen = attack(tmp_path, f"{wrong}\n# another", seed=attack(tmp_path, wrong).seed)["multiplication"]
    assert first.program == again.program == chosen.program != other.program
    assert first.expected == again.expected != other.expected


def test_an_engine_of_others_that_is_asked_for_in_vain_is_noted(tmp_path: Path):
    code = f"try: import torch\nexcept ImportError: pass\n{GOOD}"
    found = attack(tmp_path, code)
    assert found.passed
    assert found.notes == ("the file asked for 'torch', which is not there while an engine is graded",)


# ---- answers that are none -------------------------------------------------------------------------------------------
ANSWERS = {
    "no JSON": b"x\\n",
    "no object": b"[1]\\n",
    "another number": b'{\\"id\\": \\"1\\"}\\n',
    "nested": b"[" * 50_000 + b"\\n",
    "long": b"1" * 200_000 + b"\\n",
    "many": b"1\\n" * 5000,
    "a digit too many": b'{\\"id\\": ' + b"1" * 6000 + b"}\\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_none_is_wrong(tmp_path: Path, name: str):
    """Written while a program runs, to every pipe that is open."""
    code = GOOD.replace(
        "        return self + (-other)",
        f"""
        import os, stat
        for number in range(3, 30):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode): os.write(number, b"{ANSWERS[name].decode()}")
            except OSError: pass
        return self + (-other)""",
    )
    found = attack(tmp_path, code, only=["addition", "subtraction", "negation"])
    assert {r.name: r.status for r in found.results} == {
        "addition": "passed",
        "negation": "passed",
        "subtraction": "wrong",
    }
    assert found["subtraction"].error.startswith(("its process answered with something else", "the process was ended"))


# ---- to do harm ------------------------------------------------------------------------------------------------------
def test_of_a_gibibyte_of_output_the_beginning_is_kept(tmp_path: Path):
    found = attack(tmp_path, "for _ in range(1024): print('x' * 2**20)")
    assert found.problem == "The file could not be imported: it printed more than 64 MiB."
    assert len(found.printed) <= 10_000


def test_what_is_no_plain_file_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    for name in ("fifo.py", "zero.py"):
        with pytest.raises(FileNotFoundError):
            grade_file(tmp_path / name)


def test_pipes_and_devices_in_the_working_folder_disturb_nothing(tmp_path: Path):
    code = (
        "import os\nfor name in ('messages', 'output'):\n    os.mkfifo(name)\n    os.symlink('/dev/zero', name + '2')\n"
    )
    assert attack(tmp_path, f"{code}{GOOD}").passed


LEAVE = """
import os, sys, time
if not os.fork():
    os.setsid()
    if os.fork(): os._exit(0)
    open({path!r}, "w").write(str(os.getpid()))
    time.sleep(100)
    os._exit(0)
while not os.path.exists({path!r}) or not os.path.getsize({path!r}): time.sleep(0.001)
"""


@on_linux
def test_a_process_that_leaves_the_session_and_its_parent_is_ended(tmp_path: Path):
    pid = tmp_path / "pid"
    assert attack(tmp_path, LEAVE.format(path=str(pid)) + GOOD).passed
    assert is_gone(int(pid.read_text()))


@on_linux
def test_when_the_grader_is_killed_nothing_is_left_of_the_file(tmp_path: Path):
    pid = tmp_path / "pid"
    path = write(tmp_path, LEAVE.format(path=str(pid)) + "time.sleep(100)\n" + GOOD)
    command = [sys.executable, "-m", "tinygrad_edu.cli", "grade", str(path), "--only", "value", "--sandbox", "none"]
    grader = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 30
    while not pid.exists() or not pid.read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    grader.kill()
    grader.wait()
    assert is_gone(int(pid.read_text()))


def with_limits(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    text = _isolation._read_worker()
    lines = "".join(f"{name} = {number}\n" for name, number in limits.items())
    monkeypatch.setattr(_isolation, "_read_worker", lambda: text.replace("REFUSED = ", f"{lines}REFUSED = ", 1))


@on_linux
def test_memory_is_limited_for_all_processes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_limits(monkeypatch, MEMORY=200 * 2**20)
    assert _worker.MEMORY > 2**30
    code = "import os, time\nfor _ in range(4):\n    if not os.fork(): x = b'1' * 70 * 2**20; break\ntime.sleep(9)\n"
    found = attack(tmp_path, code)
    assert "its processes took more than" in found.problem


@on_linux
def test_processes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_limits(monkeypatch, PROCESSES=8)
    code = "import os, time\nfor _ in range(12):\n    if not os.fork(): time.sleep(9)\ntime.sleep(9)\n"
    assert "it started more than" in attack(tmp_path, code).problem


@on_linux
@pytest.mark.parametrize("name", sample(["SIGKILL", "SIGSTOP"], 1))
def test_a_guard_that_is_ended_or_stopped_is_no_way_to_pass(tmp_path: Path, name: str):
    code = f"import os, signal, time\nos.kill(os.getppid(), signal.{name})\nos.kill(os.getpid(), signal.{name})\n"
    found = attack(tmp_path, code, seconds=1.0)
    assert found.problem
    assert not found.passed


def test_the_environment_of_the_grader_is_not_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COURSE_PASSWORD", "open sesame")
    code = "import os\nprint(sorted({*os.environ} & {'COURSE_PASSWORD', 'PYTHONPATH', 'PATH'}))\n"
    assert attack(tmp_path, code + GOOD).printed == "['PATH']"


def test_nothing_in_a_report_steers_a_terminal(tmp_path: Path):
    code = GOOD.replace("class Value", "print('\\x1b[2J\\x9b2J\\u202e')\nclass Value").replace(
        "return self * -1", "raise ValueError('\\x1b]0;title\\x07')  # \x1b[31m"
    )
    path = write(tmp_path, code.replace("class Value", "class Tensor"), "\x1b[2J\x07.py")
    found = grade_file(path, "Va\x1b[2Jlue", only=["negation"], sandbox="none")
    assert "There is no class" in found.problem
    for text in (found.report(), str(found), found.json(), found.gradescope()):
        assert all(c.isprintable() or c == "\n" for c in text)
    found = grade_file(write(tmp_path, code, "\x1b[2J.py"), only=["negation"], sandbox="none")
    assert found["negation"].error == "ValueError: \ufffd]0;title\ufffd"
    for text in (found.report(), str(found["negation"]), found.json(), found.gradescope()):
        assert all(c.isprintable() or c == "\n" for c in text)


# ---- the process that grades -----------------------------------------------------------------------------------------
def test_the_process_that_grades_stays_as_it_was(tmp_path: Path):
    """Also where several threads grade at once."""
    path = write(tmp_path, GOOD)

    def state() -> tuple[object, ...]:
        return os.getcwd(), dict(os.environ), [signal.getsignal(n) for n in (2, 14, 15)], [*sys.path], sys.gettrace()

    before, grades = state(), list[Grade]()
    threads = [
        threading.Thread(target=lambda: grades.append(grade_file(path, only=FEW, sandbox="none"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [grade.passed for grade in grades] == [True] * 3
    assert state() == before


# ---- with bubblewrap -------------------------------------------------------------------------------------------------
@in_bubblewrap
def test_in_a_sandbox_there_is_no_network_and_nothing_to_write_to(tmp_path: Path):
    code = f"""
import os, socket
for path in ({str(tmp_path / "x")!r}, "/etc/x", "/usr/x"):
    try: open(path, "w")
    except OSError as error: print("no file")
open("/tmp/private", "w").write("x")
try: socket.create_connection(("127.0.0.1", 1))
except OSError: print("no network", socket.if_nameindex()[1:])
print(os.getpid() < 10)
"""
    found = attack(tmp_path, code + GOOD, sandbox="bubblewrap")
    assert found.passed
    assert found.printed.splitlines() == [*["no file"] * 3, "no network []", "True"]
    assert found.sandbox == "bubblewrap"
    assert not Path("/tmp/private").exists()


@in_bubblewrap
def test_in_a_sandbox_this_package_is_not_there(tmp_path: Path):
    code = f"""
import sys
sys.meta_path.pop(0)
sys.path[:] = [{str(ROOT)!r}, *(path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix)))]
from tinygrad_edu import Value
"""
    assert "failed with ImportError" in attack(tmp_path, code, sandbox="bubblewrap").problem


@in_bubblewrap
def test_in_a_sandbox_the_files_of_others_are_hidden(tmp_path: Path):
    (tmp_path / "anna").mkdir()
    (tmp_path / "ben").mkdir()
    write(tmp_path / "anna", GOOD)
    code = f"import os\nprint(os.path.exists({str(tmp_path / 'anna' / 'engine.py')!r}))\n"
    assert attack(tmp_path / "ben", code + GOOD, sandbox="bubblewrap").printed == "False"


def test_a_sandbox_that_is_not_there_is_an_error_and_auto_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_isolation, "_has_bubblewrap", lambda: False)
    with pytest.raises(ValueError, match="bubblewrap is not there"):
        attack(tmp_path, GOOD, sandbox="bubblewrap")
    assert attack(tmp_path, GOOD, sandbox="auto").sandbox == "none"
    with pytest.raises(ValueError, match="the sandbox is one of auto, none, bubblewrap, not 'docker'"):
        attack(tmp_path, GOOD, sandbox="docker")


def test_every_line_of_the_table_of_attacks_names_its_test():
    page = (ROOT / "docs" / "grader.md").read_text(encoding="utf-8")
    named = [line.rpartition("| `")[2].removesuffix("` |") for line in page.splitlines() if line.endswith("` |")]
    tests = [name for name in named if name.startswith("test_")]
    assert len(tests) >= 12
    assert [name for name in tests if name not in globals()] == []
