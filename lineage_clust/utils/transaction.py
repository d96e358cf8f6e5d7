"""Atomic writing of several files: all or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .atomic import Writer, beside, naming, removed_on_failure, target_of, write_draft


def replace_all(files: Mapping[Path, Writer | None]) -> None:
    """Write files to temporary files in the same folders, and replace the targets once all are complete.

    files : Writer of each path, see :func:`lineage_clust.utils.atomic.write_whole`; `None` removes an existing file. If
        anything fails or is interrupted, all paths keep their previous content and no temporary file remains.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     replace_all({folder / "a": lambda draft: draft.write_text("1"), folder / "b": None})
    ...     [path.name for path in folder.iterdir()]
    ['a']
    """
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
    """Create a folder and its parents; created folders are removed if the context fails.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with folder_for(Path(name, "a", "b")):
    ...         Path(name, "a", "b").is_dir()
    True
    """
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
