"""How many threads small work gets: one, for several would wait for each other longer than they compute."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

_SMALL = 2**24  # operations, or distances, at a time


def few_threads(size: float) -> AbstractContextManager:
    """Return a context in which linear algebra and neighbour searches use one thread, if the work is small.

    On a busy machine, threads of a pool that spin until all have arrived make small products take tens of times longer.

    Parameters
    ----------
    size
        Number of operations of a single call.

    Examples
    --------
    >>> with few_threads(100):
    ...     pass
    """
    return _pools().limit(limits=1) if size < _SMALL else nullcontext()


@cache
def _pools() -> ThreadpoolController:
    """Return what knows the process's thread pools; to look for them takes as long as a small search."""
    return ThreadpoolController()
