"""Files that are whole or not there: atomic writing, and JSON documents that say what they are.

Models and checkpoints are plain JSON: reading one never executes anything. What the documents contain is left to those
who write them (`nn.py`, `train/fit.py`, `train/predictor.py`).
"""

import os
import re
import stat
from contextlib import suppress
from threading import get_ident
from time import time
from typing import Any

from .errors import described, shown

VERSION = 1
ABANDONED = 3600.0  # seconds: what has been written on for longer is what a program that was killed has left behind


def write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Writes a file in one step: a reader, or a crash at any moment, finds the old content or the new, never a part.

    An old file's permissions stay, so that what is private stays so; a new file has the usual ones. A device or a pipe
    is written to and stays what it is. Raises `OSError` where the folder is missing or cannot be written to; the old
    file is then untouched. What a program that was killed at it has left behind is cleared away.
    """
    path = named(path)
    data = content.encode() if isinstance(content, str) else content
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    target = os.path.realpath(path)  # of a link, the file it points to is written, and the link stays
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{get_ident()}.tmp")  # no other writer's
    permissions = _permissions(target)

    def create(name: str, flags: int) -> int:
        """With no more permissions than the target's from the first byte on: its content may be private."""
        return os.open(name, flags, 0o666 if permissions is None else permissions)

    try:
        with suppress(FileNotFoundError):
            os.remove(temporary)  # a killed program of the same number may have left it, with other permissions
        with open(temporary, "xb", opener=create) as file:
            if permissions is not None:
                os.chmod(temporary, permissions)  # all of them, as the umask takes some from a file that is created
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _clear_away(folder, name)
    except OSError as error:
        if error.errno and error.filename in (None, temporary):  # None where the disk is full
            error.filename = os.fspath(path)  # the user knows nothing of a temporary file
        raise
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _permissions(path: str) -> int | None:
    """Who may read and write a file, in the bits of `os.chmod`; None where there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:  # what else is wrong with the path, creating the file will tell
        return None


def _clear_away(folder: str, name: str) -> None:
    """Removes the unfinished files of that name that nobody can be writing any more."""
    unfinished = re.compile(rf"\.{re.escape(name)}\.\d+\.\d+\.tmp")
    with suppress(OSError), os.scandir(folder) as files:  # another writer may clear away, too
        for file in files:
            if unfinished.fullmatch(file.name) and file.stat().st_mtime < time() - ABANDONED:
                os.remove(file)


def named(path: Any) -> str | os.PathLike[str]:
    """The path, if it is one: `open` takes numbers too, and closes what they stand for, such as the terminal.

    Raises `TypeError` for what is no name of a file, `FileNotFoundError` for an empty one.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"a file is named by a text or a Path, not {described(path)}")
    if not os.fspath(path):
        raise FileNotFoundError("a file needs a name, and this one is empty")
    return path


def write_json(path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> None:
    """Writes a JSON document that names its kind; floats are written so that they are read back bit by bit."""
    import json

    document = {"format": f"tinygrad_edu {kind}", "version": VERSION, **content}
    write(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads a document that `write_json` wrote.

    Raises `FileNotFoundError` where there is none, `ValueError` for a file that is not JSON in UTF-8, is cut short, is
    of another kind, or comes from a later version.
    """
    import json

    try:
        with open(named(path), encoding="utf-8") as file:
            document = json.load(file)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair could never be written again
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, or a number of 5000 digits
        raise ValueError(f"{path} is not a {kind} file: it is not valid JSON ({str(error)[:80]})") from None
    if not isinstance(document, dict) or document.get("format") != f"tinygrad_edu {kind}":
        raise ValueError(f"{path} is not a {kind} file: it does not say that it is one")
    if document.get("version") != VERSION:
        raise ValueError(f"{path} has version {shown(document.get('version'))}, this program reads version {VERSION}")
    return document
