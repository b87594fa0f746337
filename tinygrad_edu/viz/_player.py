"""Animations: frames that are shown as a GIF, or as one HTML file with buttons and a slider.

What the frames show is left to `animations.py` and `flow.py`.
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
from tinygrad_edu.train.progress import open_progress_bar

from ._pages import embed_json, fill_template, read_page
from ._render import replace_illegal

_LAST_FRAME_SECONDS = 2.0  # a GIF starts again by itself: it shows its end for so long


class Frame(NamedTuple):
    """A picture as PNG, and in words what it shows, for readers who do not see it."""

    png: bytes
    words: str = ""


class Animation:
    """Pictures that follow one another; a notebook shows them in a player, `save` writes a page or a GIF.

    Args:
        frames: The pictures, each a `Frame` of a PNG and words, all of one size.
        seconds: How long each frame is shown, from 0.02 seconds, because GIF players slow down shorter ones to 0.1.
        title: The name of the animation, as screen readers and the title of the page say it.

    Raises:
        ValueError: There is no frame, the frames have several sizes, or `seconds` is below 0.02 or not below 600.

    Example:
        >>> def paint(colour):
        ...     file = io.BytesIO()
        ...     Image.new("RGB", (30, 20), colour).save(file, "PNG")
        ...     return Frame(file.getvalue(), colour)
        >>> Animation([paint("red"), paint("green")], seconds=0.5)
        Animation of 2 frames, 30 × 20 pixels, 1 s
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
        """Writes a GIF, or an HTML page with a player, which opens by a double-click and makes no request.

        If writing fails, an older file stays as it was.

        Args:
            path: The name of the file, with the suffix .gif or .html.

        Raises:
            ValueError: The suffix is another one.
            OSError: The file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".gif", ".html"):
            raise ValueError(f"cannot save an animation as {os.fspath(path)!r}: its suffix must be .gif or .html")
        write(path, self.gif() if suffix == ".gif" else self.html())

    def gif(self) -> bytes:
        """Makes a GIF that repeats for ever.

        Returns:
            The content of a .gif file.
        """
        first, *rest = [Image.open(io.BytesIO(frame.png)) for frame in self.frames]
        milliseconds = [round(1000 * self.seconds)] * len(rest) + [round(1000 * max(self.seconds, _LAST_FRAME_SECONDS))]
        file = io.BytesIO()
        first.save(file, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)
        return file.getvalue()

    def html(self) -> str:
        """Makes a page with a player: play and pause, single steps, a slider, the speed; also by keyboard.

        Returns:
            The content of an .html file.
        """
        frames = [[base64.b64encode(frame.png).decode(), replace_illegal(frame.words)] for frame in self.frames]
        return fill_template(
            read_page("tinygrad_edu.viz", "player.html"),
            title=html.escape(replace_illegal(self.title)),
            width=str(self.width),
            height=str(self.height),
            milliseconds=str(round(1000 * self.seconds)),
            frames=embed_json(frames),
        )

    def __len__(self) -> int:
        return len(self.frames)

    def _repr_html_(self) -> str:
        """The player inside an `<iframe>`, so that neither it nor the notebook changes the other."""
        return (
            f'<div style="max-width: {self.width}px"><div style="position: relative; '  # its height follows its width
            f'padding-bottom: calc({100 * self.height / self.width:.4g}% + 60px)">'
            f'<iframe srcdoc="{html.escape(self.html())}" title="{html.escape(replace_illegal(self.title))}" '
            'sandbox="allow-scripts" style="position: absolute; border: 0; width: 100%; height: 100%"></iframe>'
            "</div></div>"
        )

    def __repr__(self) -> str:
        size = f"{self.width} × {self.height} pixels"
        return f"Animation of {len(self)} frame{'s' * (len(self) != 1)}, {size}, {len(self) * self.seconds:.3g} s"


def make_animation(
    pictures: Iterable[tuple[str, Image.Image]],
    count: int,
    *,
    colours_of: Image.Image,
    seconds: float,
    progress: bool | None,
    title: str,
) -> Animation:
    """Makes an animation of `count` pictures, each with words, while a bar shows the progress.

    All frames share the 256 colours, as many as a GIF can have, of the picture `colours_of`. So what does not move is
    the same in all frames, and is stored once.
    """
    palette = _choose_palette(colours_of.convert("RGB"))
    frames = []
    with open_progress_bar(progress, count, unit="frame") as bar:
        for words, picture in pictures:
            file = io.BytesIO()
            picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
            frames.append(Frame(file.getvalue(), words))
            bar.update()
    return Animation(frames, seconds=seconds, title=title)


def _choose_palette(picture: Image.Image) -> Image.Image:
    """Chooses 256 colours: the most frequent ones as they are, and others that are close to the rest."""
    counted: Any = picture.getcolors(picture.width * picture.height)
    others = picture.quantize(256, Image.Quantize.MAXCOVERAGE).getpalette() or []
    chosen: list[tuple[int, ...]] = []
    for colour in [*[colour for _, colour in sorted(counted, reverse=True)[:64]], *zip(*[iter(others)] * 3)]:
        # Pillow compares six of eight bits: it could confuse two colours that are as close as this
        if all(max(abs(a - b) for a, b in zip(colour, other)) > 8 for other in chosen):
            chosen.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*chain.from_iterable(chosen[:256])])
    return palette
