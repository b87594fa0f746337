"""Pictures that follow one another: as a GIF, and as one HTML file with buttons and a slider that needs nothing else.

What the pictures show is left to `animations.py`.
"""

import base64
import html
import io
import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from tinygrad_edu._io import write
from tinygrad_edu._validate import to_float
from tinygrad_edu.train.progress import progress_bar

from ._pages import embedded, file, filled
from ._render import legal

_LAST = 2.0  # seconds that a GIF, which starts again by itself, stays at its end


class Frame(NamedTuple):
    """A picture, as PNG, and what it shows in words, for those who do not see it."""

    png: bytes
    words: str = ""


class Animation:
    """Frames of one size, shown for `seconds` each; a notebook shows the player, `save` writes it, or a GIF.

    >>> def dot(colour):
    ...     file = io.BytesIO()
    ...     Image.new("RGB", (30, 20), colour).save(file, "PNG")
    ...     return Frame(file.getvalue(), colour)
    >>> Animation([dot("red"), dot("green")], seconds=0.5)
    Animation of 2 frames, 30 × 20 pixels, 1 s

    Raises `ValueError` without frames, for frames of several sizes, and for less than 0.02 seconds a frame, which GIF
    players slow down to 0.1.
    """

    def __init__(self, frames: Sequence[Frame], *, seconds: float = 0.1, title: str = "animation") -> None:
        if not frames:
            raise ValueError("an animation needs at least one frame")
        if not 0.02 <= to_float(seconds, "seconds") < 600:
            raise ValueError(f"a frame is shown for 0.02 seconds or more, up to ten minutes, not for {seconds}")
        sizes = {Image.open(io.BytesIO(frame.png)).size for frame in frames}
        if len(sizes) > 1:
            raise ValueError(f"the frames of an animation have one size, not {len(sizes)}: {sorted(sizes)[:3]}")
        self.frames = [*frames]
        self.seconds = seconds
        self.title = title
        ((self.width, self.height),) = sizes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a .gif, or an .html page with a player, as the suffix says; whole or not at all.

        The page opens by double-click and makes no request to anywhere. Raises `ValueError` for any other suffix,
        `OSError` where the file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".gif", ".html"):
            raise ValueError(f"cannot save an animation as {os.fspath(path)!r}: its suffix must be .gif or .html")
        write(path, self.gif() if suffix == ".gif" else self.html())

    def gif(self) -> bytes:
        """The animation as a GIF, which repeats for ever."""
        first, *rest = [Image.open(io.BytesIO(frame.png)) for frame in self.frames]
        milliseconds = [round(1000 * self.seconds)] * len(rest) + [round(1000 * max(self.seconds, _LAST))]
        file = io.BytesIO()
        first.save(file, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)
        return file.getvalue()

    def html(self) -> str:
        """The page with the player: play and pause, single steps, a slider, the speed; also by keyboard."""
        frames = [[base64.b64encode(frame.png).decode(), legal(frame.words)] for frame in self.frames]
        return filled(
            file("tinygrad_edu.viz", "player.html"),
            title=html.escape(legal(self.title)),
            width=str(self.width),
            height=str(self.height),
            milliseconds=str(round(1000 * self.seconds)),
            frames=embedded(frames),
        )

    def __len__(self) -> int:
        return len(self.frames)

    def _repr_html_(self) -> str:
        """The player in a frame of its own, so that it and the notebook leave each other alone."""
        return (
            f'<div style="max-width: {self.width}px"><div style="position: relative; '  # its height follows its width
            f'padding-bottom: calc({100 * self.height / self.width:.4g}% + 60px)">'
            f'<iframe srcdoc="{html.escape(self.html())}" title="{html.escape(legal(self.title))}" '
            'sandbox="allow-scripts" style="position: absolute; border: 0; width: 100%; height: 100%"></iframe>'
            "</div></div>"
        )

    def __repr__(self) -> str:
        size = f"{self.width} × {self.height} pixels"
        return f"Animation of {len(self)} frame{'s' * (len(self) != 1)}, {size}, {len(self) * self.seconds:.3g} s"


def rendered(
    pictures: Iterable[tuple[str, Image.Image]],
    count: int,
    *,
    colours_of: Image.Image,
    seconds: float,
    progress: bool | None,
    title: str,
) -> Animation:
    """The animation of `count` pictures, each with what it shows in words, while a bar tells how far it is.

    All frames share 256 colours, as many as a GIF can have, those of the picture `colours_of`: so what does not move is
    the same in all of them, and is stored once.
    """
    palette = _palette(colours_of.convert("RGB"))
    frames = []
    with progress_bar(progress, count, unit="frame") as bar:
        for words, picture in pictures:
            file = io.BytesIO()
            picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
            frames.append(Frame(file.getvalue(), words))
            bar.update()
    return Animation(frames, seconds=seconds, title=title)


def _palette(picture: Image.Image) -> Image.Image:
    """256 colours: those of most of the picture as they are, white above all, and a choice that covers all others."""
    counted: Any = picture.getcolors(picture.width * picture.height)
    others = picture.quantize(256, Image.Quantize.MAXCOVERAGE).getpalette() or []
    chosen: list[tuple[int, ...]] = []
    for colour in [*[colour for _, colour in sorted(counted, reverse=True)[:64]], *zip(*[iter(others)] * 3)]:
        # Pillow looks at six of eight bits: of two colours that are so close, either may be taken for the other
        if all(max(abs(a - b) for a, b in zip(colour, other)) > 8 for other in chosen):
            chosen.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*chain.from_iterable(chosen[:256])])
    return palette
