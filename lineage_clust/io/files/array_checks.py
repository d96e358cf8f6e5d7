"""Validation of arrays, sparse matrices and edges from a file: types, shapes, ranges and order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Array(NamedTuple):
    """Specification of an array: kinds of dtypes, names of dimensions, and constraints on values."""

    kinds: str
    dimensions: str
    finite: bool = False
    low: float = -np.inf
    high: float = np.inf
    optional: bool = False

    def check(self, value: Any, found: dict[str, int], where: str) -> None:
        """Raise a ValueError that names the value unless it matches; unknown lengths of dimensions are added to `found`."""
        if value is None and self.optional:
            return
        if not isinstance(value, np.ndarray) or value.dtype.kind not in self.kinds:
            raise ValueError(f"{where} is not an array of the right type")
        names = self.dimensions.split()
        if names[0] == "...":
            names = names[1:] if value.ndim < len(names) else ["any", *names[1:]]
        if value.ndim != len(names):
            raise ValueError(f"{where} has {value.ndim} dimensions and not {len(names)}")
        for dimension, length in zip(names, value.shape, strict=True):
            expected = int(dimension) if dimension.isdigit() else found.setdefault(dimension, length)
            if dimension != "any" and expected != length:
                raise ValueError(f"{where} has {length} {dimension} where {expected} belong")
        if value.size and value.dtype.kind in "iuf":
            if self.finite and not np.isfinite(value).all():
                raise ValueError(f"{where} contains values that are not finite")
            if np.any(value < self.low) or np.any(value > self.high):
                raise ValueError(f"{where} contains values out of range")


class Part:
    """Specification of another attribute: names of possible classes, "None" for `None`, and of its number of rows."""

    def __init__(self, *names: str, rows: str = "") -> None:
        self.names, self.rows = names, rows

    def check(self, value: Any, found: dict[str, int], where: str) -> None:
        """Raise a ValueError unless a value has a possible class and number of rows; arguments as of `Array.check`."""
        if ("None" if value is None else type(value).__name__) not in self.names:
            raise ValueError(f"{where} is not a {self.names[0]}")
        if self.rows and value is not None and len(value) != found.setdefault(self.rows, len(value)):
            raise ValueError(f"{where} has {len(value)} {self.rows} where {found[self.rows]} belong")


def check_sparse(matrix: Any) -> None:
    """Raise a ValueError unless a sparse matrix has valid, sorted indices and finite values."""
    n_bytes = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    if (
        any(part.ndim != 1 for part in (matrix.data, matrix.indices, matrix.indptr))
        or matrix.data.dtype.kind not in "biuf"
    ):
        raise ValueError("the parts of a sparse matrix are not lists of numbers")
    if max(matrix.shape) > n_bytes:
        raise ValueError(f"a sparse matrix of shape {matrix.shape} does not belong to {n_bytes:,} bytes")
    matrix.check_format(full_check=True)
    if len(matrix.data) != len(matrix.indices) or len(matrix.data) != matrix.indptr[-1]:
        raise ValueError("the parts of a sparse matrix differ in length")
    inner = np.ones(len(matrix.indices), dtype=bool)
    inner[matrix.indptr[:-1][matrix.indptr[:-1] < len(inner)]] = False  # indices may decrease at the start of a row
    if np.any(np.diff(matrix.indices.astype(np.int64))[inner[1:]] <= 0):
        raise ValueError("the indices of a sparse matrix are not in order")
    if not np.isfinite(matrix.data).all():
        raise ValueError("a sparse matrix contains values that are not finite")


def check_edges(n: Any, edges: Any, weights: Any) -> None:
    """Raise a ValueError unless edges join vertices from 0 to n - 1 and have finite weights."""
    if type(n) is not int or n < 0:
        raise ValueError(f"a graph cannot have {n!r} vertices")
    found: dict[str, int] = {}
    Array("i", "edges 2", low=0, high=n - 1).check(edges, found, "the edges of a graph")
    Array("fiu", "edges", finite=True).check(weights, found, "the weights of a graph")
