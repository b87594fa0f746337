"""For the site: the page of a lesson is a notebook, with its pictures, as Markdown. It says `{{ lesson("NAME") }}`.

And `{{ page_in_chinese("NAME") }}` is a page of docs/ with its Chinese texts. Zensical's macros call them while the
site is built, so a page is always the notebook as it is kept. Nothing is run here; `notebooks/make.py` does that.
Formulas become MathML, which browsers show without a script. The explorer lies beside the pages. What a Chinese text
takes from the English one is left to `chinese/translation.py`.
"""

import base64
import copy
import html
import json
import re
import struct
import sys
from pathlib import Path
from textwrap import indent
from typing import Any

from latex2mathml.converter import convert

from tinygrad_edu import _io
from tinygrad_edu.viz.explorer import make_playground

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
sys.path.append(str(ROOT / "chinese"))

from translation import TEXTS, translate  # noqa: E402 (it is beside the Chinese texts)

WORDS = {  # around a lesson
    "en": {
        "run": "Run it yourself",
        "clone": "Change the numbers and see what happens. In a clone of the repository:",
        "download": "Download the notebook",
        "jupyter": ", to open it in a Jupyter of your own, where tinygrad_edu is installed.",
        "solution": "A solution",
        "picture": "what the cell above shows: ",
    },
    "zh": {
        "run": "自己动手运行",
        "clone": "改一改数字，看看会怎样。在克隆下来的仓库里：",
        "download": "下载这个笔记本",
        "jupyter": "，用你自己的 Jupyter 打开（那里要装有 tinygrad_edu）。",
        "solution": "参考答案",
        "picture": "上面的单元格显示的内容：",
    },
}
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")  # the first that there is, is shown


def define_env(env: Any) -> None:
    """Gives the pages the macro `lesson`, and the site the explorer's page, to which they link."""
    env.macro(lesson)
    env.macro(page_in_chinese)
    if env.conf["theme"]["language"] == "en":
        _io.write(Path(env.conf["site_dir"]) / "playground.html", make_playground())


def page_in_chinese(name: str) -> str:
    """A page of docs/ in Chinese, which links to English ones where there is no Chinese one."""
    english = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    text = translate(english, (TEXTS / f"{name}.md").read_text(encoding="utf-8"))

    def replace(match: re.Match[str]) -> str:
        target = match[1]
        return (
            f"]({target})"
            if (ROOT / "chinese" / "docs" / target).exists()
            else f"](../{target.replace('.md', '.html')})"
        )

    return re.sub(r"\]\((?!http)([^)#]+)\)", replace, text)


def lesson(name: str) -> str:
    """The notebook of that name, below its title how to run it; that of zh/NAME is the one in Chinese."""
    words = WORDS["zh" if name.startswith("zh/") else "en"]
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    heading, parts = "", []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = [heading, *re.findall(r"^#+ (.*)", source, flags=re.MULTILINE)][-1]
            parts.append(write_text(source))
            continue
        shown = "\n\n".join(
            [fence(source, "python"), *(write_output(output, words["picture"] + heading) for output in cell["outputs"])]
        )
        if "solution" in cell["metadata"].get("tags", []):
            shown = f'??? success "{words["solution"]}"\n\n{indent(shown, "    ")}'
        parts.append(shown)
    title, _, rest = parts[0].partition("\n")
    return "\n\n".join([title, run_it_yourself(name, notebook, words), rest.strip(), *parts[1:]])


def run_it_yourself(name: str, notebook: dict[str, Any], words: dict[str, str]) -> str:
    """How to get at the notebook: it is in the page, without what came out, which is there once it is run."""
    empty = copy.deepcopy(notebook)
    for cell in empty["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    content = base64.b64encode(json.dumps(empty, ensure_ascii=False).encode()).decode()
    file = Path(f"{name}.ipynb").name
    link = f'<a download="{file}" href="data:application/x-ipynb+json;base64,{content}">{words["download"]}</a>'
    commands = (
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[notebooks]'\n"
        f".venv/bin/jupyter lab notebooks/{name}.ipynb"
    )
    text = f"{words['clone']}\n\n{fence(commands, 'sh')}\n\n{link}{words['jupyter']}"
    return f'!!! tip "{words["run"]}"\n\n{indent(text, "    ")}'


# ---- what a cell shows -----------------------------------------------------------------------------------------------
def write_output(output: dict[str, Any], description: str) -> str:
    """What a cell printed or showed; of a picture the kind that is the same everywhere, and its description."""
    if output["output_type"] == "stream":
        return fence("".join(output["text"]), "text")
    data = {kind: "".join(content) for kind, content in output["data"].items()}
    for kind in PICTURES:
        if kind in data:
            size = output["metadata"].get(kind, {})
            return write_picture(kind, data[kind], size, description)
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
