"""Facts of a report in words: concerns, which are shown first, counts, selection of clusters, parameters and versions."""

from __future__ import annotations

import platform
import warnings
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._version import __version__
from ..contracts.capabilities import fitted_value
from ..errors import LineageClustWarning, counted
from ..lineage.genes.value_checks import check_values
from ..lineage.time.time_range import warn_of_empty_time
from ..results.gating import left_out
from ..results.making import DEFAULTS
from ..results.result import FitResult, Fitted
from ..trends.pairing import families
from ..trends.trends import names_along

_USUAL_ALPHA = 0.01
_MANY_FAILED, _MANY_UNCONVERGED, _FEW_CELLS = 0.1, 0.05, 100  # of which a report warns
_LONGEST_VALUE = 160
_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "anndata", "igraph", "leidenalg", "pygam", "matplotlib")


def names_of(result: FitResult) -> list[str]:
    """Return the names of the lineages, empty for a single unnamed trajectory."""
    return [str(name) for name in result.names if name is not None]


def default_title(result: FitResult) -> str:
    """Return the default title of a report."""
    names = names_of(result)
    return f"Gene expression trends along {listed(names)}" if names else "Gene expression trends along pseudotime"


def lead(result: FitResult) -> str:
    """Return the result in one sentence."""
    count = counts(result)
    genes = int(count["fitted"])
    if count["tested"] == 0:
        found = f"{counted(genes, 'gene', 'has', 'have')} a trend"
    else:
        changing = counted(int(count["significant"]), "gene", "changes", "change", of=genes)
        found = f"{changing} significantly (q < {count['threshold']:g})"
    if result.n_clusters == 0:
        return f"{found}; none is in a cluster."
    several = f"{result.n_clusters:,} clusters" if result.n_clusters > 1 else "one cluster"
    return f"{found}; {count['clustered']:,} {'is' if count['clustered'] == 1 else 'are'} in {several}."


def counts(result: FitResult) -> dict[str, float]:
    """Return the numbers of fitted, tested, significant, clustered and failed genes, and of those left out by chance."""
    table = result.gene_table
    threshold = _USUAL_ALPHA if result.gate.alpha is None else float(result.gate.alpha)
    return {
        "fitted": len(result.genes),
        "failed": len(result.failed),
        "tested": int(table["pvalue"].notna().sum()),
        "significant": int((table["qvalue"] < threshold).sum()),
        "clustered": int((result.labels >= 0).sum()),
        "left_out": int(left_out(result).sum()),
        "threshold": threshold,
    }


def summary(result: FitResult, adata=None) -> list[tuple[str, str, str]]:
    """Return rows of term, value and note."""
    count, names = counts(result), names_of(result)
    spans = [f"{name} {span}" if result.is_joint else span for name, span in spans_of(result).items()]
    rows = [
        ("Lineage" if len(names) < 2 else "Lineages", ", ".join(names) or "all cells", ""),
        ("Pseudotime", "; ".join(spans), f"{result.fitter.n_points} points"),
    ]
    if (cells := _cells(result)) is not None:
        rows.append(("Cells", cells, "" if adata is None else f"of {adata.n_obs:,} in the data"))
    failed = f"{count['failed']:,} failed" if count["failed"] else ""
    rows.append(("Genes with a trend", f"{count['fitted']:,}", failed))
    if count["tested"]:
        remark = f"q < {count['threshold']:g}, of {count['tested']:,} tested"
        rows.append(("Genes that change", f"{count['significant']:,}", remark))
    else:
        tests = all(fit.has_test for fit in result.fits)
        rows.append(("Genes that change", "not tested", "too few cells" if tests else "the model has no test"))
    out = f"without {count['left_out']:,} in clusters that may be false discoveries" if count["left_out"] else ""
    rows.append(("Genes in clusters", f"{count['clustered']:,}", "; ".join(filter(None, (_bounds(result), out)))))
    curve = fitted_value(result.clusterer, "stability_")
    remark = type(result.clusterer).__name__ if curve is None else curve.why
    rows.append(("Clusters", f"{result.n_clusters:,}", remark))
    rows.append(("Resolution", *resolution(result.clusterer)))
    return rows


def resolution(clusterer) -> tuple[str, str]:
    """Return the resolution of a fitted clusterer, and how it was selected."""
    number = getattr(clusterer, "n_clusters", None)
    if fitted_value(clusterer, "resolution_") is None:
        name = type(clusterer).__name__
        if fitted_value(clusterer, "labels_") is None:
            return "none", "nothing was clustered"
        return "none", f"{name} was told n_clusters={number}" if number is not None else f"{name} has none"
    value = f"{clusterer.resolution_:.3g}"
    if clusterer.resolution != "auto":
        return value, "as set; resolution='auto' finds the number of clusters"
    if number is not None:
        return value, f"of {number} clusters, as set"
    return value, "found with the number of clusters"


