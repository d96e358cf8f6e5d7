"""Comparison of conditions: read a lineage, fit its trends in every condition, and collect the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.utils import check_random_state

from ..clusterers import GraphClusterer
from ..contracts.capabilities import declared, fitted_value, lacks_domain
from ..contracts.slots import component_for, with_defaults
from ..errors import quoted, warn
from ..lineage.cells.covariates import AUTOMATIC, SIZE_FACTORS
from ..lineage.cells.samples import read_conditions
from ..lineage.genes.expression import with_annotations
from ..lineage.genes.value_checks import check_values
from ..lineage.lineage import Lineage, Reader, check_anndata, resolve_genes
from ..models.families import FAMILIES
from ..models.gam import GAM
from ..models.gam.checks import check_condition_parameters
from ..models.gam.conditions.condition_gam import ConditionGAM
from ..results.grouping import own_labels
from ..results.tables import order_clusters
from ..smoothers import BSplineSmoother
from ..trends.drawing import MOST_DRAWS
from ..trends.group_fit import check_distinct_times
from ..trends.pairing import are_of_counts
from ..utils.checking import check_key, check_seed, check_share
from ..utils.matrices import dense
from ..utils.memory import check_points
from ..utils.threads import few_threads
from ..utils.types import Names, Seed, TimeRange, WeightThreshold
from .comparison import ConditionComparison
from .effects import draw_differences, effects, table_of_tests
from .stretches import common_points

if TYPE_CHECKING:
    from anndata import AnnData

_FEWEST_POINTS = 10


def compare_conditions(
    adata: AnnData,
    condition_key: str,
    sample_key: str | None = None,
    lineage: str | None = None,
    genes: Sequence[str] | None = None,
    *,
    conditions: Sequence[str] | None = None,
    model: GAM | None = None,
    smoother: Any = None,
    clusterer: Any = None,
    time_key: str | None = None,
    lineage_key: Names = None,
    layer: str | None = None,
    use_raw: bool = False,
    backward: bool = False,
    time_range: TimeRange = None,
    endpoint: str = "plateau",
    endpoint_threshold: float | None = None,
    weight_threshold: WeightThreshold = (0.01, 0.0),
    gene_symbols: str | None = None,
    covariates: Sequence[str] | None = None,
    offset: Any = "auto",
    n_points: int = 200,
    alpha: float = 0.05,
    level: float = 0.95,
    random_state: Seed = None,
    memory_budget: int | str | None = None,
) -> ConditionComparison:
    """Compare the trends of genes along a lineage between conditions, with donors as replicates.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes)
        Log-normalised expression (or counts, with a `model` for counts), pseudotime and lineage weights. It is not
        modified.
    condition_key : str
        Column of obs with the condition of each cell. Cells without a condition are left out.
    sample_key : str, default=None
        Column of obs with the donor (animal, patient) of each cell. At least four donors are required, with two in every
        condition. If donors have cells in several conditions, these are compared within donors. `None` = cells are the
        replicates; p-values then apply to these donors only, as the result states.
    lineage : str, default=None
        Lineage; `None` = the only lineage.
    genes : sequence of str, default=None
        Genes; `None` = all. Use at least twenty, because the variation between donors is estimated from them.
    conditions : sequence of str, default=None
        Conditions to compare, the reference first; `None` = all, in the order of the categories, or sorted.
    model : GAM, default=None
        Distribution of expression around a trend, such as `GAM("negative_binomial")` for counts in a `layer`; `None` =
        Gaussian. With a log or logit link, trends and differences are on the link scale: natural log fold changes for
        counts.
    smoother : transformer, default=None
        Basis and penalty of all curves; `None` = :class:`~lineage_clust.BSplineSmoother`.
    clusterer : clusterer, default=None
        Clusters the differences of the genes that differ; `None` = :class:`~lineage_clust.GraphClusterer`.
    time_key, lineage_key, layer, use_raw, backward, time_range, endpoint, endpoint_threshold, weight_threshold, gene_symbols
        As in :class:`~lineage_clust.TrendClusterer`.
    covariates : sequence of str, default=None
        obs keys of further terms of the level, of donors (age, sex, batch) or of cells.
    offset : str, array of shape (n_cells,) or None, default="auto"
        As in :class:`~lineage_clust.TrendClusterer`: log size factors if counts of a `layer` are modelled.
    n_points : int, default=200
        Number of grid points.
    alpha : float, default=0.05
        Differences are clustered if `qvalue_both` is below this threshold.
    level : float, default=0.95
        Coverage of the intervals in the table.
    random_state : int, RandomState or None, default=None
        Seed of posterior samples and of the clusterer.
    memory_budget : int or str, default=None
        As in :class:`~lineage_clust.TrendClusterer`.

    Returns
    -------
    ConditionComparison

    Raises
    ------
    TypeError
        If `adata` is not an AnnData, a column contains fractional numbers, `time_key` is a list, or `model` is not a
        GAM.
    UnknownNameError
        If a key, gene, lineage or condition is missing.
    ValueError
        If there are too few donors, a covariate is collinear with the conditions, or `model` has an option that is not
        supported.
    NoTrendError
        If every gene fails.

    See Also
    --------
    TrendClusterer : Trends and their clusters in one condition.
    compare : Clusters of two fits.

    Notes
    -----
    The model of a gene is `y = f_c(t) + u_s + g_s(t) + e`, with a curve for every condition `c`, and a random level and
    curve of each sample `s` (a donor in a condition). In paired designs, samples of a donor are correlated. All genes
    are fitted at once from sums per sample, computed in one pass over the expression. The variation between samples is
    estimated from all genes [1]_. The level of a difference is its mean over the cells that inform it, and its shape is
    the remainder. Bands are computed from the posterior, simultaneous ones by simulation [2]_. For non-Gaussian families,
    this is the model of the linear predictor, fitted by penalised quasi-likelihood [3]_; expression is then read twice.

    References
    ----------
    .. [1] Laird & Ware (1982). Random-effects models for longitudinal data. Biometrics 38, 963-974.
    .. [2] Ruppert, Wand & Carroll (2003). Semiparametric Regression. Cambridge University Press, section 6.5.
    .. [3] Breslow & Clayton (1993). Approximate inference in generalized linear mixed models. JASA 88, 9-25.

    Examples
    --------
    >>> import numpy as np
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(600, 30, 3, n_lineages=1, random_state=0)
    >>> donor = np.arange(600) % 6
    >>> adata.obs["donor"], adata.obs["drug"] = donor.astype(str), np.where(donor < 3, "no", "yes")
    >>> adata.X = adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X
    >>> adata.X[donor >= 3, :5] += 1.5
    >>> found = lc.compare_conditions(adata, "drug", "donor", random_state=0)
    >>> found.replicates, found.conditions, found.trends.shape
    ('donors', ['no', 'yes'], (2, 30, 200))
    >>> bool((found.table["qvalue_level"].iloc[:5] < 0.05).all())
    True
    """
    check_anndata(adata)
    adata = with_annotations(adata)
    check_share("alpha", alpha)
    check_share("level", level)
    check_key("time_key", time_key)  # draws of pseudotime are not supported
    check_seed("random_state", random_state)
    if lineage is not None and not isinstance(lineage, str):
        raise TypeError(
            f"lineage must be one name; got {lineage!r}. Compare the conditions along one lineage at a time."
        )
    of_conditions = _of_conditions(model)
    kind = [(of_conditions.family, of_conditions.link or FAMILIES[of_conditions.family].default_link)]
    if isinstance(offset, str) and offset == AUTOMATIC:
        offset = SIZE_FACTORS if layer is not None and are_of_counts(of_conditions) else None
    codes, names = read_conditions(adata, condition_key, conditions)
    names_of_genes = resolve_genes(adata, genes, use_raw=use_raw, gene_symbols=gene_symbols)
    check_points(n_points, len(names) * len(names_of_genes))
    if n_points < _FEWEST_POINTS:
        raise ValueError(f"n_points must be at least {_FEWEST_POINTS} to compare conditions; got {n_points!r}.")
    reader = Reader(
        time_key, lineage_key, layer, use_raw, backward, time_range, endpoint, endpoint_threshold, weight_threshold,
        gene_symbols, covariates, offset, n_points, memory_budget, sample_key,
    )  # fmt: skip
    cells = reader.read(adata, lineage, names_of_genes, among=codes >= 0)
    check_values(adata, [cells], kind, layer=layer, use_raw=use_raw, offset=offset)
    _check_conditions(codes[cells.cells], names, condition_key)
    seed = check_random_state(random_state).randint(2**31 - 1)
    smoother = component_for("smoother", smoother, BSplineSmoother)
    clusterer = with_defaults(component_for("clusterer", clusterer, GraphClusterer), random_state=seed)
    common, gaps = common_points(cells, codes[cells.cells], names, n_points)
    model, basis = _fitted(cells, codes[cells.cells], smoother, of_conditions, n_points)
    found = _put_together(model, basis, cells, common, clusterer, names, alpha, level, seed)
    return ConditionComparison(
        condition_key=condition_key, sample_key=sample_key, conditions=names, alpha=alpha, level=level, gaps=gaps,
        family=kind[0][0], link=kind[0][1], **found,
    )  # fmt: skip


def _of_conditions(model: GAM | None) -> ConditionGAM:
    """Return the estimator of the curves of conditions with the parameters of a model of trends."""
    if model is None:
        return ConditionGAM()
    if not isinstance(model, GAM):
        raise TypeError(f"model must be a GAM; got {model!r}.")
    given = {"smoothing": "reml", "covariance": "robust", "expectile": None}
    for name, value in given.items():
        if getattr(model, name) != value:
            raise ValueError(
                f"To compare conditions, the model's {name} must be {value!r}; got {getattr(model, name)!r}."
            )
    shared = {name: value for name, value in model.get_params().items() if name in ConditionGAM._get_param_names()}
    model = ConditionGAM(**shared)
    check_condition_parameters(model)
    return model


def _check_conditions(codes: np.ndarray, names: list[str], key: str) -> None:
    counts = np.bincount(codes, minlength=len(names))
    without = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if without:
        raise ValueError(
            f"No cell of the lineage is in condition {quoted(without)} of adata.obs[{key!r}]. Leave it out of conditions, or "
            "widen time_range."
        )
    alike = [
        (name, f"{end}_{name}") for name in names[1:] for end in ("lower", "upper") if f"{end}_{name}" in names[1:]
    ]
    if alike:  # columns of the table have their names as suffix
        raise ValueError(
            f"Conditions {quoted(alike[0])} would have the same columns in the table, such as 'level_{alike[0][1]}'. Rename "
            f"one of them in adata.obs[{key!r}]."
        )


def _fitted(
    cells: Lineage, codes: np.ndarray, smoother: Any, model: ConditionGAM, n_points: int
) -> tuple[ConditionGAM, np.ndarray]:
    grid = cells.grid(n_points)
    check_distinct_times(cells.pseudotime, smoother, grid, cells.name)
    if lacks_domain(smoother):
        smoother.set_params(domain=(float(grid[0]), float(grid[-1])))
    with config_context(transform_output="default"):
        basis = smoother.fit(cells.pseudotime[:, None]).transform(cells.pseudotime[:, None])
        on_grid = smoother.transform(grid[:, None])
    model.fit(
        basis, cells.expression, codes, groups=cells.donors, sample_weight=cells.weights,
        penalty=fitted_value(smoother, "penalty_"), offset=cells.offset, covariates=cells.covariates,
    )  # fmt: skip
    return model, dense(on_grid)


def _put_together(model, basis, cells: Lineage, common, clusterer, names, alpha, level, seed) -> dict[str, Any]:
    """Return the tables and arrays of a comparison."""
    fit, n_genes, n_others = model.curves_, len(cells.genes), len(names) - 1
    grid = cells.grid(len(basis))
    table = table_of_tests(model.pvalues_, cells.genes)
    changing = np.flatnonzero(table["qvalue_both"].to_numpy() < alpha)
    order = np.argsort(np.asarray(cells.genes, dtype=object), kind="stable")
    draws = draw_differences(fit, basis, grid, common, changing, MOST_DRAWS, seed, order)
    found = [fit.difference(basis, condition) for condition in range(1, n_others + 1)]
    differences, errors = (np.stack(part) for part in zip(*found, strict=True))
    by_condition = [
        effects(fit, draws, basis, grid, common, c, level).set_axis(table.index) for c in range(1, n_others + 1)
    ]
    if n_others > 1:
        most = np.abs([part["largest_difference"] for part in by_condition]).argmax(axis=0)
        table["differs_most"] = np.asarray(names[1:], dtype=object)[most]
        by_condition = [part.add_suffix(f"_{name}") for part, name in zip(by_condition, names[1:], strict=True)]
    table = pd.concat([table, *by_condition], axis=1)
    labels = np.full(n_genes, -1)
    stacked = np.swapaxes(differences, 0, 1)[:, :, common].reshape(n_genes, -1)
    drawn = np.swapaxes(draws.kept, 1, 2)[..., common].reshape(MOST_DRAWS, len(changing), n_others * len(common))
    labels[changing], _ = group_differences(clusterer, stacked[changing], drawn, grid[common], n_others)
    if len(changing) == 0:
        warn(f"No gene differs between the conditions with a q-value below alpha={alpha}. Look at the table.")
    table.insert(0, "cluster", labels)
    table["note"] = fit.note
    kept = np.setdiff1d(np.arange(n_genes), list(fit.failed))
    details = {
        "modes": basis @ fit.random, "own": fit.curves.deviations[..., kept].astype(np.float32),
        "farthest": draws.farthest[..., kept].astype(np.float32),
    }  # fmt: skip
    return {
        "lineage": cells.name, "genes": [cells.genes[gene] for gene in kept], "pseudotime": grid,
        "common_range": (float(grid[common[0]]), float(grid[common[-1]])),
        "trends": np.stack([fit.curve(basis, condition) for condition in range(n_others + 1)])[:, kept],
        "trend_se": np.stack([fit.error(basis, condition) for condition in range(n_others + 1)])[:, kept],
        "differences": differences[:, kept], "difference_se": errors[:, kept], "table": table.iloc[kept],
        "labels": labels[kept], "details": details,
        "samples": model.samples_.assign(condition=np.take(names, model.samples_["condition"])),
        "failed": {cells.genes[gene]: reason for gene, reason in sorted(fit.failed.items())},
    }  # fmt: skip


def scaled_differences(differences: np.ndarray) -> np.ndarray:
    """Scale differences `(..., n_genes, n_points)` to root mean square 1; unlike z-scores, this keeps sign and level."""
    size = np.sqrt(np.mean(differences**2, axis=-1, keepdims=True))
    return np.divide(differences, size, out=np.zeros_like(differences), where=size > 0)


def group_differences(
    clusterer: Any, differences: np.ndarray, draws: np.ndarray, grid: np.ndarray, n_comparisons: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster differences; return labels `(n_genes,)`, ordered by the times of the largest differences, and scaled rows.

    `differences` `(n_genes, n_comparisons * n_points)` and `draws` of them are concatenated over comparisons.

    Clusterers of trends compare shapes independently of level. After concatenating a difference with its negative, rows
    have mean zero, and the correlation of two rows is the cosine of the differences: genes that are higher throughout
    and genes that are lower throughout are then opposites.
    """
    scaled = scaled_differences(differences)
    if len(scaled) == 0:
        return np.zeros(0, dtype=int), scaled
    rows = np.hstack([scaled, -scaled])
    drawn = scaled_differences(draws)
    given = {"draws": list(np.concatenate([drawn, -drawn], axis=-1))} if declared(clusterer, "uses_draws") else {}
    with config_context(transform_output="default"), few_threads(rows.size):
        clusterer.fit(rows, **given)
        codes, _ = own_labels(clusterer, rows)
    owner = None if n_comparisons == 1 else np.repeat([f"{number:03d}" for number in range(n_comparisons)], len(grid))
    return order_clusters(codes, scaled, np.tile(grid, n_comparisons), owner)[0], scaled
