"""Fits that ask for sums over cells: what several of them ask for at a time is read in one pass."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import BlockedExpression

_IN_FLIGHT = 4  # results of blocks that are in memory at the same time


@dataclass(frozen=True)
class Ask:
    """Sums over the cells of expression, as of :meth:`lineage_clust.expression.blocks.BlockedExpression.reduce`.

    Attributes
    ----------
    Y
        Expression.
    function, arguments, all_cells
        Arguments of `reduce`, whose result is the answer.
    size
        Bytes of a result.
    adds
        Argument of `reduce`.
    """

    Y: BlockedExpression
    function: Callable
    arguments: Callable
    all_cells: bool
    size: int
    adds: bool = False

    @property
    def key(self) -> tuple:
        """What asks that can share a pass have in common."""
        genes = self.Y.chosen[1]
        return id(self.Y.stored), None if genes is None else genes.tobytes(), self.all_cells


Asking = Generator[Ask, list[tuple], Any]


def completed(fits: Sequence[Asking]) -> list[Any]:
    """Run fits to their ends, and return their results.

    Parameters
    ----------
    fits
        Generators that yield an :class:`Ask` and receive its answer.

    Examples
    --------
    >>> import zarr
    >>> Y = BlockedExpression(zarr.array(np.arange(6.0).reshape(3, 2)))
    >>> class Total(np.ndarray):
    ...     merge = np.ndarray.__add__
    >>> def fit(factor):
    ...     ask = Ask(Y, lambda block, kept, by: by * block.sum(axis=0).view(Total), lambda cells: (factor,), True, 16)
    ...     ((genes, total),) = yield ask
    ...     return total.tolist()
    >>> completed([fit(1.0), fit(10.0)])
    [[6.0, 9.0], [60.0, 90.0]]
    """
    results: list[Any] = [None] * len(fits)
    asks: dict[int, Ask] = {}

    def go_on(number: int, answer: list[tuple] | None) -> None:
        try:
            asks[number] = next(fits[number]) if answer is None else fits[number].send(answer)
        except StopIteration as end:
            results[number] = end.value

    for number in range(len(fits)):
        go_on(number, None)
    while asks:
        now, asks = asks, {}
        for batch in _batches(now):
            for number, answer in zip(batch, _answers([now[number] for number in batch]), strict=True):
                go_on(number, answer)
    return results


def _batches(asks: dict[int, Ask]) -> Iterator[list[int]]:
    """Yield the numbers of asks that share a pass: as many as the results of which fit into the memory budget."""
    groups: dict[tuple, list[int]] = {}
    for number, ask in asks.items():
        groups.setdefault(ask.key, []).append(number)
    for numbers in groups.values():
        first = asks[numbers[0]]
        step = max(1, first.Y.memory_budget // max(1, _IN_FLIGHT * first.size))
        yield from (numbers[start : start + step] for start in range(0, len(numbers), step))


def _answers(asks: list[Ask]) -> list[list[tuple]]:
    one = asks[0]
    if len(asks) == 1:
        return [one.Y.reduce(one.function, one.arguments, one.all_cells, one.adds)]
    chosen = [ask.Y.chosen[0] for ask in asks]
    every, places = None, None
    if any(not _same(cells, chosen[0]) for cells in chosen):
        whole = np.arange(one.Y.stored.shape[0])
        positions = [whole if cells is None else cells for cells in chosen]
        every = np.unique(np.concatenate(positions))
        places = np.full((len(asks), len(whole)), -1)
        for own, cells in zip(places, positions, strict=True):
            own[cells] = np.arange(len(cells))
        places = places[:, every]

    def arguments(cells) -> tuple:
        if places is None:
            return tuple((None, ask.arguments(cells)) for ask in asks)
        of_asks = []
        for ask, own in zip(asks, places[:, cells], strict=True):
            inside = own >= 0
            of_asks.append((inside, ask.arguments(own[inside])))
        return tuple(of_asks)

    Y = one.Y if every is None else one.Y.of_cells(every)
    parts = Y.reduce(_Each([(ask.function, ask.adds) for ask in asks]), arguments, one.all_cells, adds=True)
    return [[(genes, found.results[number]) for genes, found in parts] for number in range(len(asks))]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


@dataclass(frozen=True)
class _Each:
    """Functions of a block that are called one after the other, while it is in memory."""

    functions: list[tuple[Callable, bool]]  # and whether they add to what is there

    def __call__(self, block, kept: np.ndarray | None, *of_asks: tuple, into: _Results | None = None) -> _Results:
        results = []
        totals = [None] * len(of_asks) if into is None else into.results
        for (function, adds), total, (inside, arguments) in zip(self.functions, totals, of_asks, strict=True):
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
    results: list[Any]

    def merge(self, other: _Results) -> _Results:
        return _Results([one.merge(two) for one, two in zip(self.results, other.results, strict=True)])
