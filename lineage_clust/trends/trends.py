"""The fitted trends of many genes along one or several lineages, as a value object."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from sklearn.base import clone

from ..contracts.capabilities import has_method
from ..utils.checking import as_numbers, as_vector
from ..utils.combining import cauchy_combination
from .shapes import is_constant, moved_times, peak_time

SCALES = ("zscore", "minmax")
Columns = slice | np.ndarray


@dataclass(frozen=True)
class Trends:
    """Trends of genes on a grid of pseudotime, which can be created, plotted and compared without an estimator.

    Attributes
    ----------
    values : ndarray of shape (n_genes, n_points)
        Trends on the response scale.
    grid : ndarray of shape (n_points,)
        Pseudotime of each column; several lineages are concatenated.
    genes : list of str
        Names of the rows.
    se : ndarray of shape (n_genes, n_points), optional
        Standard errors.
    grid_lineage : ndarray of str, shape (n_points,), optional
        The lineage of each column.
    failed : dict of str to str
        Reason for each gene without a trend (not among the rows).
    table : DataFrame
        Results of the model, one row per gene: edf, deviance_explained, pvalue, converged, lambda, note.

    Examples
    --------
    >>> trends = Trends(np.array([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]]), np.array([0.0, 0.5, 1.0]), ["a", "b"])
    >>> trends.scaled("zscore").round(2).tolist()
    [[-1.22, 0.0, 1.22], [0.0, 0.0, 0.0]]
    >>> trends.peak().tolist()
    [1.0, 0.0]
    """

    values: np.ndarray
    grid: np.ndarray
    genes: list[str]
    se: np.ndarray | None = None
    grid_lineage: np.ndarray | None = None
    failed: dict[str, str] = field(default_factory=dict)
    table: pd.DataFrame | None = None

    def __post_init__(self):
        values, grid = as_numbers("values", self.values), as_vector("grid", self.grid)
        genes = list(self.genes)
        if values.shape != (len(genes), len(grid)) or len(grid) == 0:
            raise ValueError(
                f"values must have one row per gene and one column per grid point, ({len(genes)}, {len(grid)}), and "
                f"at least one column; its shape is {values.shape}."
            )
        if self.se is not None and np.shape(self.se) != values.shape:
            raise ValueError(f"se must have the shape of values, {values.shape}; it has {np.shape(self.se)}.")
        for name, value in (("values", values), ("grid", grid), ("genes", genes)):
            object.__setattr__(self, name, value)

    @property
    def edf(self) -> np.ndarray | None:
        """Effective degrees of freedom `(n_genes,)`, `None` if the model has none."""
        return self._result("edf")

    @property
    def p(self) -> np.ndarray | None:
        """P-values `(n_genes,)` of a change along pseudotime, `None` if the model has none."""
        return self._result("pvalue")

    def _result(self, column: str) -> np.ndarray | None:
        return None if self.table is None or column not in self.table else self.table[column].to_numpy()

    def scaled(self, scale: object = "zscore") -> np.ndarray:
        """Return the scaled trends `(n_genes, n_points)`.

        Parameters
        ----------
        scale : {"zscore", "minmax"}, None or sklearn transformer
            "zscore": mean 0 and (population) standard deviation 1 over the grid; "minmax": minimum 0 and maximum 1.
            Constant trends become 0. A transformer is cloned and fitted to the trends as columns, `(n_points,
            n_genes)`.
        """
        check_scale(scale)
        values = self.values
        if scale is None:
            return values.copy()
        if not isinstance(scale, str):
            scaled = np.empty_like(values)
            arranged = arranged_by_name(values, self.grid_lineage)
            scaled[:, columns_by_name(self.grid_lineage)] = np.asarray(clone(scale).fit_transform(arranged.T)).T
            return scaled
        shift, spread = self._shift_and_scale(scale)
        flat = is_constant(values)
        centred = np.where(flat[:, None], 0.0, values - shift[:, None])
        return centred / np.where(flat, 1.0, spread)[:, None]

    def _shift_and_scale(self, scale: str) -> tuple[np.ndarray, np.ndarray]:
        values = arranged_by_name(self.values, self.grid_lineage)  # so that sums are bitwise reproducible
        if scale == "minmax":
            return values.min(axis=1), np.ptp(values, axis=1)
        with np.errstate(over="ignore"):
            return values.mean(axis=1), values.std(axis=1)

    def location_and_scale(self, scale: object = "zscore") -> tuple[np.ndarray, np.ndarray]:
        """Return the location and scale `(n_genes,)` by which :meth:`scaled` standardises each trend.

        The scale of a constant trend is 0. For a transformer they are the coefficients of the linear regression of the
        trend on the scaled trend.
        """
        if scale is None:
            return np.zeros(len(self.genes)), np.ones(len(self.genes))
        if isinstance(scale, str):
            shift, spread = self._shift_and_scale(scale)
            return shift, np.where(is_constant(self.values), 0.0, spread)
        scaled = self.scaled(scale)
        centred = scaled - scaled.mean(axis=1, keepdims=True)
        squares = (centred**2).sum(axis=1)
        spread = np.divide((centred * self.values).sum(axis=1), squares, out=np.zeros(len(squares)), where=squares > 0)
        return self.values.mean(axis=1) - spread * scaled.mean(axis=1), spread

    def peak(self) -> np.ndarray:
        """Return `(n_genes,)` pseudotimes at which the trends are highest (first maximum).

        With several lineages, the lineage in which the trend has the largest range is used.
        """
        return self._where_it_moves_most(peak_time)

    def onset(self) -> np.ndarray:
        """Return the first pseudotimes `(n_genes,)` at which each trend has changed by 10 % of its range.

        Changes are relative to the value at the start. With several lineages, the lineage in which the trend has the
        largest range is used.
        """
        return self._where_it_moves_most(lambda values, grid: moved_times(values, grid, [0.1])[0])

    def derivative(self, samples: Iterable[np.ndarray] | None = None) -> Trends:
        """Return the slopes of the trends, in units of expression per unit of pseudotime, as `Trends` on the same grid.

        Parameters
        ----------
        samples : iterable of ndarray of shape (n_genes, n_points), default=None
            Posterior or bootstrap samples of the trends, from which standard errors of the slopes are computed. They
            cannot be computed from `se`, because errors of neighbouring points are correlated.

        Returns
        -------
        Trends
            Slopes, second-order differences along the grid of each lineage. `se` contains their standard errors (the
            root mean square deviation of the slopes of the samples), or is `None` without samples.

        Raises
        ------
        ValueError
            If a lineage has fewer than two grid points, or the samples do not have the shape of the trends.

        See Also
        --------
        lineage_clust.GeneTrend.derivative : The slope of one fitted gene, with its interval.

        Examples
        --------
        >>> trends = Trends(np.array([[0.0, 1.0, 4.0]]), np.array([0.0, 1.0, 2.0]), ["a"])
        >>> slopes = trends.derivative(samples=[[[0.0, 2.0, 4.0]], [[0.0, 0.0, 4.0]]])
        >>> slopes.values.tolist(), slopes.se.tolist()
        ([[0.0, 2.0, 4.0]], [[2.0, 0.0, 2.0]])
        """
        slopes, se = self._slopes(self.values), None
        if samples is not None:
            drawn = [as_numbers("samples", sample) for sample in samples]
            if not drawn or any(sample.shape != self.values.shape for sample in drawn):
                raise ValueError(f"samples must contain arrays with the shape of values, {self.values.shape}.")
            se = np.sqrt(sum((self._slopes(sample) - slopes) ** 2 for sample in drawn) / len(drawn))
        return replace(self, values=slopes, se=se, failed=dict(self.failed))

    def _slopes(self, values: np.ndarray) -> np.ndarray:
        slopes = np.empty_like(values)
        for columns in columns_of_each(self.grid_lineage).values():
            grid = self.grid[columns]
            if len(grid) < 2:
                raise ValueError("A slope requires at least two grid points per lineage; got one.")
            edge_order = 2 if len(grid) > 2 else 1
            slopes[:, columns] = np.gradient(values[:, columns], grid, axis=1, edge_order=edge_order)
        return slopes

    def _where_it_moves_most(self, time: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        every = columns_of_each(self.grid_lineage).values()
        parts = [(self.values[:, columns], self.grid[columns]) for columns in every]
        most = np.argmax([np.ptp(values, axis=1) for values, _ in parts], axis=0)
        return np.array([time(*part) for part in parts])[most, np.arange(len(self.genes))]

    def subset(self, rows: Sequence[int] | np.ndarray) -> Trends:
        """Return the trends of some genes, by position or boolean mask."""
        chosen = np.atleast_1d(rows) if np.size(rows) else np.zeros(0, dtype=int)
        try:
            rows = np.arange(len(self.genes))[chosen]
        except IndexError:
            raise ValueError(
                f"rows must be positions below {len(self.genes)}, or a boolean mask of that many genes; got {rows!r}."
            ) from None
        se, table = None if self.se is None else self.se[rows], None if self.table is None else self.table.iloc[rows]
        genes = [self.genes[row] for row in rows]
        return replace(self, values=self.values[rows], genes=genes, se=se, table=table, failed=dict(self.failed))


def concatenate(parts: Sequence[Trends], names: Sequence[str]) -> Trends:
    """Concatenate the trends of several lineages, for the genes that have a trend in each of them.

    Columns of the tables get the lineage's name as suffix, and only their order is that of the lineages. `pvalue` is
    their Cauchy combination, which allows for the dependence of lineages that share cells.
    """
    failed: dict[str, str] = {}
    by_name = sorted(names, key=str)
    for name in by_name:
        for gene, reason in parts[names.index(name)].failed.items():
            failed.setdefault(gene, f"{name}: {reason}")
    genes = [gene for gene in parts[0].genes if gene not in failed]
    rows = [pd.Index(part.genes).get_indexer(genes) for part in parts]
    errors = [part.se[index] for part, index in zip(parts, rows, strict=True) if part.se is not None]
    given = [pd.DataFrame(index=part.genes) if part.table is None else part.table for part in parts]
    tables = [one.loc[genes].add_suffix(f"_{name}") for name, one in zip(names, given, strict=True)]
    table = pd.concat(tables, axis=1)
    pvalues = table[[f"pvalue_{name}" for name in by_name]].to_numpy(dtype=float)
    table["pvalue"] = cauchy_combination(pvalues, axis=1)[1]
    table["converged"] = table[[f"converged_{name}" for name in names]].all(axis=1)
    table["note"] = [
        "; ".join(f"{name}: {note}" for name, note in zip(by_name, notes, strict=True) if note)
        for notes in table[[f"note_{name}" for name in by_name]].to_numpy()
    ]
    return Trends(
        np.hstack([part.values[index] for part, index in zip(parts, rows, strict=True)]),
        np.concatenate([part.grid for part in parts]), genes, np.hstack(errors) if len(errors) == len(parts) else None,
        np.repeat(np.asarray(names, dtype=object), [len(part.grid) for part in parts]), failed, table,
    )  # fmt: skip


def adjust(pvalue: np.ndarray) -> np.ndarray:
    """Return Benjamini-Hochberg q-values; NaN values are ignored."""
    qvalue = np.full(len(pvalue), np.nan)
    known = np.isfinite(pvalue)
    if known.any():
        qvalue[known] = false_discovery_control(pvalue[known], method="bh")
    return qvalue


def check_scale(scale: object) -> None:
    """Raise a ValueError unless `scale` is supported by :meth:`Trends.scaled`."""
    if scale is None or (isinstance(scale, str) and scale in SCALES) or has_method(scale, "fit_transform"):
        return
    raise ValueError(f"scale must be 'zscore', 'minmax', None or a scikit-learn transformer; got {scale!r}.")


def names_along(grid_lineage: np.ndarray | Sequence | None) -> list:
    """Return the names of the lineages in the order of the grid; `[None]` for one without a name."""
    return [None] if grid_lineage is None else list(dict.fromkeys(np.asarray(grid_lineage).tolist()))


def columns_of_each(grid_lineage: np.ndarray | Sequence | None) -> dict[Hashable, Columns]:
    """Return the columns of each lineage, sorted by name; all columns for one without a name."""
    if grid_lineage is None:
        return {None: slice(None)}
    every = np.asarray(grid_lineage)
    return {name: every == name for name in sorted(names_along(grid_lineage), key=str)}


def columns_by_name(grid_lineage: np.ndarray | Sequence | None) -> Columns:
    """Return the columns sorted by the names of the lineages."""
    each = columns_of_each(grid_lineage)
    if list(each) == names_along(grid_lineage):
        return slice(None)
    positions = np.arange(len(np.asarray(grid_lineage)))
    return np.concatenate([positions[columns] for columns in each.values()])


def arranged_by_name(values: np.ndarray, grid_lineage: np.ndarray | Sequence | None) -> np.ndarray:
    """Return values `(..., n_points)` with lineages sorted by name, as in the input of clusterers."""
    columns = columns_by_name(grid_lineage)
    return values if isinstance(columns, slice) else np.ascontiguousarray(values[..., columns])


def seed_of(random_state: int, name: str | None) -> int:
    """Return a seed for one of several lineages, derived from its name."""
    return int(np.random.SeedSequence([random_state, *str(name).encode()]).generate_state(1)[0] >> 1)
