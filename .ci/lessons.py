"""For the site: the page of a lesson is a notebook, with its pictures, as Markdown. It says `{{ lesson("NAME") }}`.

Zensical's macros call it while the site is built, so a page is always the notebook as it is kept. Nothing is run here;
`notebooks/make.py` does that. Formulas become MathML, which browsers show without a script. The explorer lies beside
the pages.
"""

import base64
import copy
import html
import json
import re
import struct
from pathlib import Path
from textwrap import indent
from typing import Any

from latex2mathml.converter import convert

from tinygrad_edu import _io
from tinygrad_edu.viz.explorer import make_playground

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")  # the first that there is, is shown


def define_env(env: Any) -> None:
    """Gives the pages the macro `lesson`, and the site the explorer's page, to which they link."""
    env.macro(lesson)
    _io.write(Path(env.conf["site_dir"]) / "playground.html", make_playground())


def lesson(name: str) -> str:
    """The notebook of that name, below its title how to run it."""
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    heading, parts = "", []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = [heading, *re.findall(r"^#+ (.*)", source, flags=re.MULTILINE)][-1]
            parts.append(write_text(source))
            continue
        shown = "\n\n".join([fence(source, "python"), *(write_output(output, heading) for output in cell["outputs"])])
        if "solution" in cell["metadata"].get("tags", []):
            shown = f'??? success "A solution"\n\n{indent(shown, "    ")}'
        parts.append(shown)
    title, _, rest = parts[0].partition("\n")
    return "\n\n".join([title, run_it_yourself(name, notebook), rest.strip(), *parts[1:]])


def run_it_yourself(name: str, notebook: dict[str, Any]) -> str:
    """How to get at the notebook: it is in the page, without what came out, which is there once it is run."""
    empty = copy.deepcopy(notebook)
    for cell in empty["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    content = base64.b64encode(json.dumps(empty, ensure_ascii=False).encode()).decode()
    link = f'<a download="{name}.ipynb" href="data:application/x-ipynb+json;base64,{content}">Download the notebook</a>'
    commands = (
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[notebooks]'\n"
        f".venv/bin/jupyter lab notebooks/{name}.ipynb"
    )
    text = (
        "Change the numbers and see what happens. In a clone of the repository:\n\n"
        f"{fence(commands, 'sh')}\n\n{link}, to open it in a Jupyter of your own, where tinygrad_edu is installed."
    )
    return f'!!! tip "Run it yourself"\n\n{indent(text, "    ")}'


# ---- what a cell shows -----------------------------------------------------------------------------------------------
def write_output(output: dict[str, Any], heading: str) -> str:
    """What a cell printed or showed; of a picture the kind that is the same everywhere."""
    if output["output_type"] == "stream":
        return fence("".join(output["text"]), "text")
    data = {kind: "".join(content) for kind, content in output["data"].items()}
    for kind in PICTURES:
        if kind in data:
            size = output["metadata"].get(kind, {})
            return write_picture(kind, data[kind], size, f"what the cell above shows: {heading}")
    if "text/markdown" in data:
        return data["text/markdown"]
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    if "text/latex" in data:
        return write_formula(data["text/latex"].strip("$").removeprefix(r"\displaystyle"), "block")
    return fence(data["text/plain"], "text")


def write_picture(kind: str, data: str, size: dict[str, int], words: str) -> str:
    """A picture inside the page; on a phone a wide one keeps a size at which it can be read, and is scrolled."""
    content = data.encode() if kind == "image/svg+xml" else base64.b64decode(data)
    if kind == "image/png" and not size:
        size = dict(zip(("width", "height"), struct.unpack(">2L", content[16:24])))
    style = ""
    if size:
        width = min(max(size["width"] // 2, 220 * size["width"] // size["height"]), 650)  # that of a page's text
        style = f' width="{size["width"]}" style="max-width: max(100%, {width}px)"'
    link = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return f'<div class="picture"><img alt="{html.escape(words)}" src="{link}"{style}></div>'


def fence(text: str, language: str) -> str:
    """Text as a block of code."""
    return f"```` {language}\n{text.rstrip()}\n````"


# ---- texts and their formulas ----------------------------------------------------------------------------------------
def write_text(markdown: str) -> str:
    """A text as it is, with MathML for its formulas, `$…$` and `$$…$$`; what is code stays."""

    def replace(match: re.Match[str]) -> str:
        code, block, inline = match.groups()
        if code:
            return code
        if block:
            return f"\n{write_formula(block, 'block')}\n"
        return f"<span>{write_formula(inline, 'inline')}</span>"  # without it, at the start of a line, it is a block

    markdown = markdown.replace("(c)", "(c&#41;")  # of which the site would make a ©
    return re.sub(r"(```.*?```|`[^`]+`)|\$\$(.+?)\$\$|\$([^$]+?)\$", replace, markdown, flags=re.DOTALL)


def write_formula(latex: str, display: str) -> str:
    """MathML of a formula, written so that Markdown takes none of its signs for its own."""
    latex = " ".join(latex.split()).replace("{aligned}", "{split}")  # latex2mathml knows it by this name only
    mathml = re.sub(r">([^<]+)<", lambda m: f">{escape_signs(m[1])}<", convert(latex, display=display))
    return f'<div class="formula">{mathml}</div>' if display == "block" else mathml


def escape_signs(text: str) -> str:
    """Writes what is neither a letter nor a digit by its number."""
    return re.sub(r"[^\w\s]|_", lambda m: f"&#{ord(m[0])};", html.unescape(text))
