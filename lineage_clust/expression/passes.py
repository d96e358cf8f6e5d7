"""Passes over the expression: sums that several fits, such as to draws of pseudotime, need at the same time take one pass.

A :class:`SumRequest` describes sums over cells, and `request.answer()` computes them. A fit that can share passes with
others is a generator and writes ``sums = yield request`` instead; :func:`run_fits` runs several such fits, each to its next
request, and answers requests for the same matrix together, block by block as it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..utils.matrices import chunks
from .storage.blocks import BlockedExpression, inverse

_IN_FLIGHT = 4  # results of blocks that are in memory at the same time


@dataclass(frozen=True)
class SumRequest:
    """Sums over the cells of expression.

    function, arguments, all_cells : Arguments of :meth:`.BlockedExpression.reduce`.
    size : Bytes of a result of `function`.
    finish : Function from what `reduce` returns to the sums of all genes.
    """

    Y: BlockedExpression
    function: Callable
    arguments: Callable
    all_cells: bool
    size: int
    finish: Callable[[list[tuple]], Any]

    @property
    def key(self) -> tuple:
        """Equal for requests that can share a pass."""
        genes = self.Y.chosen[1]
        return id(self.Y.stored), None if genes is None else genes.tobytes(), self.all_cells

    def answer(self) -> Any:
        """Return the sums, computed in a pass of their own."""
        return self.finish(self.Y.reduce(self.function, self.arguments, self.all_cells))


Fit = Generator[SumRequest, Any, Any]


def run_fits(fits: Sequence[Fit]) -> list[Any]:
    """Run fits, generators that yield a :class:`SumRequest` and receive its answer, and return their results.

    >>> import zarr
    >>> Y = BlockedExpression(zarr.array(np.arange(6.0).reshape(3, 2)))
    >>> class Total(np.ndarray):
    ...     merge = np.ndarray.__add__
    >>> def fit(factor):
    ...     times = lambda block, kept, factor, into: factor * block.sum(axis=0).view(Total)
    ...     total = yield SumRequest(Y, times, lambda cells: (factor,), True, 16, finish=lambda parts: parts[0][1])
    ...     return total.tolist()
    >>> run_fits([fit(1.0), fit(10.0)])
    [[6.0, 9.0], [60.0, 90.0]]
    """
    results: list[Any] = [None] * len(fits)
    requests: dict[int, SumRequest] = {}

    def advance(number: int, answer: Any = None) -> None:
        try:
            requests[number] = fits[number].send(answer)
        except StopIteration as end:
            results[number] = end.value

    for number in range(len(fits)):
        advance(number)
    while requests:
        now, requests = requests, {}
        for batch in _batches(now):
            for number, answer in zip(batch, _answers([now[number] for number in batch]), strict=True):
                advance(number, answer)
    return results


def _batches(requests: dict[int, SumRequest]) -> Iterator[list[int]]:
    """Yield batches of requests that share a pass; their results fit into the memory budget."""
    groups: dict[tuple, list[int]] = {}
    for number, request in requests.items():
        groups.setdefault(request.key, []).append(number)
    for numbers in groups.values():
        first = requests[numbers[0]]
        step = max(1, first.Y.memory_budget // max(1, _IN_FLIGHT * first.size))
        yield from (numbers[some] for some in chunks(len(numbers), step))


def _answers(requests: list[SumRequest]) -> list[Any]:
    """Return the answers to requests that share a pass."""
    one = requests[0]
    if len(requests) == 1:
        return [one.answer()]
    Y, chosen = one.Y, [request.Y.chosen[0] for request in requests]
    rows: list[np.ndarray | None] = [None] * len(requests)  # of each request, for the cells of the pass; -1 for none
    if any(not _same(cells, chosen[0]) for cells in chosen):
        whole = np.arange(Y.stored.shape[0])
        positions = [whole if cells is None else cells for cells in chosen]
        every = np.unique(np.concatenate(positions))
        rows = [inverse(cells, len(whole))[every] for cells in positions]
        Y = Y.of_cells(every)

    def arguments(cells) -> tuple:
        of_requests = []
        for request, own in zip(requests, rows, strict=True):
            inside = None if own is None else own[cells] >= 0
            of_requests.append((inside, request.arguments(cells if own is None else own[cells][inside])))
        return tuple(of_requests)

    parts = Y.reduce(partial(_block_of_each, [request.function for request in requests]), arguments, one.all_cells)
    return [
        request.finish([(genes, found.results[number]) for genes, found in parts])
        for number, request in enumerate(requests)
    ]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


@dataclass(frozen=True)
class _Results:
    """Results of several functions, which are added one by one."""

    results: list[Any]

    def merge(self, other: _Results) -> _Results:
        return _Results([one.merge(two) for one, two in zip(self.results, other.results, strict=True)])


def _block_of_each(
    functions: list[Callable], block, kept: np.ndarray | None, *of_requests: tuple, into: _Results | None = None
) -> _Results:
    """Call several functions while a block is in memory."""
    results = []
    totals = [None] * len(functions) if into is None else into.results
    for function, total, (inside, arguments) in zip(functions, totals, of_requests, strict=True):
        own = kept
        if inside is not None and not inside.all():
            own = np.flatnonzero(inside) if kept is None else kept[inside]
        results.append(function(block, own, *arguments, into=total))
    return _Results(results)
