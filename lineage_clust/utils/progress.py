"""Progress bars, shown on request for loops that take more than a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHOWN: ContextVar[bool] = ContextVar("lineage_clust_progress", default=False)
_DELAY = 1.0  # seconds before a bar appears


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Show progress bars of loops in this context, if enabled here or in an outer context; only in this thread."""
    token = _SHOWN.set(_SHOWN.get() or bool(shown))
    try:
        yield
    finally:
        _SHOWN.reset(token)


def bar(items: Iterable, what: str, unit: str = "step", total: int | None = None) -> Iterable:
    """Wrap an iterable in a progress bar with the label `what`, if bars are shown; `total` if it has no length."""
    if not _SHOWN.get():
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc=what, unit=f" {unit}", total=total, delay=_DELAY)
