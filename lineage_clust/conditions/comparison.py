"""Results of a comparison of conditions, as a frozen object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..errors import UnknownNameError, counted, did_you_mean
from ..io.files import persistence
from ..io.spreadsheets import write_csv
from ..plotting.conditions import plot_condition_genes, plot_difference_heatmap, plot_difference_volcano
from ..report.comparison import write_comparison
from ..utils.checking import as_path, check_share
from .stretches import outside_gaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_N_SHOWN = 10


@dataclass(frozen=True)
class ConditionComparison:
    """Trends of genes in several conditions, their differences and tests.

    Attributes
    ----------
    condition_key, sample_key : str
        Columns of obs; `sample_key` is `None` if cells are the replicates.
    lineage : str or None
        Lineage.
    conditions : list of str
        Names; the first is the reference.
    genes : list of str
        Names of the rows.
    pseudotime : ndarray of shape (n_points,)
        Grid.
    common_range : (float, float)
        Range in which all conditions have cells; trends are extrapolated beyond. The table refers to this range.
    trends, trend_se : ndarray of shape (n_conditions, n_genes, n_points)
        Trends and their standard errors, on the link scale: log expected counts for models of counts.
    differences, difference_se : ndarray of shape (n_conditions - 1, n_genes, n_points)
        Trends of the other conditions minus that of the reference.
    table : DataFrame
        One row per gene. `cluster` of the differences, -1 = none. `pvalue_level`, `pvalue_shape`, `pvalue_both` test
        that the difference has mean zero, is constant, and is zero (a combination of the two); `qvalue_level` and so
        on are adjusted (Benjamini-Hochberg) over the genes. `direction` is "higher" or "lower" than the reference
        where the simultaneous band excludes zero, "higher and lower" if both occur, or "unclear"; it is not a test, in
        contrast to the q-values. `level` is the mean difference. `largest_difference` is at pseudotime `largest_at`.
        `log_fold_change_end` is the difference at the end of the common range, which is a (natural) log fold change for
        log-normalised expression and models of counts. `half_max_shift` is the time at which the trend has changed by
        half of its range, minus that time in the reference: positive = later. `_lower` and `_upper` are intervals; that
        of the largest difference is the simultaneous band at its time, because this time is selected.
        `note` contains notes on genes that are fitted poorly; without convergence, p-values and effects are NaN. With more
        than two conditions, effects have the name of the condition as suffix, the tests are of any difference, and
        `differs_most` is the condition with the largest.
    labels : ndarray of int, shape (n_genes,)
        Cluster of each gene's difference; -1 = not significant, or none.
    samples : DataFrame
        One row per sample: condition, donor, number of cells.
    alpha, level : float
        Threshold of the q-value for clusters, and coverage of the intervals in the table.
    failed : dict of str to str
        Reasons by gene, for genes without a fit.
    details : dict of str to ndarray
        Internal arrays for bands and trends of donors.
    gaps : DataFrame
        Intervals within the common range (`condition`, `start`, `end`) in which a condition has hardly any cells; they
        are excluded from the table.
    family, link : str
        Family and link of the model.

    Examples
    --------
    >>> import numpy as np
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(600, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = np.where(np.arange(600) % 2, "yes", "no")
    >>> adata.X = adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X
    >>> adata.X[1::2, :10] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> print(str(found).splitlines()[1])
    Cells were taken as replicates, not donors: p-values apply to these donors only. Pass sample_key if donors are known.
    >>> bool((found.table["direction"].iloc[:10] == "higher").all())
    True
    """

    condition_key: str
    sample_key: str | None
    lineage: str | None
    conditions: list[str]
    genes: list[str]
    pseudotime: np.ndarray
    common_range: tuple[float, float]
    trends: np.ndarray
    trend_se: np.ndarray
    differences: np.ndarray
    difference_se: np.ndarray
    table: pd.DataFrame
    labels: np.ndarray
    samples: pd.DataFrame
    alpha: float
    level: float
    failed: dict[str, str]
    details: dict[str, np.ndarray] = field(repr=False)
    gaps: pd.DataFrame
    family: str = "gaussian"
    link: str = "identity"

    @property
    def is_common(self) -> np.ndarray:
        """Mask `(n_points,)` of the grid points to which the table refers: those in the common range, and in no gap."""
        first, last = self.common_range
        inside = (self.pseudotime >= first) & (self.pseudotime <= last)
        return inside & outside_gaps(self.pseudotime, self.gaps)

    @property
    def replicates(self) -> str:
        """Type of replicates: "donors" or "cells"."""
        return "cells" if self.sample_key is None else "donors"

    @property
    def replicates_note(self) -> str:
        """A sentence about the replicates."""
        if self.sample_key is None:
            return (
                "Cells were taken as replicates, not donors: p-values apply to these donors only. Pass sample_key if "
                "donors are known."
            )
        donors = self.samples.groupby("condition", sort=False)["donor"].nunique()
        counts = ", ".join(f"{donors[name]} {name}" for name in self.conditions)
        n_donors = self.samples["donor"].nunique()
        paired = (
            " (compared within donors where they are in several conditions)" if n_donors < len(self.samples) else ""
        )
        return f"{n_donors} donors were taken as replicates: {counts}{paired}."

    @property
    def reference(self) -> str:
        """The condition with which the others are compared."""
        return self.conditions[0]

    @property
    def n_clusters(self) -> int:
        """Number of clusters of differences."""
        return int(self.labels.max(initial=-1)) + 1

    def difference_band(
        self, genes: Sequence[str] | str | None = None, condition: str | None = None, *, level: float = 0.95,
        simultaneous: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Return bands of differences.

        Parameters
        ----------
        genes : sequence of str, default=None
            Genes; `None` = all.
        condition : str, default=None
            Condition, compared with the reference; `None` = the only other one.
        level : float, default=0.95
            Coverage: averaged along a trend (pointwise [1]_), or of the whole difference (simultaneous [2]_).
        simultaneous : bool, default=True
            Whether the band is simultaneous.

        Returns
        -------
        lower, upper : ndarray of shape (n_genes, n_points)

        References
        ----------
        .. [1] Marra & Wood (2012). Coverage properties of confidence intervals for generalized additive model components.
           Scandinavian Journal of Statistics 39, 53-74.
        .. [2] Ruppert, Wand & Carroll (2003). Semiparametric Regression. Cambridge University Press, section 6.5.
        """
        check_share("level", level)
        rows, other = self.rows(genes), self._other(condition)
        factor: Any = norm.ppf(0.5 + level / 2)
        if simultaneous:
            factor = np.quantile(self.details["farthest"][:, other][:, rows], level, axis=0)[:, None]
        half = factor * self.difference_se[other, rows]
        return self.differences[other, rows] - half, self.differences[other, rows] + half

    def sample_trends(self, gene: str) -> np.ndarray:
        """Return the trend of a gene in every sample, `(n_samples, n_points)`, in the order of `samples`.

        The trends are predictions: deviations of samples from their condition are shrunk depending on their precision.
        Without donors, the trends of the conditions are returned.
        """
        row = self.rows(gene)[0]
        of_sample = [self.conditions.index(name) for name in self.samples["condition"]]
        return self.trends[of_sample, row] + self.details["own"][..., row] @ self.details["modes"].T

    def rows(self, genes: Sequence[str] | str | None = None) -> np.ndarray:
        """Return the positions of genes among the rows; `None` = all."""
        if genes is None:
            return np.arange(len(self.genes))
        names = [genes] if isinstance(genes, str) else list(genes)
        place = {gene: row for row, gene in enumerate(self.genes)}
        for name in names:
            if name in self.failed:
                raise UnknownNameError(f"Gene {name!r} could not be fitted: {self.failed[name]}")
            if name not in place:
                raise UnknownNameError(f"Gene {name!r} was not compared.{did_you_mean(name, place)}")
        return np.array([place[name] for name in names], dtype=int)

    def _other(self, condition: str | None) -> int:
        others = self.conditions[1:]
        if condition is None:
            if len(others) > 1:
                raise ValueError(f"condition must be one of {others}, as there are several besides {self.reference!r}.")
            return 0
        if condition not in others:
            raise UnknownNameError(
                f"condition must be one of {others}, which are compared with {self.reference!r}; got {condition!r}."
            )
        return others.index(condition)

    def top_genes(self, n_genes: int = _N_SHOWN) -> list[str]:
        """Return the genes with the smallest `pvalue_both`."""
        order = self.table["pvalue_both"].to_numpy().argsort(kind="stable")
        return [self.genes[row] for row in order[:n_genes]]

    def plot_genes(self, genes: Sequence[str] | str | None = None, **kwargs: Any) -> Figure:
        """Draw trends in each condition, with donors as thin lines, and differences below.

        Parameters
        ----------
        genes : sequence of str, default=None
            Genes; `None` = the six with the smallest `pvalue_both`.
        **kwargs
            See :func:`lineage_clust.plotting.plot_condition_genes`.

        Returns
        -------
        matplotlib Figure
        """
        return plot_condition_genes(self, self.top_genes(6) if genes is None else genes, **kwargs)

    def plot_heatmap(self, condition: str | None = None, **kwargs: Any) -> Figure:
        """Draw the differences of the genes that differ as a heatmap, by cluster.

        Parameters
        ----------
        condition : str, default=None
            Condition, compared with the reference; `None` = the only other one.
        **kwargs
            See :func:`lineage_clust.plotting.plot_difference_heatmap`.

        Returns
        -------
        matplotlib Figure
        """
        return plot_difference_heatmap(self, self.conditions[1 + self._other(condition)], **kwargs)

    def plot_volcano(self, condition: str | None = None, **kwargs: Any) -> Axes:
        """Draw q-values over the largest difference of each gene.

        Parameters
        ----------
        condition : str, default=None
            Condition, compared with the reference; `None` = the only other one.
        **kwargs
            See :func:`lineage_clust.plotting.plot_difference_volcano`.

        Returns
        -------
        matplotlib Axes
        """
        return plot_difference_volcano(self, self.conditions[1 + self._other(condition)], **kwargs)

    def to_frame(self) -> pd.DataFrame:
        """Return trends and differences as a long table: one row for each gene, condition and grid point.

        Returns
        -------
        DataFrame
            gene, condition, pseudotime, trend, trend_se, difference, difference_se, cluster; differences of the
            reference are NaN.
        """
        n_conditions, n_genes, n_points = self.trends.shape
        nothing = np.full((1, n_genes, n_points), np.nan)
        return pd.DataFrame({
            "gene": np.tile(np.repeat(np.asarray(self.genes, dtype=object), n_points), n_conditions),
            "condition": np.repeat(np.asarray(self.conditions, dtype=object), n_genes * n_points),
            "pseudotime": np.tile(self.pseudotime, n_conditions * n_genes),
            "trend": self.trends.ravel(), "trend_se": self.trend_se.ravel(),
            "difference": np.concatenate([nothing, self.differences]).ravel(),
            "difference_se": np.concatenate([nothing, self.difference_se]).ravel(),
            "cluster": np.tile(np.repeat(self.labels, n_points), n_conditions),
        })  # fmt: skip

    def write_csv(self, path: str | Path) -> None:
        """Write the table as CSV.

        Parameters
        ----------
        path : str or path
            Path of the file.
        """
        write_csv(self.table.assign(replicates=self.replicates), as_path(path))

    def report(self, path: str | Path, title: str | None = None) -> None:
        """Write a report as one HTML file with figures and a table that can be searched, sorted and opened by gene.

        It opens in any browser without network access.

        Parameters
        ----------
        path : str or path
            Path of the file; an existing one is replaced once the new one is complete.
        title : str, default=None
            Heading; `None` = from the conditions.
        """
        write_comparison(self, path, title)

    def save(self, path: str | Path) -> None:
        """Write the comparison to a file of arrays and JSON, without pickle and without cells.

        Parameters
        ----------
        path : str or path
            Path of the file; an existing one is replaced once the new one is complete.
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path: str | Path, max_bytes: int | str | None = None) -> Self:
        """Return the comparison stored in a file; opening a file cannot run code.

        Parameters
        ----------
        path : str or path
            Path of a file written by `save`.
        max_bytes : int or str, default=None
            Maximum memory of the content, such as "2GB"; `None` = 20 times the size of the file, and at least 256 MiB.

        Raises
        ------
        ValueError
            If the file is damaged, too large or not written by `save`.
        """
        return persistence.load(cls, path, max_bytes)

    def __str__(self) -> str:
        along = "all cells" if self.lineage is None else f"lineage {self.lineage}"
        q = self.table[["qvalue_level", "qvalue_shape", "qvalue_both"]].to_numpy() < self.alpha
        lines = [
            f"{' and '.join(self.conditions[1:])} compared with {self.reference} ({self.condition_key}) along {along}: "
            f"{counted(len(self.genes), 'gene')}, pseudotime {self.common_range[0]:.3g} to {self.common_range[1]:.3g}",
            self.replicates_note,
            *(
                f"Hardly any cells are {gap.condition} from {gap.start:.3g} to {gap.end:.3g}."
                for gap in self.gaps.itertuples()
            ),
            f"q < {self.alpha:g}: {counted(q[:, 2].sum(), 'gene', 'differs', 'differ')} ({q[:, 0].sum():,} in level, "
            f"{q[:, 1].sum():,} in shape), "
            f"in {counted(self.n_clusters, 'cluster')}",
        ]
        columns = [name for name in ("cluster", "qvalue_both", "direction", "largest_difference", "largest_at")
                   if name in self.table]  # fmt: skip
        lines.append(self.table.loc[self.top_genes(), columns].to_string(float_format=lambda value: f"{value:.3g}"))
        return "\n".join(lines)
