"""Atomic writing of files, and JSON documents that name their kind.

Models and checkpoints are plain JSON: to read one never executes anything. The content of the documents is left to the
callers (`nn.py`, `train/checkpoint.py`, `train/predictor.py`).
"""

import os
import re
import stat
from contextlib import suppress
from errno import ENOSPC
from threading import get_ident
from time import time
from typing import Any

from .errors import describe, short_repr

VERSION = 1
ABANDONED_AFTER = 3600.0  # seconds; an older unfinished file was left by a program that was killed


def write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Writes a file in one step: a reader, or a crash at any moment, finds the old content or the new, never a part.

    An existing file keeps its permissions, so that private content stays private; a new file has the usual ones. To a
    device or a pipe the content is written directly. Unfinished files that a killed program has left are removed.

    Raises:
        OSError: The folder is missing or cannot be written to. An existing file is then unchanged.
    """
    path = require_path(path)
    data = content.encode() if isinstance(content, str) else content
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    target = os.path.realpath(path)  # a link stays, and the file that it points to is written
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f"{_beginning(name)}{os.getpid()}.{get_ident()}.tmp")  # of no other writer
    permissions = _permissions(target)

    def create(name: str, flags: int) -> int:
        """Gives the file the permissions of the target from the first byte on, as the content may be private."""
        return os.open(name, flags, 0o666 if permissions is None else permissions)

    try:
        with suppress(FileNotFoundError):
            os.remove(temporary)  # of a killed program with the same process number
        with open(temporary, "xb", opener=create) as file:
            if permissions is not None:
                os.chmod(temporary, permissions)  # again, as the umask removes some when a file is created
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _remove_abandoned(folder, name)
    except OSError as error:
        if error.errno and error.filename in (None, temporary):  # None when the disk is full
            error.filename = os.fspath(path)  # the user did not name the temporary file
        raise
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def append(path: str | os.PathLike[str], content: bytes, size: int) -> bool:
    """Adds to the end of a file of that many bytes; a crash at any moment leaves these bytes as they are.

    Returns:
        False where there is no such file or it has another size, as somebody else has written it: nothing is done.

    Raises:
        OSError: The file cannot be written. What it has behind its first `size` bytes may be a part of the content.
    """
    try:
        with open(path, "r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) != size:
                return False
            if file.write(content) != len(content):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            os.fsync(file.fileno())
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = os.fspath(path)
        raise
    return True


def _beginning(name: str) -> str:
    """How the name of an unfinished file begins: short enough for any file system, however long the name is."""
    return f".{name[:40]}."


def _permissions(path: str) -> int | None:
    """Who may read and write a file, as the bits of `os.chmod`; None if the file does not exist."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:  # other problems of the path show when the file is created
        return None


def _remove_abandoned(folder: str, name: str) -> None:
    """Removes unfinished files of that name that are too old to be still in use."""
    unfinished = re.compile(rf"{re.escape(_beginning(name))}\d+\.\d+\.tmp")
    with suppress(OSError):  # another writer may remove them, too
        for file in filter(unfinished.fullmatch, os.listdir(folder)):
            path = os.path.join(folder, file)
            if os.stat(path).st_mtime < time() - ABANDONED_AFTER:
                os.remove(path)


def require_path(path: Any) -> str | os.PathLike[str]:
    """Returns the path, if it is one: `open` takes numbers, too, and would close the terminal or another stream.

    Raises:
        TypeError: The path is no text and no Path.
        FileNotFoundError: The path is empty.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the name of a file must be a text or a Path, not {describe(path)}")
    if not os.fspath(path):
        raise FileNotFoundError("the name of the file is empty")
    return path


def write_json(path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> None:
    """Writes a JSON document that names its kind; floats are read back exactly as they were."""
    import json

    document = {"format": f"tinygrad_edu {kind}", "version": VERSION, **content}
    write(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads a document that `write_json` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no JSON in UTF-8, is cut short, is of another kind or from another version.
    """
    import json

    try:
        with open(require_path(path), encoding="utf-8") as file:
            document = json.load(file)
        json.dumps(document, ensure_ascii=False).encode()  # raises for half a surrogate pair: it cannot be written
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, or a number of 5000 digits
        raise ValueError(f"{path} is not a {kind} file: it is not valid JSON ({str(error)[:80]})") from None
    if not isinstance(document, dict) or document.get("format") != f"tinygrad_edu {kind}":
        raise ValueError(f"{path} is not a {kind} file: it does not say that it is one")
    if document.get("version") != VERSION:
        version = short_repr(document.get("version"))
        raise ValueError(f"{path} has version {version}, this program reads version {VERSION}")
    return document
