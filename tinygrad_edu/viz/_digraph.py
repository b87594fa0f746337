"""The class of graphviz that writes DOT, which here needs no program, and the escaping of text in DOT.

What is drawn is left to `graph.py` and `_appearance.py`, layout and file formats to `_render.py`.
"""

import os
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_edu._io import write
from tinygrad_edu.viz import _render


class Digraph(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A graphviz.Digraph that makes SVG and PNG without the program `dot`; other formats need that program."""

    def pipe(self, format: str | None = None, *, encoding: str | None = None, **options: Any) -> Any:  # noqa: A002
        """Returns the picture as bytes, or as text if an `encoding` is given."""
        kind = (format or self.format).lower()
        if not self._can_make(kind, options):
            return super().pipe(kind, encoding=encoding, **options)
        picture = _render.to_svg(self.source)
        content = picture.encode() if kind == "svg" else _render.to_png(picture)
        return content if encoding is None else content.decode(encoding)

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,  # noqa: A002
        outfile: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> str:
        """Writes the source and the picture, as `outfile` or beside the source; returns the picture's file name."""
        target = Path(outfile) if outfile is not None else None
        kind = (format or (target.suffix[1:] if target else self.format)).lower()
        if not self._can_make(kind, options):
            options |= {"directory": directory, "view": view, "cleanup": cleanup, "format": format, "outfile": outfile}
            return str(super().render(filename, **options))
        content = self.pipe(kind)
        source = self.save(filename or (target and target.with_suffix(".gv")), directory=directory)
        picture = os.fspath(target or f"{source}.{kind}")
        write(picture, content)
        if cleanup:
            os.remove(source)
        if view:
            graphviz.view(picture)
        return picture

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        """The picture that a notebook shows, as SVG and as PNG."""
        return _render.to_mimebundle(self.pipe("svg", encoding="utf-8"))

    def _can_make(self, kind: str, options: dict[str, Any]) -> bool:
        """Whether this class makes the picture itself, without the program `dot`."""
        wishes = [name for name, wish in options.items() if wish and not name.startswith("quiet")]  # always quiet
        return kind in ("svg", "png") and self.engine == "dot" and not wishes


_ESCAPES = str.maketrans({c: "\\" + c for c in "\\{}|<>"} | {"&": "&amp;", "\t": " "})


def escape(text: object, line_end: str) -> str:
    """Escapes text for a DOT label, of a record or not, so that DOT shows it as it is; graphviz adds the quotes.

    Source: https://graphviz.org/doc/info/shapes.html#record and https://graphviz.org/docs/attr-types/escString/
    """
    # an empty line makes Graphviz 16 read memory that it never wrote, and crash: a no-break space replaces it
    lines = [line if line.strip() else "\u00a0" for line in _render.replace_illegal(str(text)).splitlines()]
    return line_end.join(line.translate(_ESCAPES) for line in lines)
