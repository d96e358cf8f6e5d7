"""Validation of objects read from a file: shapes, types, ranges and consistent lengths.

A valid checksum shows that a file is not damaged, but not who wrote it. Compiled code (sparse matrices and trees of
SciPy, igraph) does not check the indices it is given, so that invalid ones must be detected here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from ...utils.constraints import check_constraints

_F, _I, _B = "f", "iu", "b"


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


def _reals(dimensions: str, optional: bool = False) -> Array:
    return Array(_F + _I, dimensions, optional=optional)


def _finite(dimensions: str, optional: bool = False) -> Array:
    return Array(_F + _I, dimensions, finite=True, optional=optional)


_SMOOTHER = Part(
    "BSplineSmoother", "CubicSplineSmoother", "CyclicSplineSmoother", "GaussianProcessSmoother", "str", "None"
)

OBJECTS: dict[str, dict[str, Array | Part]] = {
    "Trends": {
        "values": _finite("genes points"), "grid": _finite("points"), "se": _reals("genes points", True),
        "grid_lineage": Array("OU", "points", optional=True), "genes": Part("list", rows="genes"),
        "table": Part("DataFrame", "None", rows="genes"), "failed": Part("dict"),
    },
    "FittedLineage": {"trends": Part("Trends"), "groups": Part("list")},
    "GroupFit": {
        "grid": _finite("points"), "values": _reals("genes points"), "se": _reals("genes points", True),
        "genes": Part("list", rows="genes"), "table": Part("DataFrame", rows="genes"), "smoother": _SMOOTHER,
        "model": Part("GAM", "None"),
    },
    "GAM": {
        "coef_": _reals("targets columns"), "intercept_": _reals("targets"), "lambda_": _reals("targets"),
        "edf_": _reals("targets"), "scale_": _reals("targets"), "deviance_explained_": _reals("targets"),
        "converged_": Array(_B, "targets"), "spread_": _reals("targets", True), "theta_": _reals("targets", True),
        "posterior_": Part("SharedPosterior", "GenePosterior", "DonorPosterior", "PooledPosterior", "None"),
        "_link": Part("Link", "None"),
    },
    "Spectrum": {"basis": _finite("... columns modes"), "gram": _finite("modes any"), "penalty": _finite("modes any")},
    "SharedPosterior": {
        "lambda_": _reals("targets"), "scale": _reals("targets"), "variance": _reals("targets", True),
        "squared_weight_gram": _finite("modes modes", True), "spectrum": Part("Spectrum"),
        "smoothing": Part("SmoothingPosterior", "None"),
    },
    "GenePosterior": {"matrices": _reals("targets columns columns"), "working": Part("WorkingModels", "None")},
    "WorkingModels": {
        "penalty": _finite("columns columns"), "grams": _finite("targets columns columns"),
        "scores": _finite("columns targets"), "squared_weight_grams": _finite("targets columns columns", True),
        "lambda_": _finite("targets"), "scale": _finite("targets"), "variance": _finite("targets"),
        "known_scale": _finite("targets"),
    },
    "PooledPosterior": {"deviations": _finite("draws columns targets"), "within": Part("list", rows="draws")},
    "SmoothingPosterior": {
        "loadings": _finite("modes targets"), "squares": _finite("targets"), "spectrum": Part("Spectrum"),
    },
    "PosteriorPart": {
        "genes": Array(_I, "targets", low=0), "share": Array(_F, "targets", low=0, high=1),
        "deviation": _finite("columns targets"), "posterior": Part("SharedPosterior"),
    },
    "ClusterTree": {
        "leaves": Array(_I, "rows", low=0), "linkage": _finite("merges 4"), "support": _reals("merges"),
    },
    "StabilityCurve": {
        "n_clusters": Array(_I, "partitions", low=1), "support": _reals("partitions"),
        "connectivity": _reals("partitions"), "correlation": _reals("partitions"),
        "explained": _reals("partitions"), "bounds": Part("Bounds"),
    },
    "Neighbors": {"indices": Array(_I, "rows listed", low=-1), "distances": _reals("rows listed")},
    "_LandmarkBasis": {"landmarks": _finite("landmarks"), "to_modes": _finite("landmarks modes")},
    "GraphClusterer": {
        "_rows": _finite("rows columns"), "_places": _finite("rows places"), "_order": Array(_I, "rows", low=0),
        "_coordinates": _finite("rows axes"), "_draws": _finite("draws rows axes"),
        "_finest": Array(_I, "rows", low=0), "_communities": Array(_I, "rows", low=0),
        "_row_labels": Array(_I, "rows", low=-1), "labels_": Array(_I, "rows", low=-1),
        "confidence_": Array(_F, "rows", low=0, high=1, optional=True), "_searcher": Part("None"),
        "_pca": Part("PCA", "None"), "_lists": Part("Neighbors", "None"), "graph_": Part("Graph", "None"),
        "tree_": Part("ClusterTree", "None"), "stability_": Part("StabilityCurve", "None"),
    },
    "FitResult": {
        "scaled": _finite("genes points"), "location": _reals("genes"), "spread": _reals("genes"),
        "grouped": Array(_I, "grouped", low=0), "labels": Array(_I, "genes", low=-1),
        "order": Array(_I, "clusters", low=-1), "centers": _finite("clusters points"), "gene_means": _reals("genes"),
        "gene_stds": _reals("genes"), "cell_density": _reals("points", True), "reader": Part("Reader"),
        "fitter": Part("TrendFitter"), "models": Part("GeneTrends"), "trends": Part("Trends"), "gate": Part("Gate"),
        "clusterer": Part("GraphClusterer"), "fits": Part("list"), "made": Part("dict"),
        "decisions": Part("DataFrame", rows="genes"),
    },
    "ConditionComparison": {
        "pseudotime": _finite("points"), "trends": _reals("conditions genes points"),
        "trend_se": _reals("conditions genes points"), "differences": _reals("comparisons genes points"),
        "difference_se": _reals("comparisons genes points"), "labels": Array(_I, "genes", low=-1),
        "condition_key": Part("str"), "sample_key": Part("str", "None"), "lineage": Part("str", "None"),
        "conditions": Part("list", rows="conditions"), "genes": Part("list", rows="genes"), "common_range": Part("tuple"),
        "table": Part("DataFrame", rows="genes"), "samples": Part("DataFrame", rows="samples"), "failed": Part("dict"),
        "details": Part("dict"), "gaps": Part("DataFrame"), "family": Part("str"), "link": Part("str"),
    },
}  # fmt: skip
"""What the attributes of each class are; dimensions of the same name have the same length within an object."""


def validate(built: Any) -> None:
    """Raise a ValueError unless an object from a file is consistent with a fit of this library."""
    name = type(built).__name__
    found: dict[str, int] = {}
    for attribute, wanted in OBJECTS.get(name, {}).items():
        if not isinstance(built, BaseEstimator) or attribute in vars(built):
            wanted.check(getattr(built, attribute), found, f"{name}.{attribute}")
    if isinstance(built, BaseEstimator) and "n_features_in_" in vars(built) and hasattr(type(built), "_constraints"):
        check_constraints(built)
    if name in _WHOLE:
        _WHOLE[name](built, found)


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _whole_tree(tree: Any, found: dict[str, int]) -> None:
    """Raise a ValueError unless each node exists before it is joined, and is joined once."""
    n_leaves = found["merges"] + 1
    children = tree.linkage[:, :2]
    nodes = children.astype(np.int64)
    _need(bool((children == nodes).all()), "the tree joins nodes that have no number")
    made = n_leaves + np.arange(found["merges"])
    _need(bool(((nodes >= 0) & (nodes < made[:, None])).all()), "the tree joins nodes that are not there")
    _need(len(np.unique(nodes)) == nodes.size, "the tree joins a node twice")
    _need(bool((tree.leaves < n_leaves).all()), "the tree has rows in leaves that are not there")
    _need(len(np.unique(tree.leaves)) == n_leaves, "the tree has leaves without rows")
    _need(bool((np.diff(tree.linkage[:, 2]) >= 0).all()), "the heights of the tree are not in order")
    below = np.ones(n_leaves + found["merges"])
    for row, pair in enumerate(nodes):
        below[n_leaves + row] = below[pair].sum()
    _need(np.array_equal(tree.linkage[:, 3], below[n_leaves:]), "the tree counts its leaves wrongly")
    _need(type(tree.n_clusters) is int and 1 <= tree.n_clusters <= n_leaves, "the tree has no such number of clusters")


def _whole_clusterer(clusterer: Any, found: dict[str, int]) -> None:
    state = vars(clusterer)
    if "_rows" not in state:
        return
    n_rows = found["rows"]
    rows = np.arange(n_rows)  # files of the first format have no stored order
    _need(clusterer.n_features_in_ == found["columns"], "the clusterer has rows of another length")
    _need(np.array_equal(np.sort(state.get("_order", rows)), rows), "the order of the clusterer's rows is none")
    lists = state.get("_lists")
    is_list = type(lists).__name__ == "Neighbors"
    _need(is_list and len(lists.indices) == n_rows, "the clusterer's neighbours are not its rows'")
    for name in ("_finest", "_communities", "_row_labels", "labels_"):
        if name in state:
            _need(bool((state[name] < n_rows).all()), f"{name} of the clusterer is out of range")
    weighted, graph = state.get("connectivities_"), state.get("graph_")
    _need(sparse.issparse(weighted) and weighted.shape == (n_rows, n_rows), "the connectivities are not of the rows")
    _need(graph is not None and graph.vcount() == n_rows, "the graph is not of the rows")
    tree = state.get("tree_")
    if tree is not None:
        _need(len(tree.leaves) == n_rows, "the tree is not of the rows")
    labels = np.unique(clusterer.labels_[clusterer.labels_ >= 0])
    _need(np.array_equal(labels, np.arange(clusterer.n_clusters_)), "the clusterer's labels have gaps")


def _whole_neighbors(lists: Any, found: dict[str, int]) -> None:
    _need(bool((lists.indices < found["rows"]).all()), "a list of neighbours contains a row that is not there")


def _whole_trends(trends: Any, _found: dict[str, int]) -> None:
    _need(all(type(gene) is str for gene in trends.genes), "a gene has no name")


def _whole_smoother(smoother: Any, _found: dict[str, int]) -> None:
    if "penalty_" not in vars(smoother):
        return
    smoother._check_together()
    penalty = smoother.penalty_
    _finite("columns columns").check(penalty, {}, "penalty_")
    _need(
        isinstance(smoother._sizes, list) and sum(smoother._sizes) == len(penalty),
        "a smoother's sizes differ from its penalty",
    )
    for basis, size in zip(smoother.bases_, smoother._sizes, strict=True):
        if isinstance(basis, np.ndarray):
            _finite("knots").check(basis, {}, "the knots")
            # knots outside the domain; a cyclic basis has one function less than knots
            surplus = smoother.degree + 1 if hasattr(smoother, "degree") else 1 if len(basis) > size else 0
            _need(len(basis) == size + surplus and bool((np.diff(basis) > 0).all()), "the knots are not in order")


def _whole_pooled(pooled: Any, found: dict[str, int]) -> None:
    known = ("SharedPosterior", "GenePosterior", "DonorPosterior")
    _need(all(type(one).__name__ in known for one in pooled.within), "a pooled posterior holds what is none")
    _need(found["draws"] > 1, "a pooled posterior has a single draw")
    _need(type(pooled.residual_df) is float and pooled.residual_df > 0, "a pooled posterior has no degrees of freedom")


def _whole_modes(built: Any, found: dict[str, int]) -> None:
    n_free, n_all = built.n_unpenalized, found["modes" if "modes" in found else "columns"]
    _need(type(n_free) is int and 0 <= n_free <= n_all, "the number of unpenalised modes is out of range")


def _whole_result(result: Any, found: dict[str, int]) -> None:
    trends, n_clusters = result.trends, found["clusters"]
    _need(trends.values.shape == result.scaled.shape, "scaled trends are not of the trends")
    _need(len(result.fits) == len(result.names), "there is not one fit a lineage")
    _need(all(type(fit).__name__ == "FittedLineage" for fit in result.fits), "a fit of a lineage is none")
    _need(type(result.fitter.n_points) is int, "n_points is no number")
    _need(result.fitter.n_points * len(result.fits) == found["points"], "the grid has not n_points points")
    present = np.unique(result.labels[result.labels >= 0])
    _need(np.array_equal(present, np.arange(n_clusters)), "labels and cluster centres do not go together")
    grouped = result.grouped
    _need(bool((np.diff(grouped) > 0).all()) and bool((grouped < found["genes"]).all()), "grouped genes are not there")
    rows = vars(result.clusterer).get("_rows")
    _need(rows is None or len(rows) == len(grouped), "the clusterer has other rows than there are grouped genes")
    for name, n_rows in (("gene_table", found["genes"]), ("cluster_table", n_clusters)):
        if name in result.made:
            table = result.made[name]
            _need(isinstance(table, pd.DataFrame) and len(table) == n_rows, f"{name} is not of the fit")


def _whole_comparison(comparison: Any, found: dict[str, int]) -> None:
    names = comparison.conditions
    _need(found["conditions"] == found["comparisons"] + 1, "there is not one difference for each further condition")
    _need(all(type(name) is str for name in (*names, *comparison.genes)), "a condition or gene has no name")
    _need(found["points"] > 2 and bool((np.diff(comparison.pseudotime) > 0).all()), "pseudotime is not in order")
    _need(bool((comparison.labels < found["genes"]).all()), "there are more clusters than genes")
    for part, columns in (("samples", ("condition", "donor", "n_cells")), ("gaps", ("condition", "start", "end"))):
        table = getattr(comparison, part)
        _need(set(columns) <= set(table.columns), f"{part} has other columns")
        _need(set(table["condition"]) <= set(names), f"{part} names conditions that are not there")
    limits = (*comparison.common_range, comparison.alpha, comparison.level)
    _need(len(limits) == 4 and all(type(value) is float for value in limits), "alpha, level or a range is no number")
    for name, wanted in (
        ("modes", _finite("points modes")), ("own", _reals("samples modes genes")),
        ("farthest", _reals("draws comparisons genes")),
    ):  # fmt: skip
        wanted.check(comparison.details.get(name), found, name)
    _need(found["draws"] > 0, "there are no samples")
    tests = {f"{kind}value_{test}" for kind in "pq" for test in ("level", "shape", "both")} | {"cluster", "note"}
    _need(tests <= set(comparison.table.columns), "the table has other columns")
    numbers = comparison.table[sorted(tests - {"note"})]
    _need(all(dtype.kind in "fiu" for dtype in numbers.dtypes), "the tests of the table are no numbers")


_WHOLE: dict[str, Callable[[Any, dict[str, int]], None]] = {
    "ClusterTree": _whole_tree, "GraphClusterer": _whole_clusterer, "Neighbors": _whole_neighbors,
    "Trends": _whole_trends, "Spectrum": _whole_modes, "FitResult": _whole_result,
    "BSplineSmoother": _whole_smoother, "CubicSplineSmoother": _whole_smoother, "CyclicSplineSmoother": _whole_smoother,
    "GaussianProcessSmoother": _whole_smoother, "PooledPosterior": _whole_pooled,
    "WorkingModels": _whole_modes,
    "ConditionComparison": _whole_comparison,
}  # fmt: skip


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
