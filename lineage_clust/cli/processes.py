"""Analyses at the same time, each in a forked process, which has all that this one has read and imported."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextvars import Context
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pickle import dumps, loads
from typing import Any, TypeVar

from joblib import cpu_count, effective_n_jobs
from threadpoolctl import threadpool_limits

T = TypeVar("T")
_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
CAN_FORK = sys.platform == "linux"  # libraries of macOS do not work in a forked process, and Windows has none


def n_processes(n_tasks: int, n_jobs: int) -> int:
    """Return how many processes to use: as many as asked for (-1 = all cores), but no more than tasks or cores."""
    return max(1, min(n_tasks, cpu_count(), effective_n_jobs(n_jobs))) if CAN_FORK else 1


def each(tasks: Sequence[Callable[[], T]], n_at_once: int) -> list[T]:
    """Return the results of all tasks in order; with `n_at_once` > 1, each is run in a forked process.

    Call it only in a process that has run no threads yet, which fork would not copy. If a task fails or this process is
    interrupted or killed, the other processes are stopped.
    """
    if n_at_once == 1:
        return [task() for task in tasks]
    import igraph  # noqa: F401  loaded once, not in each process
    import matplotlib.pyplot  # noqa: F401

    gc.freeze()  # or the first collection in each process copies all memory
    fork, n_threads = get_context("fork"), max(1, cpu_count() // n_at_once)
    waiting, results = list(enumerate(tasks)), {}
    running: dict[Any, tuple[int, Any]] = {}  # index and process by the connection that receives the result
    try:
        while waiting or running:
            while waiting and len(running) < n_at_once:
                index, task = waiting.pop(0)
                receiver, sender = fork.Pipe(duplex=False)
                process = fork.Process(target=_run, args=(task, sender, n_threads, os.getpid()))
                # an interruption of a process that begins, in functions that Python calls after a fork, would be ignored
                signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
                try:
                    process.start()
                    running[receiver] = index, process
                finally:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
                sender.close()  # so that its end is noticed here
            for ready in wait(list(running)):
                results[running[ready][0]] = _received(ready)
                running.pop(ready)[1].join()
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()
        gc.unfreeze()
    return [results[index] for index in range(len(tasks))]


def _received(receiver: Any):
    try:
        result, error = receiver.recv()
    except EOFError:
        raise MemoryError("a process was ended by the system") from None
    if error is not None:
        raise error
    return result


def _run(task: Callable[[], object], sender: Connection, n_threads: int, parent: int) -> None:
    """Run a task in a forked process, and send its result or error."""
    _end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops the others, by SIGTERM
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    with threadpool_limits(n_threads):
        try:
            # in an empty context, which has no progress bars: those of several processes would mix on one line
            sender.send((Context().run(task), None))
        except BaseException as error:
            sender.send((None, _portable(error)))


def _end_with(parent: int) -> None:
    """Have the system end this process when its parent ends, also if that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be sent, with its traceback as a note."""
    try:
        sent = loads(dumps(error))
    except Exception:
        sent = RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note("".join(traceback.format_exception(error)))
    return sent
