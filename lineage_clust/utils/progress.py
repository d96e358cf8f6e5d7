"""Progress bars: where a caller asked for them and work takes over a second, silent otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHOWN: ContextVar[bool] = ContextVar("lineage_clust_progress", default=False)
_DELAY = 1.0  # seconds, before which no bar appears


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Let long loops inside show a bar, if this or an outer call says so; those of other threads and processes never do.

    Examples
    --------
    >>> with progress_bars(False):
    ...     list(bar([1, 2], "genes"))
    [1, 2]
    """
    token = _SHOWN.set(_SHOWN.get() or bool(shown))
    try:
        yield
    finally:
        _SHOWN.reset(token)


def bar(items: Iterable, what: str, unit: str = "step", total: int | None = None) -> Iterable:
    """Return what is to be iterated over, under a progress bar if bars are shown.

    Parameters
    ----------
    items
        Of the loop.
    what
        What is done, for the bar's label.
    unit
        What one item is.
    total
        Number of items, if they have no length.
    """
    if not _SHOWN.get():
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=f" {unit}", total=total, delay=_DELAY)
