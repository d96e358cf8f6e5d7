"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex


def write_whole(path: str | os.PathLike, writer: Callable[[Path], object]) -> None:
    """Have a file written beside its place, and put it there once it is complete.

    Parameters
    ----------
    path
        Of the file; an existing one is replaced, one behind a link too.
    writer
        Gets the path to write to. If it raises, what was at `path` before is still there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/a.txt", lambda draft: draft.write_text("done"))
    ...     Path(folder, "a.txt").read_text()
    'done'
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{token_hex(8)}.part")
    try:
        writer(draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
