"""Atomic writing: of a file, and of several, all or none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TypeAlias

from .checking import as_path

Writer: TypeAlias = Callable[[Path], object]


def write_whole(path: str | bytes | os.PathLike, writer: Writer) -> None:
    """Write a file or, if the writer fails or is interrupted, leave what was there: it writes a new one beside it."""
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
    """Write a file and flush it to disk, so that a crash does not leave an empty one."""
    with unhidden_interruptions():
        writer(draft)
    with open(draft, "r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def removed_on_failure(*drafts: Path) -> Iterator[None]:
    """Remove files if the context fails or is interrupted."""
    try:
        yield
    except BaseException:
        for draft in drafts:
            with suppress(OSError):
                os.unlink(draft)
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


def replace_all(files: Mapping[Path, Writer | None]) -> None:
    """Write the file of each path that has a writer and remove the others or, if anything fails, leave all as they were."""
    targets = {path: target_of(path) for path in files}
    drafts = {path: beside(target) for path, target in targets.items()}
    with removed_on_failure(*drafts.values()):
        for path, writer in files.items():
            if writer is not None:
                with naming(path):
                    write_draft(drafts[path], writer)
        with _undone_on_failure() as change:
            for path, writer in files.items():
                with naming(path):
                    change(targets[path], None if writer is None else drafts[path])


@contextmanager
def folder_for(path: Path) -> Iterator[None]:
    """Create a folder and its parents; created folders are removed if the context fails."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            try:
                folder.rmdir()
            except OSError:  # it was not created, or is not empty
                break
        raise


@contextmanager
def _undone_on_failure() -> Iterator:
    """Provide a function that replaces a file by a draft (or removes the file); changes are undone on failure."""
    kept: list[tuple[Path, Path | None]] = []

    def change(target: Path, draft: Path | None) -> None:
        backup = beside(target) if target.exists() else None
        if backup is not None:
            with removed_on_failure(backup):
                _keep(target, backup)
        kept.append((target, backup))
        if draft is None:
            target.unlink(missing_ok=True)
        else:
            os.replace(draft, target)

    try:
        yield change
    except BaseException:
        for target, backup in reversed(kept):
            with suppress(OSError):  # continue with the other files
                _put_back(target, backup)
        raise
    for _, backup in kept:
        if backup is not None:
            backup.unlink(missing_ok=True)


def _put_back(target: Path, backup: Path | None) -> None:
    if backup is None:
        target.unlink(missing_ok=True)
    elif target.exists() and backup.samefile(target):  # it was not replaced
        backup.unlink()
    else:
        os.replace(backup, target)


def _keep(target: Path, backup: Path) -> None:
    """Keep a file under a second name; it exists under at least one name at any time."""
    try:
        os.link(target, backup)
    except OSError:  # a file system without links
        shutil.copy2(target, backup)
