"""Apply a function to the parts of a stored matrix, in threads that read ahead or as dask tasks."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
from joblib import cpu_count
from scipy import sparse

from ...utils.matrices import as_supported, chunks
from ...utils.progress import bar
from ...utils.threads import thread_pool
from .sources import Part

MOST_THREADS = 4
_FAN_IN = 8  # of the reduction tree; also the number of results that dask computes, or a thread adds, at a time
_LEAST_GROUPS = 8  # minimum number of groups of parts, so that threads do not wait for each other


@dataclass(frozen=True)
class Where:
    """Selected rows (`kept`) and columns of a part, `None` = all, and their positions within the selection."""

    kept: np.ndarray | None
    columns: np.ndarray | None
    cells: slice | np.ndarray
    genes: slice | np.ndarray


Plan = list[tuple[Part, Where]]


def in_order(plan: Plan, function: Callable, arguments: Callable = lambda where: ()) -> Iterator[tuple[Where, object]]:
    """Yield `(where, function(block, where.kept, *arguments(where)))` for every part, with its selected columns, in order.

    A few threads read and process parts of a file, and work ahead. dask schedules its own tasks, a few at a time.
    """
    stored = [step for step in plan if step[0].load is not None]
    calls = (partial(_read, part.load, where, function, arguments(where)) for part, where in stored)
    yield from zip((where for _, where in stored), _ahead(calls, len(stored), "block"), strict=True)
    tasks = [step for step in plan if step[0].load is None]
    for own in chunks(len(tasks), _FAN_IN):
        some = tasks[own]
        results = _compute([_task(part, where, function, arguments) for part, where in some])
        yield from zip([where for _, where in some], results, strict=True)


def _ahead(calls: Iterable[Callable], n_calls: int, unit: str) -> Iterator:
    """Yield the results of calls in order, made by a few threads that are a few calls ahead."""
    calls = bar(calls, "reading expression", unit, n_calls)
    if n_calls == 1:
        yield from (call() for call in calls)
        return
    n_ahead = min(MOST_THREADS, cpu_count())
    pending: deque = deque()
    with thread_pool(n_ahead) as pool:
        try:
            for call in calls:
                pending.append(pool.submit(call))
                if len(pending) > n_ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for result in pending:
                result.cancel()


def merged(plan: Plan, function: Callable, arguments: Callable) -> list[tuple[slice | np.ndarray, object]]:
    """Return the sums of the results of `function` over parts, as `(genes, result)` for each range of columns.

    Arguments are those of :func:`in_order`; the function also takes `into`, the sums so far or `None`, to which it adds. A
    thread adds up a few parts at a time, the same ones on any number of threads; their sums are added by
    `result.merge(other)` in the order of the parts, in dask by a tree of tasks.
    """
    stored: dict = {}
    tasks: dict = {}
    for part, where in plan:
        if part.load is None:
            task = _task(part, where, function, arguments)
            tasks.setdefault(part.columns.start, (where.genes, []))[1].append(task)
        else:
            stored.setdefault(part.columns.start, []).append((part, where))
    sums = []
    for steps in stored.values():
        size = int(np.clip(len(steps) // _LEAST_GROUPS, 1, _FAN_IN))
        groups = [steps[own] for own in chunks(len(steps), size)]
        calls = (partial(_sum_of, group, function, arguments) for group in groups)
        sums.append((steps[0][1].genes, _added(_ahead(calls, len(groups), "part"))))
    return [*sums, *_tree(list(tasks.values()))]


def _sum_of(steps: Plan, function: Callable, arguments: Callable):
    total: Any = None
    for part, where in steps:
        total = _read(part.load, where, partial(function, into=total), arguments(where))
    return total


def _tree(groups: list) -> list[tuple]:
    """Return the sum of the results of each group of tasks."""
    if not groups:
        return []
    import dask

    add = dask.delayed(_added, pure=False)
    sums = []
    for _, results in groups:
        while len(results) > 1:
            results = [add(results[own]) for own in chunks(len(results), _FAN_IN)]
        sums.append(results[0])
    return [(genes, result) for (genes, _), result in zip(groups, _compute(sums), strict=True)]


def _task(part: Part, where: Where, function: Callable, arguments: Callable):
    import dask

    task = dask.delayed(_of_block, pure=False)
    return task(part.task, where.kept, where.columns, function, arguments(where))


def _compute(tasks: list) -> tuple:
    import dask

    if "distributed" not in sys.modules:
        return dask.compute(*tasks)
    # arguments are embedded in the tasks: scattered arguments would be lost if a worker fails
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "4GB"}):
        return dask.compute(*tasks)


def _read(load: Any, where: Where, function: Callable, arguments: tuple):
    return _of_block(load(), where.kept, where.columns, function, arguments)


def _of_block(block, kept, columns, function: Callable, arguments: tuple):
    if sparse.issparse(block):
        if block.format not in ("csr", "csc"):
            block = block.tocsr()
    else:
        block = as_supported(np.asarray(block))
    if columns is not None:
        block = block[:, columns]
    return function(block, kept, *arguments)


def _added(results: Iterable):
    return reduce(lambda one, other: one.merge(other), results)
