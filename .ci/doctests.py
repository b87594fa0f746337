"""For the reference pages: the examples in docstrings, which are doctests, are shown as code.

An extension of Griffe, which reads the docstrings for mkdocstrings. What is meant for doctest only is left out.
"""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^>>> .*?(?=\n\n|\Z)", flags=re.DOTALL | re.MULTILINE)


def _fenced(example: re.Match[str]) -> str:
    shown = re.sub(r" *# doctest: .*|<BLANKLINE>", "", example[0]).rstrip()
    return f"```pycon\n{shown}\n```"


class Doctests(griffe.Extension):
    """Puts each doctest into a fence; it ends with the paragraph."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = _DOCTEST.sub(_fenced, obj.docstring.value)
