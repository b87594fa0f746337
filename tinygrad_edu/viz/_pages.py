"""HTML pages of one file: a template of the package is filled with texts, and with data as JSON.

What the pages show is left to `_player.py` and to the explorer.
"""

import json
import re
from importlib.resources import files


def read_page(package: str, name: str) -> str:
    """Reads a text file that comes with the package."""
    return (files(package) / name).read_text(encoding="utf-8")


def fill_template(template: str, **parts: str) -> str:
    """Replaces each {{name}} of the template by the part of this name, in one pass: parts are not searched again.

    >>> fill_template("<p>{{a}}</p>{{b}}", a="{{b}}", b="2")
    '<p>{{b}}</p>2'
    """
    return re.sub(r"{{(\w+)}}", lambda gap: parts[gap[1]], template)


def embed_json(content: object) -> str:
    r"""Writes content as JSON for a `<script>` element: no text in it can end the element or begin a comment.

    >>> embed_json(["</script>"])
    '["\\u003c/script>"]'
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    return text.encode(errors="backslashreplace").decode()  # half a surrogate pair is escaped: UTF-8 has none
