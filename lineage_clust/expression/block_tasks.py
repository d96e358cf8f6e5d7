"""Apply a function to the parts of a stored matrix, in threads that read ahead or as dask tasks."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from joblib import cpu_count
from scipy import sparse

from ..utils.progress import bar
from ..utils.threads import thread_pool
from .sources import Part

MOST_THREADS = 4
_FAN_IN = 8  # fan-in of the reduction tree; also the number of results computed by dask at a time


@dataclass(frozen=True)
class Where:
    """Positions of the selected cells and genes within a part, and of the part within the selection.

    Attributes
    ----------
    kept, columns
        Selected rows and columns of the part; `None` = all, in order.
    cells, genes
        Their positions within the selection: slices or arrays.
    """

    kept: np.ndarray | None
    columns: np.ndarray | None
    cells: slice | np.ndarray
    genes: slice | np.ndarray


Plan = list[tuple[Part, Where]]


def in_order(plan: Plan, function: Callable, arguments: Callable) -> Iterator[tuple[Where, object]]:
    """Yield `(where, function(block, where.kept, *arguments(where)))` for every part, in order.

    Parts of a file are read and processed by a few threads that work a few parts ahead. dask schedules its own tasks;
    only a few of their results are in memory at a time.

    Parameters
    ----------
    plan
        Parts and the selection within each.
    function
        Function of the selected columns of a block and the indices of its selected rows.
    arguments
        Function that returns further arguments for a part.
    """
    n_ahead = min(MOST_THREADS, cpu_count())
    pending: deque = deque()
    batch: list = []
    with thread_pool(n_ahead) as pool:
        try:
            for part, where in bar(plan, "reading expression", "block"):
                if part.load is None:
                    batch.append((where, _task(part, where, function, arguments)))
                    if len(batch) == _FAN_IN:
                        yield from _computed(batch)
                        batch = []
                    continue
                pending.append((where, pool.submit(_read, part.load, where, function, arguments(where))))
                if len(pending) > n_ahead:
                    yield pending[0][0], pending.popleft()[1].result()
            while pending:
                yield pending[0][0], pending.popleft()[1].result()
            if batch:
                yield from _computed(batch)
        finally:
            for _, result in pending:
                result.cancel()


def merged(plan: Plan, function: Callable, arguments: Callable) -> list[tuple[slice | np.ndarray, object]]:
    """Return the sums of the results of `function` over parts, as `(genes, result)` for each range of columns.

    Arguments are those of :func:`in_order`. Results are added by `result.merge(other)` in the order of the parts, so
    that the sums do not depend on the number of threads. In dask they are added by a tree of tasks.
    """
    sums: dict = {}
    for where, result in in_order([step for step in plan if step[0].load is not None], function, arguments):
        key = where.genes.start if isinstance(where.genes, slice) else int(where.genes[0])
        sums[key] = (where.genes, sums[key][1].merge(result) if key in sums else result)
    tasks: dict = {}
    for part, where in plan:
        if part.load is None:
            task = _task(part, where, function, arguments)
            tasks.setdefault(part.columns.start, (where.genes, []))[1].append(task)
    return [*sums.values(), *_tree(list(tasks.values()))]


def _tree(groups: list) -> list[tuple]:
    """Return the sum of the results of each group of tasks."""
    if not groups:
        return []
    import dask

    add = dask.delayed(_added, pure=False)
    sums = []
    for _, results in groups:
        while len(results) > 1:
            results = [add(results[first : first + _FAN_IN]) for first in range(0, len(results), _FAN_IN)]
        sums.append(results[0])
    return [(genes, result) for (genes, _), result in zip(groups, _compute(sums), strict=True)]


def _task(part: Part, where: Where, function: Callable, arguments: Callable):
    import dask

    task = dask.delayed(_of_block, pure=False)
    return task(part.task, where.kept, where.columns, function, arguments(where))


def _computed(batch: list) -> Iterator[tuple]:
    results = _compute([task for _, task in batch])
    yield from zip([where for where, _ in batch], results, strict=True)


def _compute(tasks: list) -> tuple:
    import dask

    if "distributed" not in sys.modules:
        return dask.compute(*tasks)
    # arguments are embedded in the tasks: scattered arguments would be lost if a worker fails
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "4GB"}):
        return dask.compute(*tasks)


def _read(load: Callable, where: Where, function: Callable, arguments: tuple):
    return _of_block(load(), where.kept, where.columns, function, arguments)


def _of_block(block, kept, columns, function: Callable, arguments: tuple):
    if sparse.issparse(block):
        if block.format not in ("csr", "csc"):
            block = block.tocsr()
    else:
        block = np.asarray(block)
    if columns is not None:
        block = block[:, columns]
    return function(block, kept, *arguments)


def _added(results: list):
    return reduce(lambda one, other: one.merge(other), results)
