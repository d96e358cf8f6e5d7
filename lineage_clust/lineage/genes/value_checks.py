"""Check that expression values suit the model's family, counts or logs of normalised counts; else name a matrix that does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom

from ...errors import warn
from ...expression.value_kinds import COUNTS, LOG_COUNTS, OTHER, ROOT_COUNTS, Sample, are_integers, is_log_normalised
from ..cells.covariates import SIZE_FACTORS
from .expression import expression_matrix, layer_names, whole_of
from .imputed_values import original_of_imputed

if TYPE_CHECKING:
    from anndata import AnnData

    from ..lineage import Lineage

COUNT_FAMILIES = ("poisson", "negative_binomial")
_WIDEST_OFFSET = 30.0  # no two cells differ in depth by a factor of 1e13
_MOST_LOG = 15.0  # the natural log of three million
_FOLLOWS = 0.8  # share of the variance of log depth
_NORMALISE = (
    "Normalise and take logs (scanpy.pp.normalize_total, scanpy.pp.log1p), or fit counts as such: "
    "GAM('negative_binomial') with offset='size_factors'."
)
_TAKEN = {LOG_COUNTS: "logs", ROOT_COUNTS: "square roots"}
_ROUND = "If they are estimated counts, round them (numpy.rint)."
_N_PARTS = 4
_LEAST_COUNTS = 40  # minimum over the lineage for a gene to be used
_LEAST_CHANGE = 1.1
_LEVEL = 0.005


def check_values(
    adata: AnnData,
    lineages: Sequence[Lineage],
    families: Sequence[tuple[str | None, str | None]],
    *,
    layer: str | None = None,
    use_raw: bool = False,
    offset: Any = None,
    tested: bool = True,
) -> None:
    """Check, on a sample of the values, that expression and offset suit the models.

    `families` are `(family, link)` of each model, `(None, None)` if it has none. An error is raised if most values are
    not integers but the family is for counts, or if an offset is not on the scale of a log link; a warning, if counts, or
    an offset of log size factors, are passed to a Gaussian family with identity link; if counts, or their logs or roots, are
    not normalised, there is no offset, and those of a typical gene change along the lineage; or if genes are `tested`
    on imputed values.
    """
    sample = Sample(lineages[0].whole.matrix)
    values, kind = sample.values, sample.kind
    where = matrix_name(layer, use_raw)
    for family, link in families:
        # single genes with other values are rejected by the models; most estimated counts are integers
        broken = values[values != np.rint(values)]
        if family in COUNT_FAMILIES and len(broken) > len(values) / 2:
            example = float(broken[0])
            raise ValueError(
                f"The family {family!r} is for counts, but {where} contains values that are not integers, such as "
                f"{example:.4g}. {suggestion(adata, layer, use_raw, True) or _ROUND}"
            )
        spans = [0.0 if lineage.offset is None else float(np.ptp(lineage.offset)) for lineage in lineages]
        if link == "log" and max(spans) > _WIDEST_OFFSET:
            raise ValueError(
                f"The offset spans {max(spans):.4g} between cells, which under a log link is a factor of "
                f"exp({max(spans):.4g}). Pass its log."
            )
    linear = any(family == "gaussian" and link == "identity" for family, link in families)
    change = None
    if offset is None and kind != OTHER:
        change = max(_change(lineage, sample) for lineage in lineages) or None
    rise = (
        f"the counts of a typical gene change {change or 0:.2g}-fold along pseudotime, as they do if sequencing depth "
        f"changes"
    )
    if linear and kind == COUNTS:
        warn(
            f"{where} looks like counts (integers such as {values.max():g}), while a Gaussian family is for log values"
            f"{'; besides, ' + rise if change else ''}. {suggestion(adata, layer, use_raw, False) or _NORMALISE}"
        )
    elif change:
        remedy = (
            f"Normalise before taking {_TAKEN[kind]}."
            if kind in _TAKEN
            else "Pass offset='size_factors', or normalise."
        )
        warn(f"In {where} {rise}, so that genes without a trend may appear to have one. {remedy}")
    if linear and offset is not None and _is_depth(lineages[0], offset, sample):
        warn(
            "The offset is the log of each cell's depth, which a Gaussian family with identity link would subtract "
            "from untransformed expression. Omit the offset and fit log-normalised values, or fit counts with "
            "GAM('negative_binomial')."
        )
    tested = tested and any(family for family, _ in families)
    source = original_of_imputed(adata, layer, use_raw) if tested and kind == OTHER and sample.positive > 0.5 else None
    if source is not None:
        warn(
            f"{where} looks imputed: most zeros of {matrix_name(source, False)} are different positive values there. "
            f"Imputed cells are not independent, so that genes without a trend have small p-values and intervals are too "
            f"narrow. Fit values that are not imputed"
            f"{' (layer=None)' if source == 'X' else ''}; alpha=None clusters all genes, whatever their p-values."
        )


def matrix_name(layer: str | None, use_raw: bool) -> str:
    """Return the name of a matrix for messages."""
    return "adata.raw" if use_raw else "adata.X" if layer in (None, "X") else f"adata.layers[{layer!r}]"


def suggestion(adata: AnnData, layer: str | None, use_raw: bool, counts: bool) -> str:
    """Return a hint that names another matrix, with counts or with logs of normalised counts; "" if there is none."""
    current = (None if layer == "X" else layer, use_raw)
    places: list[tuple[str | None, bool]] = [] if whole_of(adata).X is None else [(None, False)]
    places += [(name, False) for name in layer_names(adata)] + ([] if adata.raw is None else [(None, True)])
    found = [(_suits(adata, place, counts), place) for place in places if place != current]
    known = [(suits, place) for suits, place in found if suits is not None]
    if not known:
        return ""
    (_, what), (name, raw) = min(known, key=lambda one: one[0][0])
    call = "use_raw=True" if raw else "layer=None" if name is None else f"layer={name!r}"
    return f"{matrix_name(name, raw)} contains {what}: pass {call}."


def _suits(adata: AnnData, place: tuple[str | None, bool], counts: bool) -> tuple[int, str] | None:
    """Return how suitable a matrix is (0 is best) and what it contains, or `None` if it is unsuitable."""
    matrix = expression_matrix(adata, *place, load=False)
    sample = Sample(matrix)
    values = sample.values
    if len(values) == 0 or counts != (sample.kind == COUNTS):
        return None
    if counts:
        return 0, "counts"
    if sample.kind in _TAKEN:
        return 2, f"{_TAKEN[sample.kind]} of counts that are not normalised"
    if values.min() < 0 or values.max() > _MOST_LOG or are_integers(values):
        return None
    if is_log_normalised(sample.cells(np.arange(matrix.shape[0]))[1]):
        return 0, "log-normalised values"
    return 1, "values that may be logs"


def _change(lineage: Lineage, sample: Sample) -> float:
    """Return the fold change of depth along a lineage; 0 if there is none, or a covariate explains depth."""
    order = np.argsort(lineage.pseudotime, kind="stable")
    chosen, counts = sample.counts(lineage.cells[order])
    chosen = order[chosen]
    if len(chosen) == 0 or not np.any(lineage.weights[chosen] > 0):
        return 0.0
    if lineage.covariates is not None and _explained(_log_depth(counts), lineage.covariates[chosen]) > _FOLLOWS:
        return 0.0
    return depth_change(counts, lineage.pseudotime[chosen], lineage.weights[chosen]) or 0.0


def _is_depth(lineage: Lineage, offset: Any, sample: Sample) -> bool:
    """Return whether an offset is the log of the depth of the cells, up to a constant."""
    if isinstance(offset, str) and offset == SIZE_FACTORS:
        return True
    if sample.kind == OTHER or lineage.offset is None:
        return False
    chosen, counts = sample.counts(lineage.cells)
    return len(chosen) > 2 and _explained(_log_depth(counts), lineage.offset[chosen, None]) > _FOLLOWS


def _log_depth(counts) -> np.ndarray:
    return np.log1p(np.asarray(counts.sum(axis=1), dtype=float).ravel())


def _explained(values: np.ndarray, columns: np.ndarray) -> float:
    """Return the fraction of the variance of values explained by a linear model on the columns."""
    values, columns = values - values.mean(), columns - columns.mean(axis=0)
    residual = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    total = values @ values
    return 1 - residual @ residual / total if total > 0 else 0.0


def depth_change(counts, times: np.ndarray, weights: np.ndarray) -> float | None:
    """Return the fold change of the counts `(n_cells, n_genes)` of a typical gene along a lineage, if it exceeds 10 %.

    It is the ratio of the largest to the smallest mean count in four quarters of the cells by time: the median over
    genes; `None` if its lower 99 % confidence bound is less than 1.1.

    Most genes keep their fraction of a cell's RNA, so that the change of the median gene is the change of depth, as in
    the size factors of DESeq [1]_. The total count is not suitable: in a panel of selected genes it follows these
    genes.

    References
    ----------
    .. [1] Anders & Huber (2010). Differential expression analysis for sequence count data. Genome Biology 11, R106.
    """
    order = np.argsort(times, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    part = np.empty(len(times), dtype=int)
    part[order] = np.minimum((_N_PARTS * (share - share[0] / 2)).astype(int), _N_PARTS - 1)
    if len(np.unique(part)) < _N_PARTS:
        return None
    indicator = (part == np.arange(_N_PARTS)[:, None]) * weights
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.asarray(indicator @ counts)
        informative = np.asarray(np.ones(len(times)) @ counts) >= _LEAST_COUNTS
    informative &= np.isfinite(sums).all(axis=0)
    if not informative.any():
        return None
    logs = np.log((sums[:, informative] + 0.5 * weights.mean()) / indicator.sum(axis=1)[:, None])
    levels = np.median(logs, axis=1)
    changes = np.sort(logs[np.argmax(levels)] - logs[np.argmin(levels)])
    bound = int(binom.ppf(_LEVEL, len(changes), 0.5)) - 1
    if bound < 0 or np.exp(changes[bound]) < _LEAST_CHANGE:
        return None
    return float(np.exp(np.median(changes)))
