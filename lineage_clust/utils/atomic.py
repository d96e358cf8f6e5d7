"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TypeAlias

from .checking import as_path

Writer: TypeAlias = Callable[[Path], object]


def write_whole(path: str | bytes | os.PathLike, writer: Writer) -> None:
    """Have a file written beside its place, and put it there once it is complete.

    Parameters
    ----------
    path
        Of the file; an existing one is replaced, one behind a link too.
    writer
        Gets the path to write to. If it raises or is interrupted, what was at `path` before is still there, and nothing
        else.

    Raises
    ------
    OSError
        If the file cannot be written; the error names it, and not the one beside it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/a.txt", lambda draft: draft.write_text("done"))
    ...     Path(folder, "a.txt").read_text()
    'done'
    """
    name = as_path(path)
    target = target_of(name)
    draft = beside(target)
    with removed_on_failure(draft), naming(name):
        write_draft(draft, writer)
        os.replace(draft, target)


def target_of(path: Path) -> Path:
    """Return the file that a path leads to, over links, or raise an OSError if that is something else than a file."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"{str(path)!r} is a folder or a device, not a file. Pass the name of a file.")
    return target


def beside(target: Path) -> Path:
    """Return a new hidden name in the folder of a file."""
    return target.with_name(f".{token_hex(8)}.part")  # short: the longest name that fits is not too long with it


def write_draft(draft: Path, writer: Writer) -> None:
    """Have a file written, and the system put it on the disk."""
    with unhidden_interruptions():
        writer(draft)
    _flush(draft)


@contextmanager
def removed_on_failure(*drafts: Path) -> Iterator[None]:
    """Remove files if what is done with them fails or is interrupted."""
    try:
        yield
    except BaseException:
        for draft in drafts:
            try:
                os.unlink(draft)
            except OSError:
                pass
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have errors of the system name a file, and not its draft."""
    try:
        yield
    except BaseException as error:
        if code := _error_number(error):
            raise OSError(code, os.strerror(code), str(path)) from error
        raise


def _flush(path: Path) -> None:
    """Have the system put a file on the disk, so that a crash does not leave an empty one in place of the old."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def unhidden_interruptions() -> Iterator[None]:
    """Let an interruption arrive as what it is, though closing what it left half written fails as well (of zip files)."""
    try:
        yield
    except Exception as error:
        context = error.__context__
        while context is not None and not isinstance(context, (KeyboardInterrupt, MemoryError)):
            context = context.__context__
        if context is not None:
            raise context from None
        raise


def _error_number(error: BaseException) -> int | None:
    """Return the system's number of an error; HDF5 has it in its text, of errors of several classes."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"\berrno = (\d+)", str(error)) if isinstance(error, (OSError, RuntimeError)) else None
    return int(found[1]) if found else None
