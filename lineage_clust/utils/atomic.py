"""Atomic writing of a file."""

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
    """Write a file atomically: write to a temporary file in the same folder, then replace the target.

    path : Path of the file; an existing file is replaced. Symbolic links are followed.
    writer : Function of the path to write to. If it fails or is interrupted, the previous content of `path` is
        unchanged and no temporary file remains.

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
    """Resolve symbolic links; raise an OSError if the target is not a regular file."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"{str(path)!r} is a folder or a device, not a file. Pass the name of a file.")
    return target


def beside(target: Path) -> Path:
    """Return a new hidden file name in the same folder."""
    return target.with_name(f".{token_hex(8)}.part")  # independent of the name, which may have the maximum length


def write_draft(draft: Path, writer: Writer) -> None:
    """Write a file and flush it to disk."""
    with unhidden_interruptions():
        writer(draft)
    _flush(draft)


@contextmanager
def removed_on_failure(*drafts: Path) -> Iterator[None]:
    """Remove files if the context fails or is interrupted."""
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
    """Make OS errors name the target file instead of the temporary file."""
    try:
        yield
    except BaseException as error:
        if code := _error_number(error):
            raise OSError(code, os.strerror(code), str(path)) from error
        raise


def _flush(path: Path) -> None:
    """Flush a file to disk, so that a crash does not leave an empty file."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def unhidden_interruptions() -> Iterator[None]:
    """Re-raise interruptions that are hidden by errors on closing incomplete (zip) files."""
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
    """Return the errno of an error; HDF5 reports it in the message of several error classes."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"\berrno = (\d+)", str(error)) if isinstance(error, (OSError, RuntimeError)) else None
    return int(found[1]) if found else None
