"""Lineage drivers: genes whose expression correlates with the fate probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state, metadata_routing
from sklearn.utils.validation import check_is_fitted

from .errors import UnknownNameError, counted, quoted
from .expression.storage.blocks import BlockedExpression
from .expression.sums.moments import correlator, ranks
from .lineage.columns import by_name
from .lineage.genes.expression import expression_of, gene_ids, with_annotations
from .lineage.lineage import check_anndata, resolve_genes
from .lineage.weights.keys import available_lineages, check_distinct, find_weights
from .results.gating import GATE_CONSTRAINTS
from .trends.trends import adjust
from .utils.checking import check_flag, check_key, check_seed, check_share
from .utils.constraints import Constraints, check_constraints, integer, one_of, positive_integer
from .utils.documenting import parameters_as
from .utils.progress import bar, progress_bars
from .utils.types import Names, Seed

if TYPE_CHECKING:
    from anndata import AnnData

_N_PERMUTATIONS = replace(  # more would take days
    integer(1, 10_000_000), advice=lambda _: " For smaller p-values take test='fisher'."
)
_PERMUTATIONS_AT_A_TIME = 100


def lineage_drivers(
    adata: AnnData,
    lineage: str | list[str] | None = None,
    *,
    genes: Sequence[str] | None = None,
    method: str = "pearson",
    test: str = "fisher",
    n_permutations: int = 1000,
    confidence_level: float = 0.95,
    lineage_key: Names = None,
    backward: bool = False,
    layer: str | None = None,
    use_raw: bool = False,
    gene_symbols: str | None = None,
    cells: Any = None,
    random_state: Seed = None,
    show_progress_bar: bool = False,
) -> pd.DataFrame:
    """Correlate the expression of genes with fate probabilities.

    Parameters
    ----------
    adata : AnnData
        Cells x genes, with fate probabilities. It is not modified.
    lineage : str or list of str, optional
        Lineages; `None` = all. "A, B" combines A and B: their probabilities are added.
    genes : sequence of str, optional
        Genes; `None` = all.
    method : {"pearson", "spearman"}, default="pearson"
        Correlation of values or of ranks.
    test : {"fisher", "permutation"}
        P-values by Fisher's transformation, or by permuting the fate probabilities.
    n_permutations : int
        Number of permutations, at most ten million.
    confidence_level : float
        Level of the confidence interval of the correlation, by Fisher's transformation.
    lineage_key, backward
        Key of the fate probabilities, as in :class:`~lineage_clust.TrendClusterer`.
    layer, use_raw
        Expression to read.
    gene_symbols : str, default=None
        Column of var with the names of genes, as in :class:`~lineage_clust.TrendClusterer`. The table then
        has a column `gene_ids` with the entries of `var_names`.
    cells : array of bool, shape (n_cells,), optional
        Cells to use, e.g. `adata.obs["clusters"].isin([...])`; cells without a fate probability are never used.
    random_state : int, RandomState or None
        Seed of the permutations.
    show_progress_bar : bool
        Whether to show a progress bar for permutations that take over a second.

    Returns
    -------
    DataFrame
        One row per gene, sorted by the correlation with the first lineage. For each lineage `{name}_corr`,
        `{name}_pval`, `{name}_qval` (Benjamini-Hochberg), `{name}_ci_low`, `{name}_ci_high`. A gene without variance
        has NaN.

    Raises
    ------
    UnknownNameError
        If a gene, key or lineage is missing.
    ValueError
        If a parameter is invalid, or there are fewer than four cells.

    Notes
    -----
    Correlations of CellRank up to version 2.2 are larger by the factor `n / (n - 1)` (cellrank issue 1340). Permutation
    p-values count the observed correlation among the permuted ones, so that they are never 0.

    References
    ----------
    Fisher (1921). On the probable error of a coefficient of correlation. Metron 1, 3-32.
    Phipson & Smyth (2010). Permutation p-values should never be zero. Stat. Appl. Genet. Mol. Biol. 9, 39.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> drivers = lc.lineage_drivers(lc.datasets.bone_marrow(), "Ery")
    >>> bool(drivers.loc["Klf1", "Ery_corr"] > 0.3)
    True
    """
    check_anndata(adata)
    adata = with_annotations(adata)
    one_of(("pearson", "spearman")).check("method", method)
    one_of(("fisher", "permutation")).check("test", test)
    check_share("confidence_level", confidence_level)
    check_flag("use_raw", use_raw)
    check_flag("show_progress_bar", show_progress_bar)
    check_key("layer", layer)
    if test == "permutation":
        _N_PERMUTATIONS.check("n_permutations", n_permutations)
        check_seed("random_state", random_state)
    genes = resolve_genes(adata, genes, use_raw=use_raw, gene_symbols=gene_symbols)
    names = _lineages(adata, lineage, lineage_key, backward)
    matrix = expression_of(adata, genes, layer, use_raw, gene_symbols=gene_symbols)
    weights = np.column_stack([find_weights(adata, name, lineage_key, backward)[2] for name in names])
    used = np.isfinite(weights).all(axis=1) & (True if cells is None else _mask(cells, adata))
    n_cells = int(used.sum())
    if n_cells < 4:
        raise ValueError(
            f"{counted(n_cells, 'cell', 'takes', 'take')} part; a correlation and its error need at least 4."
        )
    if n_cells < adata.n_obs:
        matrix, weights = matrix[np.flatnonzero(used)], weights[used]
    if method == "spearman":
        matrix = matrix.to_memory() if isinstance(matrix, BlockedExpression) else matrix
        matrix, weights = ranks(matrix), stats.rankdata(weights, axis=0)
    standard, correlate = correlator(matrix, weights, names)
    correlation = correlate(standard)
    columns = {}
    for index, name in enumerate(names):
        r = correlation[index]
        pvalue, low, high = _fisher(r, n_cells, confidence_level, method)
        if test == "permutation":
            with progress_bars(show_progress_bar):
                pvalue = _permutation_pvalue(correlate, standard[:, index], r, n_permutations, random_state)
        of_one = {"corr": r, "pval": pvalue, "qval": adjust(pvalue), "ci_low": low, "ci_high": high}
        columns |= {f"{name}_{suffix}": values for suffix, values in of_one.items()}
    table = pd.DataFrame(columns, index=pd.Index(genes, name="gene"))
    if gene_symbols is not None:
        table["gene_ids"] = list(gene_ids(adata, genes, use_raw, gene_symbols).values())
    return table.sort_values(f"{names[0]}_corr", ascending=False, kind="stable", na_position="last")


@parameters_as(lineage_drivers)
class DriverSelector(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Select the genes whose expression correlates with a lineage; `transform` takes and returns an AnnData.

    Parameters
    ----------
    lineage : str, default=None
        Lineage; `None` = the only lineage.
    n_genes : int, default=None
        Largest number of genes; those with the strongest correlations are selected. `None` = no limit.
    alpha : float, default=0.01
        Only genes with a q-value below this threshold are selected; `None` = no test.
    direction : {"both", "positive", "negative"}, default="both"
        Sign of the correlations used for the selection.

    Attributes
    ----------
    drivers_ : DataFrame
        Table of all genes.
    genes_ : list of str
        Selected genes, strongest correlation first.
    gene_ids_ : list of str
        Entries of `var_names` of these genes; identical to `genes_` without `gene_symbols`.
    feature_names_in_ : ndarray of str
        Names of the genes of the AnnData seen in `fit`.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> lc.DriverSelector("Ery", n_genes=50).fit_transform(lc.datasets.bone_marrow()).n_vars
    50
    """

    _constraints: ClassVar[Constraints] = {
        "direction": one_of(["both", "positive", "negative"]),
        "n_genes": positive_integer(or_none=True),
        "alpha": GATE_CONSTRAINTS["alpha"],
    }

    __metadata_request__fit = {"adata": metadata_routing.UNUSED}
    __metadata_request__transform = {"adata": metadata_routing.UNUSED}

    def __init__(
        self,
        lineage: str | None = None,
        n_genes: int | None = None,
        alpha: float | None = 0.01,
        direction: str = "both",
        method: str = "pearson",
        lineage_key: Names = None,
        backward: bool = False,
        layer: str | None = None,
        use_raw: bool = False,
        gene_symbols: str | None = None,
    ):
        self.lineage = lineage
        self.n_genes = n_genes
        self.alpha = alpha
        self.direction = direction
        self.method = method
        self.lineage_key = lineage_key
        self.backward = backward
        self.layer = layer
        self.use_raw = use_raw
        self.gene_symbols = gene_symbols

    def fit(self, adata: AnnData, y: Any = None) -> Self:
        """Correlate all genes with the lineage and select genes.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If no gene remains.
        """
        check_constraints(self)
        check_anndata(adata)
        lineage = find_weights(adata, self.lineage, self.lineage_key, self.backward)[0]
        drivers = lineage_drivers(
            adata, lineage, method=self.method, lineage_key=self.lineage_key, backward=self.backward,
            layer=self.layer, use_raw=self.use_raw, gene_symbols=self.gene_symbols,
        )  # fmt: skip
        r, q = drivers[f"{lineage}_corr"], drivers[f"{lineage}_qval"]
        strength = {"both": r.abs(), "positive": r, "negative": -r}[self.direction]
        kept = strength[strength.notna() & (strength > 0) & ((q < self.alpha) if self.alpha is not None else True)]
        if kept.empty:
            raise ValueError(f"No gene of {len(r)} goes with lineage {lineage!r}{self._why_none(r)}")
        chosen = kept.sort_values(ascending=False, kind="stable").index[: self.n_genes]
        self.drivers_, self.genes_ = drivers, [str(gene) for gene in chosen]
        ids = chosen if self.gene_symbols is None else drivers.loc[chosen, "gene_ids"]
        self.gene_ids_ = [str(gene_id) for gene_id in ids]
        self.feature_names_in_, self.n_features_in_ = np.asarray(adata.var_names, dtype=object), adata.n_vars
        return self

    def _why_none(self, correlations: pd.Series) -> str:
        """Return the end of a message that explains why no gene is selected and what to do."""
        if correlations.isna().all():
            return ": its weights, or all genes, are the same in all cells. Choose another lineage, or other genes."
        if self.alpha is not None:
            return f" at a q-value below alpha={self.alpha}. Raise alpha, or pass alpha=None with n_genes."
        return f": no correlation is {self.direction}. Pass direction='both'."

    def transform(self, adata: AnnData) -> AnnData:
        """Return a view of the AnnData with the selected genes, in their original order."""
        check_is_fitted(self)
        check_anndata(adata)
        chosen = adata.var_names.isin(self.gene_ids_)
        if chosen.sum() < len(self.genes_):
            missing = [gene for gene in self.gene_ids_ if gene not in set(adata.var_names)]
            raise UnknownNameError(
                f"{counted(len(missing), 'chosen gene', 'is', 'are')} not in adata ({quoted(missing, 5)})."
            )
        return adata[:, chosen]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the selected genes in the order of the output of `transform`.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return self.feature_names_in_[np.isin(self.feature_names_in_.astype(str), self.gene_ids_)]

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing, because the output is always an AnnData; defined for pipelines.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None
            Ignored.

        Returns
        -------
        self
        """
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = True
        tags.requires_fit = True
        return tags


def _lineages(adata, lineage, lineage_key, backward) -> list[str]:
    if lineage is None:
        return available_lineages(adata, lineage_key, backward)
    names = [lineage] if isinstance(lineage, str) or not np.iterable(lineage) else list(lineage)
    if not names:
        raise ValueError("lineage is an empty list. Name at least one lineage.")
    check_distinct(adata, names, lineage_key)
    return [str(find_weights(adata, name, lineage_key, backward)[0]) for name in names]


def _mask(cells, adata: AnnData) -> np.ndarray:
    mask = np.asarray(by_name("cells", cells, adata.obs_names, "cells"))
    if mask.shape != (adata.n_obs,) or mask.dtype != bool:
        raise ValueError(
            f"cells must be a boolean mask of {adata.n_obs} cells; got {mask.dtype} of shape {mask.shape}."
        )
    return mask


def _fisher(r: np.ndarray, n_cells: int, level: float, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p-values, and the ends of confidence intervals of correlations."""
    error = np.sqrt((1.06 if method == "spearman" else 1.0) / (n_cells - 3))  # Fieller, Hartley & Pearson (1957)
    half = stats.norm.ppf(0.5 + level / 2) * error
    with np.errstate(divide="ignore"):
        z = np.arctanh(r)
    return 2 * stats.norm.sf(np.abs(z) / error), np.tanh(z - half), np.tanh(z + half)


def _permutation_pvalue(correlate, standard, r, n_permutations: int, random_state) -> np.ndarray:
    generator = check_random_state(random_state)
    as_large = np.zeros(len(r))
    for first in bar(range(0, n_permutations, _PERMUTATIONS_AT_A_TIME), "permutations", "batch"):
        batch = min(n_permutations - first, _PERMUTATIONS_AT_A_TIME)
        columns = np.column_stack([generator.permutation(standard) for _ in range(batch)])
        as_large += (np.abs(correlate(columns)) >= np.abs(r) - 1e-12).sum(axis=0)
    return np.where(np.isfinite(r), (as_large + 1) / (n_permutations + 1), np.nan)
