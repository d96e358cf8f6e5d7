"""Locks that processes may be forked beside: the child gets new ones, as the thread that held one stays in the parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from weakref import WeakSet

_locks: WeakSet[ProcessLock] = WeakSet()


class ProcessLock:
    """A lock among the threads of one process; it is free in a process that is forked while a thread holds it.

    Parameters
    ----------
    tidy : callable, optional
        Called in the forked process: it puts right what the lock protects, which may be half changed.

    Examples
    --------
    >>> with ProcessLock():
    ...     pass
    """

    def __init__(self, tidy: Callable[[], None] | None = None):
        self._lock, self._tidy = threading.Lock(), tidy
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock.locked():  # else this thread has forked, and the process has got a new one
            self._lock.release()

    def renew(self) -> None:
        """Replace the lock by a free one."""
        held, self._lock = self._lock.locked(), threading.Lock()
        if held and self._tidy is not None:
            self._tidy()


def _renew_all() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_renew_all)
