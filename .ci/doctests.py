"""For the reference pages: the section `Example:` of a docstring, which is a doctest, is shown as code.

An extension of Griffe, which reads the docstrings for mkdocstrings. Griffe calls that section `Examples:`.
"""

import re
from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Gives the section the name that Griffe knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