def parameters(fitted: Fitted) -> dict[str, list[tuple[str, str, bool]]]:
    """Return rows of name, value, and whether it differs from the default, for each component and the TrendClusterer."""
    given = fitted.get_params(deep=False)
    groups = {type(fitted).__name__: _rows_of(fitted)}
    for slot, default in DEFAULTS.items():
        component = given[slot]
        component = default() if component is None else component
        if isinstance(component, BaseEstimator):
            groups[f"{slot}: {type(component).__name__}"] = _rows_of(component, deep=True)
    return groups


def shown(value: object) -> str:
    """Return a short representation of a parameter's value.

    >>> shown("auto"), shown(list("abcdefghij")), shown(np.zeros(3))
    ("'auto'", '10 values', 'array of shape (3,)')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array of shape {value.shape}"
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (str, bytes, Mapping)) and hasattr(value, "__len__") and len(value) > 6:
        return f"{len(value):,} values"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def versions() -> list[tuple[str, str]]:
    """Return the versions of Python and of the libraries that affect results."""
    found = [("lineage_clust", __version__), ("Python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def _bounds(result: FitResult) -> str:
    """Return the criteria other than the q-value by which genes are selected for clustering."""
    bounds = ["alpha=None: whether they change or not"] if result.gate.alpha is None else []
    return "; ".join([*bounds, *(f"{name}={value:g}" for name, value in result.gate.bounds.items())])


def _rows_of(estimator, deep: bool = False) -> list[tuple[str, str, bool]]:
    try:
        defaults = type(estimator)().get_params(deep=deep)
    except TypeError:  # it has parameters without defaults
        defaults = {}
    given = estimator.get_params(deep=deep)
    return [
        (name, shown(value), name in defaults and shown(value) != shown(defaults[name]))
        for name, value in given.items()
    ]


def spans_of(result: FitResult) -> dict[str, str]:
    """Return the range of pseudotime of each lineage, in words."""
    grids = {name: result.pseudotime[result.grid_lineage == name] for name in names_along(result.grid_lineage)}
    return {name: f"{grid[0]:.3g} to {grid[-1]:.3g}" for name, grid in grids.items()}


def _cells(result: FitResult) -> str | None:
    cells = result.n_cells  # missing in older files
    if isinstance(cells, Mapping):
        return "; ".join(f"{name} {number:,}" for name, number in cells.items())
    return None if cells is None else f"{cells:,}"


def listed(names: list[str]) -> str:
    """Return names joined as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def concerns(result: FitResult, adata: Any = None) -> list[str]:
    """Return concerns as sentences, the most important first, with the warnings of reading the cells if they are given."""
    return [*dict.fromkeys([*(_of_times(result) if adata is None else _of_cells(result, adata)), *_of_fit(result)])]


def _of_times(result: FitResult) -> list[str]:
    """Return warnings of parts of the time range without cells, which are known at the points of the grid only."""
    if result.cell_density is None:  # older files
        return []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in names_along(result.grid_lineage):
            along = result.grid_lineage == name
            grid, points = result.pseudotime[along], np.flatnonzero(result.cell_density[along] > 0)
            ends = np.union1d(points, points + 1) - 0.5  # cells are nearest to their grid point
            times = np.clip(grid[0] + (grid[1] - grid[0]) * ends, grid[0], grid[-1])
            if len(times):
                warn_of_empty_time(times, np.ones(len(times)), grid[0], grid[-1], str(name) if names_of(result) else "")
    return [str(one.message) for one in caught]


def _of_cells(result: FitResult, adata: Any) -> list[str]:
    reader = result.reader
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lineages = result.read(adata, result.genes)
        modelled = families(result.fitter.model)
        check_values(
            adata, lineages, modelled, layer=reader.layer, use_raw=reader.use_raw, offset=reader.offset,
            tested=result.gate.alpha is not None,
        )  # fmt: skip
    return [str(one.message) for one in caught if issubclass(one.category, LineageClustWarning)]


def _of_fit(result: FitResult) -> list[str]:
    found = []
    n_fitted, n_failed = len(result.genes), len(result.failed)
    if n_failed > _MANY_FAILED * (n_fitted + n_failed):
        reason, number = Counter(result.failed.values()).most_common(1)[0]
        found.append(
            f"{counted(n_failed, 'gene', 'has', 'have', of=n_fitted + n_failed)} no trend; of {number:,} the reason "
            f"is: {reason}"
        )
    converged = result.gene_table["converged"]
    missed = int((converged == False).sum())  # noqa: E712
    if missed > _MANY_UNCONVERGED * n_fitted:
        found.append(f"The search for the smoothness did not converge for {missed:,} of {n_fitted:,} genes.")
    counts = result.n_cells if isinstance(result.n_cells, dict) else {"": result.n_cells}
    for name, n_cells in counts.items():
        if n_cells is not None and n_cells < _FEW_CELLS:
            found.append(
                f"{f'Lineage {name}' if name else 'The lineage'} has {counted(n_cells, 'cell')} only: trends are rough."
            )
    return found
