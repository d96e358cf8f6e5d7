"""Cluster-robust covariances and tests of trends, gene by gene, from sums over each donor's cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import special, stats

from ....expression.sums.bands import design_by_donor
from ...notes import noted
from ..design import Design, effect_map
from ..estimates import GeneEstimates
from ..inference.posterior import GenePosterior
from ..pirls.problem import Cells
from ..smoothing.spectral import Spectrum, diagonalise, with_rotations, without_information
from .bases import scaled_basis
from .nodes import FEWEST_DONORS, IN_FEW_DONORS, DonorTable
from .significance import contrast_of

# Degrees of freedom of the first mode from which two modes are tested, for power against lines, steps and bumps, with other
# seeds than the benchmark's: the second costs a fifth of the power with six donors, and none with eight. A third would cost
# power with any number, and would be too often significant in counts (.10 instead of .05 with twelve very different donors).
_ENOUGH = 6.0
_N_MODES = 5  # smoothest modes, from which the degrees of freedom of a curve are computed
_CHUNK_VALUES = 2_000_000
_UPPER = 0.975
_VARIES = 1e-9  # fraction of the squares of a column that is not rounding error

_Chunk = tuple[np.ndarray, Spectrum, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NONE = 1e-10  # relative, of eigenvalues that are zero but for rounding
_KNOWN = 0.999  # fraction of a variance that is estimated


def gaussian_clusters(
    cells: Cells, result: GeneEstimates, spectrum: Spectrum, grams: np.ndarray, products: np.ndarray,
    coefficients: np.ndarray, scale: np.ndarray, tested: np.ndarray, untestable: np.ndarray,
) -> GeneEstimates:  # fmt: skip
    """Return a Gaussian fit of cells in which errors and tests are replaced by those with donors as replicates.

    grams, products : `Z_d'WZ_d`, `(n_donors, n_columns, n_columns)`, and `Z_d'Wy`, `(n_donors, n_columns, n_genes)`.
    coefficients : `(n_columns, n_genes)`; these and the products are of centred expression.
    scale : `(n_genes,)` residual variance of weights that are precisions.
    tested, untestable : `(n_genes,)` whether each gene is tested, and positions of genes that cannot be.

    With ``A = (Z'WZ + lambda S)^-1``, the covariance of the coefficients of a fit of cells is ``A sum_d u_d u_d' A + phi
    lambda A S A``: the sampling variance with donors as replicates, and the expected square of the smoothing bias, as in
    :class:`lineage_clust.models.gam.inference.posterior.SharedPosterior`. `u_d` are the donors' scores ``Z_d'W(y - Z
    beta)`` with the correction CR2 [1]_ for the leverage of each donor. As this variance is itself uncertain if donors are
    few, the covariance is multiplied by the squared ratio of the 97.5 % quantiles of a t and a normal distribution, with
    Satterthwaite's degrees of freedom [2]_ for the whole curve. Nothing is assumed about the differences between donors, and
    nothing is learned from other genes.

    The test is the approximate Hotelling test [2]_ of the one or two smoothest modes of the centred smooth, in an
    unpenalised fit of these modes, the covariates and a level of each donor: where donors have different densities along
    time, differences between their levels would otherwise be taken for a trend. The number of modes depends only on the
    donors and their cells: the second sees more kinds of trends, but costs degrees of freedom, of which there are fewer than
    donors. One donor with half of all cells leaves few.

    .. [1] Bell & McCaffrey (2002). Survey Methodology 28, 169-181.
    .. [2] Pustejovsky & Tipton (2018). Journal of Business & Economic Statistics 36, 672-683.
    """

    def chunks() -> Iterator[_Chunk]:
        for genes in _chunks(np.setdiff1d(np.arange(len(tested)), list(result.failed)), grams.size):
            scores = np.moveaxis(products[..., genes] - grams @ coefficients[:, genes], -1, 0)[..., None]
            yield genes, spectrum, scale[genes], grams[None], products[None, ..., genes], scores

    return _with_clusters(cells, result, grams, chunks(), tested, untestable)


def family_clusters(cells: Cells, result: GeneEstimates, table: DonorTable) -> GeneEstimates:
    """Return the same for other families, from score and information at the means of the fit of cells.

    Errors are those of generalised estimating equations (Liang & Zeger 1986, Biometrika 73, 13-22) with a working
    independence of the cells: the trend is the mean over donors, and not, as with random curves, that of a median donor.
    Genes that fewer than three donors express are not tested.
    """
    nodes, likelihood, design, sums = table.nodes, cells.likelihood, cells.design, table.of_nodes.sums
    n_genes, n_columns = len(sums), len(design.penalty)
    few = table.expressing.sum(axis=0) < FEWEST_DONORS
    working = getattr(result.posterior, "working", None)
    scale = result.scale if working is None else working.scale
    theta = np.ones(n_genes) if result.theta is None else result.theta
    usable = np.flatnonzero(np.isfinite(result.coefficients).all(axis=0) & (sums != 0).any(axis=1))
    free = diagonalise(design.bands.gram(cells.weights), design.penalty).n_unpenalized

    def chunks() -> Iterator[_Chunk]:
        for genes in _chunks(usable, max(len(nodes.rows), len(nodes.of_donors) * n_columns**2)):
            coefficients = result.coefficients[:, genes]
            values = sums[np.ix_(genes, nodes.order)].T
            mu = likelihood.link.mean(nodes.rows @ coefficients + nodes.offset)
            slope = likelihood.link.slope(mu)
            precision = slope / likelihood.family.variance(mu, theta[genes])
            information = np.maximum(nodes.weights, 0.0) * precision * slope
            residual = precision * (values - nodes.weights * mu)
            parts = list(zip(nodes.of_donors, nodes.grouped, strict=True))
            grams = np.stack([grouped.grams(information[own]) for own, grouped in parts], axis=1)
            scores = np.stack([grouped.cross(residual[own]).T for own, grouped in parts], axis=1)[..., None]
            products = scores + grams @ coefficients.T[:, None, :, None]
            known = ~without_information(grams.sum(axis=1))
            genes, grams, products, scores = (part[known] for part in (genes, grams, products, scores))
            spectrum = with_rotations(grams.sum(axis=1), design.penalty, free)[0]
            yield genes, spectrum, scale[genes], grams, products, scores

    statistic, pvalue = result.tests if isinstance(result.tests, tuple) else result.tests.run()
    untestable, tested = np.flatnonzero(np.isnan(pvalue)), (statistic != 0) & ~few
    by_donor = design_by_donor(design.bands, cells.weights, table.groups)[0]
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        found = _with_clusters(cells, result, by_donor, chunks(), tested, untestable)
    few[list(result.failed)] = False
    return replace(found, note=noted(result.note, np.flatnonzero(few), IN_FEW_DONORS))


def _with_clusters(cells, result, by_donor, chunks: Iterator[_Chunk], tested, untestable) -> GeneEstimates:
    n_genes, n_columns = len(tested), by_donor.shape[-1]
    columns, n_tested = _tested_columns(cells.design, by_donor, len(cells.weights))
    covariances = np.full((n_genes, n_columns, n_columns), np.nan)
    statistic, pvalue = np.zeros(n_genes), np.ones(n_genes)
    for genes, spectrum, scale, grams, products, scores in chunks:
        covariances[genes] = _covariances(spectrum, result.lambda_[genes], scale, grams, scores)
        if n_tested:
            of_genes = hotelling_test(*_within(cells.design.constant, columns, grams, products), n_tested)
            statistic[genes], pvalue[genes] = of_genes
    statistic[~tested], pvalue[~tested] = 0.0, 1.0
    statistic[untestable] = pvalue[untestable] = np.nan
    return replace(result, posterior=GenePosterior(covariances), tests=(statistic, pvalue))


def _covariances(spectrum, lambda_, scale, grams, scores) -> np.ndarray:
    """Return the covariances `(n_genes, n_columns, n_columns)` of the coefficients of penalised fits."""
    basis = spectrum.basis if spectrum.basis.ndim == 3 else spectrum.basis[None]
    precision = (spectrum.gram + spectrum.penalty * lambda_).T
    kept = spectrum.gram.T / precision  # fraction of each mode that the cells determine
    # the variance of residuals of a penalised fit is `I - Z (2 A - A Z'WZ A) Z'W`
    half = basis * np.sqrt((2 - kept) / precision)[:, None]
    back = basis / np.sqrt((2 - kept) * precision)[:, None]
    inner, factors, steps = steps_of_donors(grams, scores, half)
    steps = steps[..., 0] @ np.swapaxes(back, -1, -2)
    bias = basis * (np.sqrt(spectrum.penalty * lambda_ * scale).T / precision)[:, None]
    rows = np.sqrt(kept / (2 - kept))[:, :_N_MODES, None] * np.eye(kept.shape[1])[:_N_MODES]
    df = np.maximum(degrees_of_freedom(inner, factors, rows), 1.0)
    ratio = stats.t.ppf(_UPPER, df) / special.ndtri(_UPPER)
    return ratio[:, None, None] ** 2 * (np.swapaxes(steps, -1, -2) @ steps + bias @ np.swapaxes(bias, -1, -2))


def _tested_columns(design: Design, by_donor: np.ndarray, n_cells: int) -> tuple[np.ndarray, int]:
    """Return the columns of the unpenalised fit, of which the last are tested, as coefficients of the design."""
    gram = by_donor.sum(axis=0)
    fixed, n_determined = scaled_basis(diagonalise(gram, design.penalty), n_cells)
    fixed = fixed[:, :n_determined]
    contrast = contrast_of(effect_map(gram, *design.centring), fixed, design.penalty)
    modes = fixed @ np.linalg.pinv(contrast.rows)
    columns = np.hstack([np.eye(len(gram))[:, design.n_smooth :], modes[:, :2]])
    within = _within(design.constant, columns, by_donor[None], np.zeros((*by_donor.shape[:-1], 1)))[0]
    sizes = [np.einsum("dii->i", one) for one in (within[0], columns.T @ by_donor @ columns)]
    varies = sizes[0] > _VARIES * sizes[1]  # within donors
    n_others = int(varies[: len(gram) - design.n_smooth].sum())
    columns = columns[:, varies]
    if columns.shape[1] == n_others:
        return columns, 0
    first = within[:, :, varies][..., varies][..., : n_others + 1, : n_others + 1]
    half = half_of(first.sum(axis=1))
    inner, factors, _ = steps_of_donors(first, np.zeros((*first.shape[:-1], 1)), half)
    df = degrees_of_freedom(inner, factors, half[:, -1:])[0]
    n_tested = min(1 + int(df >= _ENOUGH), columns.shape[1] - n_others)
    return columns[:, : n_others + n_tested], n_tested


def _within(constant, columns: np.ndarray, grams: np.ndarray, products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over columns minus their mean over the cells of each donor, if the design has a constant."""
    if constant is not None:
        sums, totals = grams @ constant, constant @ products
        means = sums / np.maximum(sums @ constant, 1e-300)[..., None]
        grams, products = (
            grams - means[..., None] * sums[..., None, :],
            products - means[..., None] * totals[..., None, :],
        )
    return columns.T @ grams @ columns, columns.T @ products


def _chunks(genes: np.ndarray, n_values: int) -> list[np.ndarray]:
    step = max(_CHUNK_VALUES // max(n_values, 1), 1)
    return [genes[first : first + step] for first in range(0, len(genes), step)]


def half_of(grams: np.ndarray) -> np.ndarray:
    """Return `L` with `LL'` the inverse of gram matrices, or a pseudo-inverse for collinear columns."""
    scale = np.sqrt(np.maximum(np.einsum("gii->gi", grams), 1e-300))
    return _inverse_root(grams / (scale[:, :, None] * scale[:, None])) / scale[:, :, None]


def steps_of_donors(
    grams: np.ndarray, scores: np.ndarray, half: np.ndarray, power: float = -0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `L'G_dL`, `F_d = (I - L'G_dL)^power` and `F_d L's_d`; the power is -1/2 for CR2, and -1 for the jackknife.

    With `LL'` the inverse of the gram matrix, the last are `L'u_d` with CR2's ``u_d = Z_d'W^(1/2) (I - H_dd)^(-1/2) W^(1/2)
    e_d``. With the block `H_dd` of the hat matrix, it is ``(I - G_d LL')^(-1/2) s_d``, which requires only sums over cells.
    """
    turned = np.swapaxes(half, -1, -2)[:, None]
    inner = turned @ grams @ half[:, None]
    values, vectors = np.linalg.eigh(np.eye(inner.shape[-1]) - inner)
    # a donor that determines its own fit has no residual
    powers = np.where(values > _NONE, np.maximum(values, _NONE) ** power, 0.0)
    factors = (vectors * powers[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return inner, factors, factors @ (turned @ scores)


def degrees_of_freedom(inner: np.ndarray, factors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom of a Wishart distribution with the moments of CR2's estimate, `(n_matrices,)`.

    `inner` and `factors` are from :func:`steps_of_donors`, to whose steps `rows` are applied. The mean of the estimate and
    the sum of the variances of its elements are matched, for independent cells with their weights as precisions:
    Satterthwaite's approximation for one row. They are 0 if the rows depend on a cluster that determines its own fit, so
    that it has no residuals.
    """
    weighted, turned = rows[:, None] @ factors @ inner, np.swapaxes(rows, -1, -2)
    n_matrices, n_donors, n, _ = weighted.shape
    flat = weighted.reshape(n_matrices, n_donors * n, -1)
    between = -(flat @ np.swapaxes(flat, -1, -2)).reshape(n_matrices, n_donors, n, n_donors, n)
    every = np.arange(n_donors)
    between[:, every, :, every] += np.moveaxis(weighted @ factors @ turned[:, None], 1, 0)
    mean = between[:, every, :, every].sum(axis=0)
    known = np.einsum("...ss->...", mean) > _KNOWN * np.einsum("...ss->...", rows @ inner.sum(axis=1) @ turned)

    def size(of: np.ndarray) -> np.ndarray:
        return np.einsum("...ss->...", of) ** 2 + np.sum(of * np.swapaxes(of, -1, -2), axis=(-1, -2))

    variances = size(np.swapaxes(between, 2, 3)).sum(axis=(1, 2))
    return np.divide(size(mean), variances, out=np.zeros(n_matrices), where=known)


def hotelling_test(grams: np.ndarray, products: np.ndarray, n_tested: int) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics and p-values of the approximate Hotelling test that the last coefficients are zero.

    Arguments are `Z_d'WZ_d` and `Z_d'Wy`, of `n_matrices` and with `n` columns, either of which may be the number of genes;
    see Pustejovsky & Tipton (2018), section 3.2.
    """
    half = half_of(grams.sum(axis=1))
    coefficients = half @ (np.swapaxes(half, -1, -2) @ products.sum(axis=1))
    inner, factors, steps = steps_of_donors(grams, products - grams @ coefficients[:, None], half)
    last = half[:, half.shape[1] - n_tested :]
    whiten = np.swapaxes(_inverse_root(last @ np.swapaxes(last, -1, -2)), -1, -2)
    rows, effects = whiten @ last, np.swapaxes(whiten @ coefficients[:, half.shape[1] - n_tested :], 1, 2)
    steps = np.moveaxis(rows[:, None] @ steps, -1, 1)
    variance = np.swapaxes(steps, -1, -2) @ steps
    ridge = (_NONE * np.einsum("mnss->mn", variance) + 1e-300)[..., None, None] * np.eye(n_tested)
    statistic = np.sum(effects * np.linalg.solve(variance + ridge, effects[..., None])[..., 0], axis=-1)
    df = degrees_of_freedom(inner, factors, rows)[:, None]
    left = df - n_tested + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        pvalue = np.where(left > 0, stats.f.sf(statistic * left / (df * n_tested), n_tested, left), 1.0)
    return statistic.ravel() / n_tested, np.nan_to_num(pvalue, nan=1.0).ravel()


def _inverse_root(matrices: np.ndarray) -> np.ndarray:
    """Return `R` with `RR'` the inverse of symmetric matrices on their range."""
    values, vectors = np.linalg.eigh(matrices)
    sizes = np.where(values > _NONE * values[:, -1:], 1 / np.sqrt(np.maximum(values, 1e-300)), 0.0)
    return vectors * sizes[:, None]
