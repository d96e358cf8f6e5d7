"""Passes over the expression: sums that several fits (lineages, families) request at the same time are computed in one pass.

A fit is a generator: where it needs sums over cells, it yields a :class:`SumRequest` and continues with the results that are
sent to it, until it returns its own result. :func:`run_fits` runs several fits, each to its next request; requests for the
same matrix are computed together, block by block as it is read. A single fit uses the same code: ``run_fits([fit])[0]``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .storage.blocks import BlockedExpression

_IN_FLIGHT = 4  # results of blocks that are in memory at the same time


@dataclass(frozen=True)
class SumRequest:
    """Sums over the cells of expression, as of :meth:`lineage_clust.expression.storage.blocks.BlockedExpression.reduce`.

    Y : Expression.
    function, arguments, all_cells : Arguments of `reduce`.
    size : Bytes of a result.
    adds : Argument of `reduce`.
    """

    Y: BlockedExpression
    function: Callable
    arguments: Callable
    all_cells: bool
    size: int
    adds: bool = False

    @property
    def key(self) -> tuple:
        """Equal for requests that can share a pass."""
        genes = self.Y.chosen[1]
        return id(self.Y.stored), None if genes is None else genes.tobytes(), self.all_cells


SumRequests = Generator[SumRequest, list[tuple], Any]


def run_fits(fits: Sequence[SumRequests]) -> list[Any]:
    """Run fits until all are complete, and return their results.

    fits : Generators that yield a :class:`SumRequest` and receive its result.

    >>> import zarr
    >>> Y = BlockedExpression(zarr.array(np.arange(6.0).reshape(3, 2)))
    >>> class Total(np.ndarray):
    ...     merge = np.ndarray.__add__
    >>> def fit(factor):
    ...     times = lambda block, kept, factor: factor * block.sum(axis=0).view(Total)
    ...     ((genes, total),) = yield SumRequest(Y, times, lambda cells: (factor,), all_cells=True, size=16)
    ...     return total.tolist()
    >>> run_fits([fit(1.0), fit(10.0)])
    [[6.0, 9.0], [60.0, 90.0]]
    """
    results: list[Any] = [None] * len(fits)
    requests: dict[int, SumRequest] = {}

    def advance(number: int, result: list[tuple] | None) -> None:
        try:
            requests[number] = next(fits[number]) if result is None else fits[number].send(result)
        except StopIteration as end:
            results[number] = end.value

    for number in range(len(fits)):
        advance(number, None)
    while requests:
        now, requests = requests, {}
        for batch in _batches(now):
            for number, result in zip(batch, _results_of([now[number] for number in batch]), strict=True):
                advance(number, result)
    return results


def _batches(requests: dict[int, SumRequest]) -> Iterator[list[int]]:
    """Yield batches of requests that share a pass; their results fit into the memory budget."""
    groups: dict[tuple, list[int]] = {}
    for number, request in requests.items():
        groups.setdefault(request.key, []).append(number)
    for numbers in groups.values():
        first = requests[numbers[0]]
        step = max(1, first.Y.memory_budget // max(1, _IN_FLIGHT * first.size))
        yield from (numbers[start : start + step] for start in range(0, len(numbers), step))


def _results_of(requests: list[SumRequest]) -> list[list[tuple]]:
    one = requests[0]
    if len(requests) == 1:
        return [one.Y.reduce(one.function, one.arguments, one.all_cells, one.adds)]
    chosen = [request.Y.chosen[0] for request in requests]
    every, places = None, None
    if any(not _same(cells, chosen[0]) for cells in chosen):
        whole = np.arange(one.Y.stored.shape[0])
        positions = [whole if cells is None else cells for cells in chosen]
        every = np.unique(np.concatenate(positions))
        places = np.full((len(requests), len(whole)), -1)
        for own, cells in zip(places, positions, strict=True):
            own[cells] = np.arange(len(cells))
        places = places[:, every]

    def arguments(cells) -> tuple:
        if places is None:
            return tuple((None, request.arguments(cells)) for request in requests)
        of_requests = []
        for request, own in zip(requests, places[:, cells], strict=True):
            inside = own >= 0
            of_requests.append((inside, request.arguments(own[inside])))
        return tuple(of_requests)

    Y = one.Y if every is None else one.Y.of_cells(every)
    parts = Y.reduce(
        _Each([(request.function, request.adds) for request in requests]), arguments, one.all_cells, adds=True
    )
    return [[(genes, found.results[number]) for genes, found in parts] for number in range(len(requests))]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


@dataclass(frozen=True)
class _Each:
    """Functions that are called one after the other while a block is in memory."""

    functions: list[tuple[Callable, bool]]  # and whether they add to earlier results

    def __call__(self, block, kept: np.ndarray | None, *of_requests: tuple, into: _Results | None = None) -> _Results:
        results = []
        totals = [None] * len(of_requests) if into is None else into.results
        for (function, adds), total, (inside, arguments) in zip(self.functions, totals, of_requests, strict=True):
            own = kept
            if inside is not None and not inside.all():
                own = np.flatnonzero(inside) if kept is None else kept[inside]
            if adds:
                results.append(function(block, own, *arguments, into=total))
            else:
                found = function(block, own, *arguments)
                results.append(found if total is None else total.merge(found))
        return _Results(results)


@dataclass(frozen=True)
class _Results:
    """Results of the functions of `_Each`, which are added one by one."""

    results: list[Any]

    def merge(self, other: _Results) -> _Results:
        return _Results([one.merge(two) for one, two in zip(self.results, other.results, strict=True)])
