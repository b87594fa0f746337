"""The folder of an experiment: its files appear all at once or not at all, and what a killed program left is cleared.

What the files hold is left to `experiment.py`.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from tinygrad_edu import _io

try:
    import fcntl
except ImportError:  # there is no such thing on Windows, and nothing is cleared
    fcntl = None  # type: ignore[assignment]

_PREFIX = ".unfinished-"
_OURS = re.compile(rf"{re.escape(_PREFIX)}[a-z0-9_]{{8}}")


@contextmanager
def write_all_or_none(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Gives a temporary folder; at the end its files take the places of all files of these `names` in `folder`.

    Of a name that has no new file, the old one goes: it would not belong to the new ones. The new files take over the
    permissions of those that they replace. On an error nothing changes, also where one of them cannot be replaced.
    Raises `OSError` at the beginning where `folder` cannot be made or written to. Temporary folders that a killed
    program has left are cleared.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _in_use(folder), _make_temporary(folder / f"{_PREFIX}{token_hex(4)}") as temporary:
            longest = temporary / max(names, key=len)
            _io.write(longest, "")  # whether there is room for a file and its name is known before the work begins
            longest.unlink()
            yield temporary
            _replace(folder, temporary, names)
    except BaseException as error:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        if isinstance(error, OSError) and _PREFIX in Path(str(error.filename)).parent.name:
            error.filename = os.fspath(folder / Path(str(error.filename)).name)  # the user named no temporary folder
        raise


@contextmanager
def _make_temporary(folder: Path) -> Iterator[Path]:
    """Makes a folder, which is gone at the end, also after Ctrl-C: `tempfile` and `rmtree` may leave it then."""
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        try:
            _remove(folder)
        except KeyboardInterrupt:
            _remove(folder)
            raise


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            for inner in path.iterdir():
                _remove(inner)
            path.rmdir()
        else:
            path.unlink()


def _replace(folder: Path, temporary: Path, names: Collection[str]) -> None:
    """Moves the old files of these names aside and the new ones in their places; on an error, all back."""
    new = {path.name: path for path in temporary.iterdir()}
    places = [folder / name for name in {**dict.fromkeys(names), **new}]
    for place in places:
        if place.is_dir():
            raise IsADirectoryError(f"{place} is a folder, and in the way of a file of that name")
    aside = temporary / "replaced"
    aside.mkdir()
    moved: list[tuple[Path, Path]] = []  # from where to where, in order
    try:
        for place in places:
            if place.exists() or place.is_symlink():
                if place.name in new and place.exists():
                    shutil.copymode(place, new[place.name])  # a private file stays private
                moved.append((place, aside / place.name))
                os.rename(*moved[-1])
            if place.name in new:
                moved.append((new[place.name], place))
                os.rename(*moved[-1])
    except BaseException:
        for before, after in reversed(moved):
            with suppress(FileNotFoundError):  # the last one, where it has not been moved
                os.rename(after, before)
        raise


@contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Tells other programs that this one writes to the folder; clears it where there is none that does.

    The lock goes with the program, however that ends.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # another one writes here, or the file system has no locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in folder.iterdir():
                if _OURS.fullmatch(path.name) and path.is_dir():
                    _remove(path)
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
