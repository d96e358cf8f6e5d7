"""P-values under double use of the data: genes without trends are used to order cells and then tested."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.utils import check_random_state

from .clusterer import TrendClusterer
from .errors import LineageClustWarning
from .io.cells import make_anndata
from .lineage.genes.expression import columns_of, stored_matrix, with_annotations
from .lineage.lineage import check_anndata, resolve_genes
from .plotting.parts.checking import axes_for
from .plotting.parts.theme import ink
from .results.result import result_of
from .thinning.halves import some_rows, thin_counts
from .thinning.splitting import estimate_dispersion
from .utils.checking import check_flag, check_seed, shortened
from .utils.constraints import integer, one_of
from .utils.documenting import parameters_as
from .utils.types import Seed

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_TIME = "dipping_pseudotime"
_LEAST_DRAWN = 1e-15  # smaller p-values are drawn at this value
_LEVELS = (0.05, 0.01, 0.001)
_VALUES_AT_A_TIME = 2**22
COUNTS = "counts"


@dataclass(frozen=True)
class DippingCheck:
    """P-values and clusters of genes without trends, in cells ordered by these genes.

    Attributes
    ----------
    pvalues : DataFrame of shape (n_genes, n_repetitions)
        P-values of the trends; NaN for genes without one. Valid p-values are uniform.
    n_clusters : list of int
        Number of clusters found in each repetition, all of them false.
    n_clustered : list of int
        Number of genes in these clusters.
    thinned : bool
        Whether cells were ordered by one half of the counts and tested with the other.

    Examples
    --------
    >>> check = DippingCheck(pd.DataFrame({0: [0.001, 0.02, 0.3, 0.9]}), [0], [0], False)
    >>> check.rejected.to_dict()
    {0.05: 0.5, 0.01: 0.25, 0.001: 0.0}
    """

    pvalues: pd.DataFrame
    n_clusters: list[int]
    n_clustered: list[int]
    thinned: bool

    @property
    def rejected(self) -> pd.Series:
        """Fractions of the p-values below .05, .01 and .001, by level; for valid p-values they are equal to the level."""
        known = self._known()
        return pd.Series([float(np.mean(known < level)) if len(known) else np.nan for level in _LEVELS], index=_LEVELS)

    def quantiles(self) -> pd.DataFrame:
        """Return the sorted p-values (`observed`) and the expectations of valid ones (`expected`)."""
        known = np.sort(self._known())
        return pd.DataFrame({"expected": (np.arange(len(known)) + 0.5) / max(1, len(known)), "observed": known})

    @parameters_as(axes_for)
    def plot(self, ax: Axes | None = None, figsize: tuple[float, float] | None = None, dpi: int | None = None) -> Axes:
        """Draw a quantile-quantile plot of -log10 p-values against valid ones; those below 1e-15 are truncated.

        Raises
        ------
        ValueError
            If there is no p-value.
        """
        table = self.quantiles()
        if table.empty:
            raise ValueError("There is no p-value to draw: no gene has one.")
        ax = axes_for(ax, (4.2, 3.8), figsize, dpi)
        logs = -np.log10(table.clip(lower=_LEAST_DRAWN))
        line = [0.0, float(logs["expected"].max())]
        ax.plot(line, line, color=ink(0.45), lw=1, zorder=0, label="valid p-values")
        ax.plot(logs["expected"], logs["observed"], ".", ms=4, color="#0072B2" if self.thinned else "#D55E00")
        ax.legend(frameon=False, fontsize=8, loc="upper left")
        ax.set_xlim(0, None)
        ax.set_ylim(0, None)
        ax.set_xlabel(r"expected $-\log_{10}\,p$")
        ax.set_ylabel(r"observed $-\log_{10}\,p$")
        how = "halves" if self.thinned else "same counts"
        title = f"No trajectory, {how}: P(p < .05) = {self.rejected[0.05]:.2f}"
        ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
        ax.spines[["top", "right"]].set_visible(False)
        return ax

    def _known(self) -> np.ndarray:
        values = self.pvalues.to_numpy(dtype=float).ravel()
        return values[np.isfinite(values)]


@parameters_as(thin_counts)
def dipping_check(
    adata: AnnData,
    layer: str | None = None,
    *,
    genes: Sequence[str] | None = None,
    order: Callable[[AnnData], Any] | None = None,
    clusterer: TrendClusterer | None = None,
    thin: bool = False,
    null: str = "simulation",
    n_repetitions: int = 1,
    n_cells: int = 5000,
    random_state: Seed = None,
) -> DippingCheck:
    """Remove all trajectories from the counts, order the cells again and fit, to obtain p-values under the null hypothesis.

    Even without a trajectory, the order is found in noise, and the genes from which it is computed change along it. The
    resulting number of significant genes is the reference for a test that uses the same counts.

    Parameters
    ----------
    genes : sequence of str, default=None
        Genes used for ordering and testing; `None` = all.
    order : callable, default=None
        `order(adata) -> pseudotime`, `(n_cells,)`, the method by which the cells of `adata` were ordered. It receives
        an AnnData with the new counts in the layer "counts" and log1p of the counts per median total in `X`. `None` =
        the first principal component of `X`.
    clusterer : TrendClusterer, default=None
        Settings of the fit; `layer` refers to the AnnData passed to `order`, and lineages are ignored. `None` = the
        default, which fits `X`.
    thin : bool, default=False
        Whether to order cells by one half of the new counts and fit the other, see :func:`thin_counts`.
    null : {"simulation", "permutation"}, default="simulation"
        Method by which trajectories are removed. "simulation": negative binomial counts with the mean of each gene, its
        dispersion around the mean of the cell, and the depth of each cell. "permutation": the counts of each gene are
        permuted among the cells. This assumes no distribution, but removes differences in depth, which tests of
        log-normalised values can detect, and turns differences between types of cells into noise.
    n_repetitions : int, default=1
        Number of repetitions.
    n_cells : int, default=5000
        Maximum number of cells, chosen at random.
    random_state : int, RandomState or None, default=None
        Seed.

    Returns
    -------
    DippingCheck

    Raises
    ------
    TypeError
        If a parameter has a wrong type.
    UnknownNameError
        If the layer or a gene is missing.
    ValueError
        If values are not counts, or `order` does not return one finite number per cell.

    Notes
    -----
    This is the worst case, in which no gene changes. If many genes change, they determine the order, and the noise of a
    single gene has little influence. The check shows how wrong p-values may be, and with ``thin=True`` whether thinning
    is a remedy.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(500, 60, n_lineages=1, random_state=0)
    >>> model = lc.TrendClusterer(lc.GAM("negative_binomial"), layer="counts")
    >>> same = dipping_check(adata, "counts", clusterer=model, random_state=0)
    >>> halves = dipping_check(adata, "counts", clusterer=model, thin=True, random_state=0)
    >>> bool(same.rejected[0.05] > 2 * halves.rejected[0.05])
    True
    """
    check_anndata(adata)
    check_flag("thin", thin)
    nulls = {"simulation": simulated, "permutation": permuted}
    one_of(nulls).check("null", null)
    integer(1).check("n_repetitions", n_repetitions)
    integer(10).check("n_cells", n_cells)
    check_seed("random_state", random_state)
    if order is not None and not callable(order):
        raise TypeError(f"order must be a function of an AnnData that returns pseudotime, or None; got {order!r}.")
    if clusterer is not None and not isinstance(clusterer, TrendClusterer):
        raise TypeError(f"clusterer must be a TrendClusterer or None; got {type(clusterer).__name__}.")
    adata = with_annotations(adata)
    genes = resolve_genes(adata, genes)
    seed = check_random_state(random_state)
    counts = some_rows(stored_matrix(adata, layer, False), seed, n_cells)[:, columns_of(adata, genes, False)]
    if counts.nnz == 0:
        raise ValueError(
            "All counts are 0, so that there is nothing to simulate. Pass the layer of counts as layer=...."
        )
    pvalues, n_clusters, n_clustered = {}, [], []
    for number in range(n_repetitions):
        whole = as_anndata(nulls[null](counts, seed), adata, genes)
        ordering = fitted_to = whole
        if thin:
            ordering, fitted_to = (
                as_anndata(half.X, half, genes) for half in thin_counts(whole, COUNTS, random_state=seed)
            )
        fitted_to.obs[_TIME] = _pseudotime(order or first_component, ordering)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No gene is clustered", LineageClustWarning)  # which is expected
            fitted = _settings(clusterer, seed).fit(fitted_to)
        found = result_of(fitted)
        pvalues[number] = found.decisions["pvalue"].reindex(genes)
        n_clusters.append(int(fitted.n_clusters_))
        n_clustered.append(int(np.sum(fitted.labels_ >= 0)))
    return DippingCheck(pd.DataFrame(pvalues), n_clusters, n_clustered, thin)


def first_component(adata: AnnData) -> np.ndarray:
    """Return the rank of each cell along the first principal component of `X`, from 0 to 1, `(n_cells,)`."""
    centred = adata.X.toarray()
    centred -= centred.mean(axis=0)
    if centred.shape[1] > 1:
        centred = np.asarray(TruncatedSVD(1, n_iter=10, random_state=0).fit_transform(centred))
    scores = centred[:, 0]
    return np.argsort(np.argsort(scores, kind="stable"), kind="stable") / max(1, len(scores) - 1)


def _pseudotime(order: Callable[[AnnData], Any], adata: AnnData) -> np.ndarray:
    given = order(adata.copy())
    if isinstance(given, pd.Series) and not given.index.equals(adata.obs_names):
        if given.index.is_unique and adata.obs_names.is_unique and adata.obs_names.isin(given.index).all():
            given = given.reindex(adata.obs_names)  # restores the order of the cells
    needed = f"order must return one finite number for each of the {adata.n_obs} cells; it returned"
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{needed} {shortened(given)}.") from None
    if values.shape != (adata.n_obs,):
        raise ValueError(f"{needed} shape {values.shape}.")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{needed} values that are not finite.")
    return values


def _settings(clusterer: TrendClusterer | None, seed: np.random.RandomState) -> TrendClusterer:
    made = TrendClusterer() if clusterer is None else clone(clusterer)
    made.set_params(genes=None, lineage=None, lineage_key=None, time_key=_TIME, time_range=None, use_raw=False)
    if made.random_state is None:
        made.set_params(random_state=int(seed.randint(2**31 - 1)))
    return made


def simulated(counts: sparse.csr_matrix, seed: np.random.RandomState) -> sparse.csr_matrix:
    """Return simulated negative binomial counts with the mean of each gene and the depth of each cell.

    Each gene keeps its fraction of all counts and its dispersion around the mean of the cell; each cell its expected total.
    """
    dispersion = estimate_dispersion(counts, seed)
    generator = np.random.default_rng(seed.randint(2**31 - 1))
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    means, size = np.asarray(counts.mean(axis=0), dtype=float).ravel(), totals / max(totals.mean(), 1e-300)
    blocks = []
    for genes in _some_genes(counts.shape):
        rate = np.outer(size, means[genes])
        shape = 1 / np.maximum(dispersion[genes], 1e-6)
        rate *= generator.gamma(shape, 1 / shape, rate.shape)
        blocks.append(sparse.csc_matrix(generator.poisson(rate).astype(np.int32)))
    return sparse.hstack(blocks, format="csr")


def permuted(counts: sparse.csr_matrix, seed: np.random.RandomState) -> sparse.csr_matrix:
    """Return counts permuted among all cells, separately per gene; the depth of cells then varies only by chance.

    Permuting among cells of similar totals would keep their depth, and the types of cells, which often differ in depth.
    """
    generator = np.random.default_rng(seed.randint(2**31 - 1))
    by_gene = counts.tocsc()
    parts = (by_gene[:, genes].toarray() for genes in _some_genes(counts.shape))
    blocks = [sparse.csc_matrix(generator.permuted(part, axis=0)) for part in parts]
    return sparse.hstack(blocks, format="csr")


def _some_genes(shape: tuple[int, int]) -> Iterator[slice]:
    step = max(1, _VALUES_AT_A_TIME // max(1, shape[0]))
    return (slice(start, start + step) for start in range(0, shape[1], step))


def as_anndata(counts: Any, like: AnnData, genes: Sequence[str]) -> AnnData:
    """Return an AnnData with the counts in the layer "counts", and log1p of the counts per median total in `X`."""
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    factor = np.median(totals[totals > 0]) / np.maximum(totals, 1.0) if totals.any() else np.ones(len(totals))
    logs = sparse.csr_matrix(counts.multiply(factor[:, None]))
    np.log1p(logs.data, out=logs.data)
    return make_anndata(logs, None, like.var.loc[list(genes)], {COUNTS: counts})
