"""The result of a fit as a frozen object, which all later steps read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..errors import UnknownNameError
from ..lineage.genes.expression import FittedSymbols
from ..lineage.lineage import Lineage, Reader, resolve_genes
from ..trends.lineage_fit import FittedLineage, GeneTrends, TrendFitter
from ..trends.trends import Trends, arranged_by_name
from .gating import Gate
from .tables import agreement, cluster_means, gene_table, order_clusters, top_order
from .tabulating import (
    OF_CLUSTERS,
    cluster_names,
    clustered_tree,
    confidence_of,
    table_of_tree,
    tabulate,
    tabulate_clusters,
)

if TYPE_CHECKING:
    from anndata import AnnData

    from ..clusterers.tree import ClusterTree

Value = TypeVar("Value")


def _computed_once(compute: Callable[[FitResult], Value]) -> Value:
    """Return a property of a result that is computed on first access and kept in `made` under its name."""
    name = compute.__name__

    @wraps(compute)
    def value(result: FitResult) -> Value:
        # two threads may both compute it, and the first one is kept: a process that is forked meanwhile would wait for a
        # lock forever
        return result.made[name] if name in result.made else result.made.setdefault(name, compute(result))

    return cast("Value", property(value))


@dataclass(frozen=True)
class FitResult:
    """Trends, clusters, and the settings used to compute them.

    `lineage` is one name, `None` for a single trajectory, or a list. `fits` has one entry per lineage, and `trends`
    contains all of them, concatenated along the grid. `reader` and `fitter` are the settings for reading cells and
    fitting trends.

    scale, scaled, location, spread : Method of scaling, scaled trends `(n_genes, n_points)`, and the location and scale
        by which each trend was standardised, `(n_genes,)`.
    decisions, gate : The columns of the gene table that determine which genes are clustered (they need no posterior
        samples), and the thresholds.
    clusterer, grouped : Clusterer, and positions of the genes to which it is fitted; unfitted if there are none.
    labels, centers, order : `(n_genes,)` clusters, `(n_clusters, n_points)` their mean scaled trends, and their labels
        in the clusterer.
    n_cells : Number of cells of the lineage; a dictionary by name for several lineages.
    gene_means, gene_stds : `(n_genes,)` moments of expression over all cells.
    seed : Seed of the posterior samples.
    arranged_by_name : Whether lineages were sorted by name for the clusterer, which older releases did not do.
    cell_density : Weight of the cells nearest to each grid point, `(n_points,)`; `None` in older files.
    made : What was computed on demand: most of it needs posterior samples, which take longer than the fit. "shapes" are
        columns of the gene table that are known from another level of the tree.
    """

    lineage: str | list[str] | None
    reader: Reader
    fitter: TrendFitter
    fits: list[FittedLineage]
    models: GeneTrends
    trends: Trends
    scale: Any
    scaled: np.ndarray
    location: np.ndarray
    spread: np.ndarray
    decisions: pd.DataFrame
    gate: Gate
    grouped: np.ndarray
    clusterer: Any
    labels: np.ndarray
    order: np.ndarray
    centers: np.ndarray
    n_cells: int | dict[str, int] | None
    gene_means: np.ndarray
    gene_stds: np.ndarray
    seed: int
    arranged_by_name: bool = False
    cell_density: np.ndarray | None = None
    made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if "tables" in self.made:  # as in files of earlier releases
            self.made["gene_table"], self.made["cluster_table"] = self.made.pop("tables")

    # ---- fitted quantities

    @property
    def is_joint(self) -> bool:
        """Whether a list of lineages was fitted, even if of one."""
        return isinstance(self.lineage, list)

    @property
    def names(self) -> list[Any]:
        """The lineages: one name or `None`, or several names."""
        return self.lineage if isinstance(self.lineage, list) else [self.lineage]

    @property
    def genes(self) -> list[str]:
        """Names of the genes with a trend."""
        return self.trends.genes

    @property
    def ids(self) -> dict[str, str] | None:
        """Identifier of each gene if genes are named by symbols, else `None`."""
        symbols = self.reader.gene_symbols
        return dict(symbols.ids) if isinstance(symbols, FittedSymbols) else None

    @property
    def gene_ids(self) -> list[str]:
        """Entries of `var_names` for the genes with a trend."""
        ids = self.ids or {}
        return [ids.get(gene, gene) for gene in self.genes]

    @property
    def failed(self) -> dict[str, str]:
        """Reason by gene, for genes without a trend."""
        return self.trends.failed

    @property
    def pseudotime(self) -> np.ndarray:
        """The grid `(n_points,)`."""
        return self.trends.grid

    @property
    def grid_lineage(self) -> np.ndarray:
        """The lineage of each grid point."""
        return np.asarray(self.trends.grid_lineage)

    @property
    def values(self) -> np.ndarray:
        """Trends `(n_genes, n_points)` on the response scale."""
        return self.trends.values

    @property
    def se(self) -> np.ndarray | None:
        """Their standard errors."""
        return self.trends.se

    @property
    def model(self) -> Any:
        """The fitted model; of several lineages, by name."""
        return self._by_lineage([fit.model for fit in self.fits])

    @property
    def smoother(self) -> Any:
        """The fitted smoother; of several lineages, by name."""
        return self._by_lineage([fit.smoother for fit in self.fits])

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.centers)

    @property
    def cluster_names(self) -> list[str]:
        """The name of each cluster in the tree; its number, if there is no tree."""
        if len(self.grouped) == 0:
            return []
        return cluster_names(
            self.clusterer, self.labels[self.grouped], self.scaled[self.grouped], self.pseudotime, self.grid_lineage
        )

    @property
    def tree(self) -> ClusterTree:
        """The tree of clusters."""
        return clustered_tree(self)

    # ---- tables

    @property
    def tree_table(self) -> pd.DataFrame:
        """One row per node of the tree."""
        return table_of_tree(self)

    @_computed_once
    def gene_table(self) -> pd.DataFrame:
        """One row per gene; computed on first access, because intervals of shapes need posterior samples."""
        return tabulate(self, self.made.pop("shapes", None))

    @_computed_once
    def cluster_table(self) -> pd.DataFrame:
        """One row per cluster; the only posterior samples that it needs are those of the confidence."""
        return tabulate_clusters(self)

    @property
    def agreement(self) -> np.ndarray:
        """Correlation of each trend with the mean trend of its cluster, `(n_genes,)`."""
        return agreement(self.scaled, self.labels, self.centers, self.trends.grid_lineage)

    @_computed_once
    def naming(self) -> pd.DataFrame:
        """The columns of the gene table by which genes are ranked; they need no posterior samples."""
        return gene_table(self.trends).assign(cluster=self.labels, agreement=self.agreement)

    @property
    def importance(self) -> np.ndarray:
        """Scores `(n_genes,)` by which genes are ranked: how well the mean trend of the cluster explains each gene."""
        return top_order(self.naming)

    @_computed_once
    def confidence(self) -> np.ndarray:
        """Proportion of posterior samples in which each gene is nearest to its own cluster, `(n_genes,)`; NaN if unknown."""
        stored = self.made.get("gene_table")  # of a file
        return confidence_of(self) if stored is None else stored["confidence"].to_numpy(dtype=float)

    @property
    def ranked(self) -> pd.DataFrame:
        """The columns of the gene table that describe clusters: those of `naming`, and the confidence."""
        return self.naming.assign(confidence=self.confidence)

    # ---- other cells, other levels

    def read(self, adata: AnnData, genes: Sequence[str]) -> list[Lineage]:
        """Read the fitted lineages of some cells with the settings of the fit."""
        return [self.reader.read(adata, name, genes) for name in self.names]

    def of_cells(self, adata: AnnData, genes: Sequence[str]) -> list[Lineage]:
        """Return the fitted lineages of some cells within the fitted time range, to show the cells beside the trends."""
        return [self.held_out(adata, name, genes) for name in self.names]

    def held_out(
        self, adata: AnnData, lineage: str | None, genes: Sequence[str] | None = None, to_fit: bool = False
    ) -> Lineage:
        """Return a fitted lineage of other cells within the fitted time range; `genes` are those with a trend by default.

        With `to_fit`, `genes` are checked and made unique first, and covariates are read.
        """
        genes = self.genes if genes is None else genes
        if to_fit:
            genes = self.resolve_genes(adata, genes)
        grid = self.pseudotime[self.grid_lineage == ("" if lineage is None else lineage)]
        if len(grid) == 0:
            raise UnknownNameError(f"Lineage {lineage!r} was not fitted; {self.lineage!r} was.")
        return self.reader.read(adata, lineage, genes, (float(grid[0]), float(grid[-1])), to_fit)

    def interval(self, level: float) -> np.ndarray:
        """Return the lower and upper ends of pointwise intervals of all trends, `(2, n_genes, n_points)`."""
        return np.concatenate([fit.interval(self.genes, level) for fit in self.fits], axis=2)

    def resolve_genes(self, adata: AnnData, genes: Sequence[str] | None) -> list[str]:
        """Return the names of genes of other cells, checked; `None` = those with a trend."""
        genes = self.genes if genes is None else genes
        return resolve_genes(adata, genes, use_raw=self.reader.use_raw, gene_symbols=self.reader.gene_symbols)

    def named(self, genes: Any) -> Any:
        """Return the names of genes in the results; genes may be given by their identifiers."""
        ids = self.ids
        if ids is None or not isinstance(genes, (list, tuple, np.ndarray)):
            return genes
        names = {gene_id: name for name, gene_id in ids.items()}
        return [gene if gene in ids else names.get(gene, gene) for gene in genes]

    def as_clustered(self, scaled: np.ndarray) -> np.ndarray:
        """Return scaled trends with the columns in the order used by the clusterer."""
        return arranged_by_name(scaled, self.trends.grid_lineage) if self.arranged_by_name else scaled

    def with_clusterer(self, clusterer: Any) -> FitResult:
        """Return the result with the clusters of another clusterer fitted to the same genes."""
        labels = np.full(len(self.labels), -1)
        chosen = self.scaled[self.grouped]
        labels[self.grouped], order = order_clusters(
            clusterer.labels_, chosen, self.pseudotime, self.trends.grid_lineage
        )
        known = self.made.get("gene_table", self.made.get("shapes"))
        made = {} if known is None else {"shapes": known.drop(columns=OF_CLUSTERS, errors="ignore")}
        return replace(
            self, clusterer=clusterer, labels=labels, order=order, centers=cluster_means(self.scaled, labels), made=made
        )

    def _by_lineage(self, values: list) -> Any:
        return dict(zip(self.names, values, strict=True)) if self.is_joint else values[0]


class Fitted(Protocol):
    """A fitted estimator, as used by plots, files and reports."""

    _result: FitResult

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters."""


def result_of(fitted: Fitted | FitResult) -> FitResult:
    """Return the result of a fitted estimator; a result is returned unchanged."""
    if isinstance(fitted, FitResult):
        return fitted
    check_is_fitted(fitted)
    return fitted._result
