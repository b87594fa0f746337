"""Animations: frames that are shown as a GIF, as an animated PNG, or as one HTML file with buttons and a slider.

What the frames show is left to `animations.py` and `flow.py`.
"""

import base64
import html
import io
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

from tinygrad_edu._io import write
from tinygrad_edu._validate import to_float
from tinygrad_edu.errors import api_boundary
from tinygrad_edu.train.progress import open_progress_bar

from ._pages import embed_json, fill_template, read_page
from ._render import replace_illegal

_LAST_FRAME_SECONDS = 2.0  # a picture that moves starts again by itself: it shows its end for so long
_UNCHANGED = 255  # in an animated PNG, the number of the colour that lets the frame before be seen


class Frame(NamedTuple):
    """A picture as PNG, and in words what it shows, for readers who do not see it."""

    png: bytes
    words: str = ""


class Animation:
    """Pictures that follow one another; a notebook shows them in a player, `save` writes a page, a PNG or a GIF.

    Where a notebook is shown without being trusted to run scripts, the PNG, which moves, is in the player's place.

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

    @api_boundary
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a GIF, a PNG that moves, or an HTML page with a player, which makes no request.

        If writing fails, an older file stays as it was.

        Args:
            path: The name of the file, with the suffix .gif, .png or .html.

        Raises:
            ValueError: The suffix is another one.
            OSError: The file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        make: dict[str, Callable[[], str | bytes]] = {".gif": self.gif, ".png": self.png, ".html": self.html}
        if suffix not in make:
            raise ValueError(f"cannot save an animation as {os.fspath(path)!r}: its suffix must be .gif, .png or .html")
        write(path, make[suffix]())

    def gif(self) -> bytes:
        """Makes a GIF that repeats for ever.

        Returns:
            The content of a .gif file.
        """
        return self._write_moving("GIF", self._read_pictures())

    def png(self) -> bytes:
        """Makes an animated PNG that repeats for ever. Browsers show it moving, other programs its first frame.

        Returns:
            The content of a .png file.
        """
        pictures = self._read_pictures()
        palettes = {tuple(picture.getpalette() or ()) for picture in pictures}
        opaque = not any("transparency" in picture.info for picture in pictures)
        if opaque and len(palettes) == 1 and 0 < len(*palettes) <= 3 * _UNCHANGED:  # room for one colour more
            return self._write_moving("PNG", _keep_changes(pictures), blend=PngImagePlugin.Blend.OP_OVER)
        return self._write_moving("PNG", pictures)

    def _read_pictures(self) -> list[Image.Image]:
        return [Image.open(io.BytesIO(frame.png)) for frame in self.frames]

    def _write_moving(self, kind: str, pictures: Sequence[Image.Image], **options: Any) -> bytes:
        """Writes pictures as one file that repeats for ever."""
        first, *rest = pictures
        milliseconds = [round(1000 * self.seconds)] * len(rest) + [round(1000 * max(self.seconds, _LAST_FRAME_SECONDS))]
        file = io.BytesIO()
        first.save(file, kind, save_all=True, append_images=rest, duration=milliseconds, loop=0, **options)
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

    def _repr_png_(self) -> bytes:
        return self.png()

    def _repr_html_(self) -> str:
        """The player inside an `<iframe>`, so that neither it nor the notebook changes the other.

        It covers the PNG. Where frames are taken out of a notebook because it is not trusted, the PNG is seen.
        """
        title = html.escape(replace_illegal(self.title))
        return (
            f'<div style="position: relative; max-width: {self.width}px; padding-bottom: 60px">'  # for the buttons
            f'<img src="data:image/png;base64,{base64.b64encode(self.png()).decode()}" alt="{title}" '
            'style="display: block; width: 100%">'
            f'<iframe srcdoc="{html.escape(self.html())}" title="{title}" sandbox="allow-scripts" '
            'style="position: absolute; inset: 0; border: 0; width: 100%; height: 100%"></iframe></div>'
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

    All frames share 255 colours of the picture `colours_of`, one less than a GIF and a PNG can have. So what does not
    move is the same in all frames, and is stored once.
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


def _keep_changes(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Makes transparent, in pictures of one palette, what is as in the picture before."""
    numbers = [np.asarray(picture) for picture in pictures]
    changes = [numbers[0], *(np.where(after == before, _UNCHANGED, after) for before, after in pairwise(numbers))]
    palette = pictures[0].getpalette() or []
    made = []
    for change in changes:
        picture = Image.fromarray(change.astype(np.uint8), "P")
        picture.putpalette([*palette, *[0] * (768 - len(palette))])
        picture.info["transparency"] = _UNCHANGED
        made.append(picture)
    return made


def _choose_palette(picture: Image.Image) -> Image.Image:
    """Chooses 255 colours: the most frequent ones as they are, and others that are close to the rest."""
    counted: Any = picture.getcolors(picture.width * picture.height)
    others = picture.quantize(256, Image.Quantize.MAXCOVERAGE).getpalette() or []
    chosen: list[tuple[int, ...]] = []
    for colour in [*[colour for _, colour in sorted(counted, reverse=True)[:64]], *zip(*[iter(others)] * 3)]:
        # Pillow compares six of eight bits: it could confuse two colours that are as close as this
        if all(max(abs(a - b) for a, b in zip(colour, other)) > 8 for other in chosen):
            chosen.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*chain.from_iterable(chosen[:_UNCHANGED])])
    return palette
