"""Pages that are one file: a template of the package with its gaps filled, and data inside it that stays data."""

import json
import re
from importlib.resources import files


def file(package: str, name: str) -> str:
    """The text of a file that comes with the package."""
    return (files(package) / name).read_text(encoding="utf-8")


def filled(template: str, **parts: str) -> str:
    """The template with its gaps {{name}} filled, in one pass: what is put in is not searched for more.

    >>> filled("<p>{{a}}</p>{{b}}", a="{{b}}", b="2")
    '<p>{{b}}</p>2'
    """
    return re.sub(r"{{(\w+)}}", lambda gap: parts[gap[1]], template)


def embedded(content: object) -> str:
    """Content as JSON inside a `<script>`: no text in it can end that element, or begin a comment.

    >>> embedded(["</script>"])
    '["\\\\u003c/script>"]'
    """
    return json.dumps(content, separators=(",", ":")).replace("<", r"\u003c")
