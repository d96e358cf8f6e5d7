"""Number of threads: small tasks use one thread, because synchronisation would dominate."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

_SMALL = 2**24  # operations or distances per call
_here = threading.local()


def few_threads(size: float) -> AbstractContextManager:
    """Return a context in which linear algebra and searches use one thread if a call has few operations (`size`).

    On a busy machine, spinning threads of a pool can slow small products by more than a factor of ten.
    """
    return _pools().limit(limits=1) if size < _SMALL else nullcontext()


def available_threads() -> int:
    """Return the available cores, or fewer if `OMP_NUM_THREADS` is set, as joblib and dask do for their workers."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, min(cpu_count(), int(asked) if asked.isdigit() and int(asked) > 0 else cpu_count()))


def in_threads(function: Callable, tasks: Iterable) -> Iterator:
    """Yield the results of tasks in order, for functions that release the GIL.

    Tasks of an iterator are generated while others run. Inside a thread of :func:`thread_pool` the tasks run one by
    one, because the other threads are busy.
    """
    n_threads = min(available_threads(), len(tasks) if isinstance(tasks, Sized) else available_threads())
    if n_threads <= 1 or getattr(_here, "is_one_of_several", False):
        yield from map(function, tasks)
        return
    with thread_pool(n_threads) as pool:
        yield from pool.map(function, tasks)


def thread_pool(n_threads: int) -> ThreadPoolExecutor:
    """Return a thread pool whose threads are marked, so that nested calls of :func:`in_threads` stay serial."""
    return ThreadPoolExecutor(n_threads, initializer=lambda: setattr(_here, "is_one_of_several", True))


@cache
def _pools() -> ThreadpoolController:
    """Return the controller of the process's thread pools; cached, because its creation is slow."""
    return ThreadpoolController()
