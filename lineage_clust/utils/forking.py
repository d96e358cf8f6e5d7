"""Fork-safe locks: a forked child gets new locks, because the owning thread exists only in the parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from weakref import WeakSet

_locks: WeakSet[ProcessLock] = WeakSet()


class ProcessLock:
    """A lock between threads that is released in a process forked while a thread holds it, after `tidy` restores order."""

    def __init__(self, tidy: Callable[[], None] | None = None):
        self._lock, self._tidy = threading.Lock(), tidy
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock.locked():  # otherwise the process was forked inside the context and has a new lock
            self._lock.release()

    def renew(self) -> None:
        """Replace the lock with a new one."""
        held, self._lock = self._lock.locked(), threading.Lock()
        if held and self._tidy is not None:
            self._tidy()


def _renew_all() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):  # not available on Windows
    os.register_at_fork(after_in_child=_renew_all)
