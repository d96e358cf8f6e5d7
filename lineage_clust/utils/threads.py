"""How many threads work gets: small work one, for several would wait for each other longer than they compute."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

_SMALL = 2**24  # operations, or distances, at a time
_here = threading.local()


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


def available_threads() -> int:
    """Return how many threads own loops may use: the cores that this process has, or fewer if `OMP_NUM_THREADS` says so.

    joblib's and dask's workers are told by that variable how many are theirs.

    Examples
    --------
    >>> available_threads() >= 1
    True
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, min(cpu_count(), int(asked) if asked.isdigit() and int(asked) > 0 else cpu_count()))


def in_threads(function: Callable, tasks: Iterable) -> Iterator:
    """Yield the results of tasks in their order; for functions that leave Python's lock while they compute.

    Tasks of an iterator are made while others are done. In a thread of :func:`thread_pool` they are done one by one, for the
    other threads are busy.

    Examples
    --------
    >>> list(in_threads(abs, [-1, 2]))
    [1, 2]
    """
    n_threads = min(available_threads(), len(tasks) if isinstance(tasks, Sized) else available_threads())
    if n_threads <= 1 or getattr(_here, "is_one_of_several", False):
        yield from map(function, tasks)
        return
    with thread_pool(n_threads) as pool:
        yield from pool.map(function, tasks)


def thread_pool(n_threads: int) -> ThreadPoolExecutor:
    """Return threads that know that they are not alone.

    Examples
    --------
    >>> with thread_pool(2) as pool:
    ...     list(pool.map(abs, [-1, 2]))
    [1, 2]
    """
    return ThreadPoolExecutor(n_threads, initializer=_note)


def _note() -> None:
    _here.is_one_of_several = True


@cache
def _pools() -> ThreadpoolController:
    """Return what knows the process's thread pools; to look for them takes as long as a small search."""
    return ThreadpoolController()
