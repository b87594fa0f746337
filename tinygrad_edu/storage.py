"""Files that are whole or not there: atomic writing, and JSON documents that say what they are.

Models and checkpoints are plain JSON: reading one never executes anything. What the documents contain is left to those
who write them (`nn.py`, `train.py`, `predictor.py`).
"""

import os
from threading import get_ident
from typing import Any

VERSION = 1


def write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Writes a file in one step: a reader, or a crash at any moment, finds the old content or the new, never a part.

    A device or a pipe is written to and stays what it is. Raises `OSError` where the folder is missing or cannot be
    written to; the old file is then untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    target = os.path.realpath(path)  # of a link, the file it points to is written, and the link stays
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{get_ident()}.tmp")  # no other writer's
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.errno and error.filename in (None, temporary):  # None where the disk is full
            error.filename = os.fspath(path)  # the user knows nothing of a temporary file
        raise
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def write_json(path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> None:
    """Writes a JSON document that names its kind; floats are written so that they are read back bit by bit."""
    import json

    document = {"format": f"tinygrad_edu {kind}", "version": VERSION, **content}
    write(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads a document that `write_json` wrote.

    Raises `FileNotFoundError` where there is none, `ValueError` for a file that is not JSON, is cut short, is of
    another kind, or comes from a later version.
    """
    import json

    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, or a number of 5000 digits
        raise ValueError(f"{path} is not a {kind} file: it is not valid JSON ({str(error)[:80]})") from None
    if not isinstance(document, dict) or document.get("format") != f"tinygrad_edu {kind}":
        raise ValueError(f"{path} is not a {kind} file: it does not say that it is one")
    if document.get("version") != VERSION:
        raise ValueError(f"{path} has version {document.get('version')!r}, this program reads version {VERSION}")
    return document
