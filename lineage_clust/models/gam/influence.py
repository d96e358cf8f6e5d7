"""Influence of single cells on Gaussian trends and their tests, which can be large where there are few cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm, t

from .design import Design
from .estimates import GeneEstimates
from .inference.significance import SmoothTests
from .smoothing.spectral import Spectrum

if TYPE_CHECKING:
    from .pirls.problem import Cells

_FEWEST_CHECKED = 16  # number of checked cells, those with the highest leverage
FOLLOWED = 0.3  # leverage from which a trend can follow a single cell
_RISKY = 0.2  # leverage from which the distribution of an estimate depends on that of a single cell
_N_ROWS = 200  # number of rows from which the range of a trend is computed
_HARDLY = 1e-6  # smoothing, relative to the value at which penalty and cells are equally informative
_LEVEL = 0.05


def closely_followed(design: Design, weights: np.ndarray, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted positions of the cells with the highest leverage on trends with little smoothing, and the leverage.

    They include all cells whose leverage is at least 0.3, at most three times as many as the design has columns.
    """
    root = _of_trend(design)[:, None] * spectrum.basis / np.sqrt(spectrum.gram + _HARDLY * (1 - spectrum.gram)).T
    leverage = weights * design.bands.lengths(root)
    n_cells = min(max(_FEWEST_CHECKED, int(np.sum(leverage >= FOLLOWED))), len(weights))
    cells = np.sort(np.argpartition(-leverage, n_cells - 1)[:n_cells])
    return cells, leverage[cells]


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # genes that failed or are constant
def effective_cells(squares, weights, leverage, deviations) -> np.ndarray:
    """Return the effective number of cells `(n_genes,)` that carry the variation of each gene, if the trend can follow them.

    A trend with as many degrees of freedom follows each of these cells. The other cells hardly vary, so that they leave no
    residuals from which the variance could be estimated, and the F approximation fails: with permuted pseudotime, 1 to 3 %
    of genes expressed in five to eight of 20 to 50 real cells had p < 1e-4.

    It is Kish's effective size `(sum a)^2 / sum a^2` of the squared deviations from the mean, `a = w d^2`, of which
    `squares` is the first sum. The second is over cells with a leverage of at least 0.3 under very little smoothing (of
    those of :func:`closely_followed`), as a trend cannot follow the others one by one; infinite without such cells.
    """
    shares = np.where(leverage >= FOLLOWED, weights, 0.0)[:, None] * deviations**2 / squares
    return 1 / np.sum(shares**2, axis=0)  # of shares, because fourth powers of deviations may overflow


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def without_outliers(
    tests: SmoothTests, cells: Cells, followed: np.ndarray, residuals: np.ndarray, deviance: np.ndarray,
    deviations: np.ndarray, squares: np.ndarray,
) -> tuple[np.ndarray, SmoothTests] | None:  # fmt: skip
    """Return the genes with outlying cells that their trends follow, and the tests of these trends without the cells.

    Sums over many cells are about normal, whatever the distribution of expression, but not if single cells dominate:
    leverages above 0.2 are risky (Huber 1981, Robust Statistics, section 7.2). Where few cells are at an end of the range,
    genes with permuted pseudotime had p-values down to 1e-10, because one or two of the highest values of a rare gene were
    there. A cell is left out if its leverage is at least 0.2 and its deviation from the mean exceeds that of the largest of
    as many normal variables (Bonferroni). The smoothing parameter stays the same. `None` = there are no such genes.

    followed : Positions of the cells with the highest leverage.
    residuals, deviations : `(len(followed), n_genes)` from the trend and from the mean.
    deviance, squares : `(n_genes,)` weighted sums of their squares over all cells.
    """
    posterior: Any = tests.posterior
    weights, spread = cells.weights[followed], 1 / posterior.precision
    modes = cells.design.bands[followed].dense() @ posterior.spectrum.basis
    limit = norm.isf(_LEVEL / 2 / len(cells.weights)) ** 2 * squares / cells.weights.sum()
    outlying = (weights[:, None] * (modes**2 @ spread) >= _RISKY) & (deviations**2 > limit) & tests.varies
    genes = np.flatnonzero(outlying.any(axis=0))
    if len(genes) == 0:
        return None
    some, kept, to_effects = tests.take(genes), np.ones(len(genes)), tests.to_effects @ posterior.spectrum.basis
    for place, gene in enumerate(genes):
        out = outlying[:, gene]
        own, weighted = modes[out], weights[out] * residuals[out, gene]
        by_cell = spread[:, gene, None] * own.T
        # the influence of several cells, as in Cook & Weisberg (1982), section 3.6; leverages may be 1 without smoothing
        without = np.linalg.solve((1 + 1e-9) * np.eye(len(own)) - weights[out, None] * (own @ by_cell), weighted)
        some.effects[place] -= to_effects @ (by_cell @ without)
        kept[place] -= min(without @ residuals[out, gene] / deviance[gene], 1.0)
    left: Any = some.posterior
    return genes, replace(some, posterior=replace(left, scale=left.scale * kept, variance=left.variance * kept))


@np.errstate(over="ignore", invalid="ignore")  # if squares overflow
def remarks_on_single_cells(
    cells: Cells, result: GeneEstimates, deviance: np.ndarray, followed: np.ndarray, values: np.ndarray
) -> dict[int, str]:
    """Return a note on each gene without a note whose trend depends on one cell.

    deviance : `(n_genes,)` weighted residual sums of squares.
    followed, values : Positions of the checked cells, and their expression `(len(followed), n_genes)`.

    Without a cell, at the same smoothing parameter, the coefficients would be lower by `P z w e / (1 - h)`, where `P` is the
    inverse of the penalised gram matrix, `z` the cell's row of the design, `w` its weight, `e` its residual and `h = w z'Pz`
    its leverage [1]_. Let `d` be the resulting change of the trend at the cell's pseudotime. A note is made if

    - `d` exceeds half of the range of the trend, so that the cell has more influence than all others together;
    - `d` exceeds half of the width of the 95 % interval of the trend there; and
    - the cell is an outlier: its externally studentised residual exceeds the quantile of the t distribution for the largest
      residual of all cells (Bonferroni) [1]_.

    Only the cells with the highest leverage under very little smoothing are checked, as no other can have such influence.

    .. [1] Cook & Weisberg (1982). Residuals and Influence in Regression. Chapman & Hall, sections 2.2 and 3.4.
    """
    plain = np.array([not remark for remark in result.note])
    genes = np.flatnonzero(plain & np.isfinite(result.coefficients).all(axis=0) & (deviance > 0))
    if len(genes) == 0:
        return {}
    posterior: Any = result.posterior.take(genes)
    coefficients, deviance = result.coefficients[:, genes], deviance[genes]
    rows, values = cells.design.bands[followed].dense(), values[:, genes]
    known = 0.0 if cells.offset is None else cells.offset[followed][:, None]
    weights, residual = cells.weights[followed][:, None], values - known - rows @ coefficients
    at_trend = rows * _of_trend(cells.design)
    modes, of_trend = (part @ posterior.spectrum.basis for part in (rows, at_trend))
    trend, spread = at_trend @ coefficients, 1 / posterior.precision
    leverage = np.minimum(weights * (modes**2 @ spread), 1 - 1e-9)
    moved = weights * ((of_trend * modes) @ spread) * residual / (1 - leverage)
    suspect = np.abs(moved) > 0.5 * _ranges(cells.design, coefficients, rows)
    n_cells, lost = len(cells.weights), weights * residual**2 / (1 - leverage)  # decrease in deviance without each cell
    freedom = max(n_cells - result.edf[genes].max() - 1, 1.0)
    others = np.maximum(deviance - lost, 0.0) / freedom
    suspect &= lost > t.isf(_LEVEL / 2 / n_cells, freedom) ** 2 * others
    found = np.flatnonzero(suspect.any(axis=0))
    half = np.full(moved.shape, np.inf)
    half[:, found] = norm.isf(_LEVEL / 2) * posterior.take(found).std(at_trend)
    size = np.where(suspect & (np.abs(moved) > half), np.abs(moved), 0.0)
    remarks = {}
    for gene in np.flatnonzero(size.any(axis=0)):
        cell = int(np.argmax(size[:, gene]))
        there, without = trend[cell, gene], trend[cell, gene] - moved[cell, gene]
        remarks[int(genes[gene])] = (
            f"depends on one cell: without its expression of {values[cell, gene]:.3g} the trend would be {without:.3g} "
            f"there, not {there:.3g}"
        )
    return remarks


def _ranges(design: Design, coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the range of each smooth `(n_genes,)`, over the checked rows and others spread along it."""
    every, n_smooth = design.bands, design.n_smooth
    coordinate = every.starts + every.values @ np.arange(every.values.shape[1])
    coordinate = (coordinate - coordinate.min()) / max(np.ptp(coordinate), np.finfo(float).tiny)
    along = np.full(_N_ROWS, -1)
    along[np.minimum(coordinate * _N_ROWS, _N_ROWS - 1).astype(int)] = np.arange(len(coordinate))
    smooth = np.vstack([rows, every[along[along >= 0]].dense()])[:, :n_smooth] @ coefficients[:n_smooth]
    return np.ptp(smooth, axis=0)


def _of_trend(design: Design) -> np.ndarray:
    """Return a mask `(n_columns,)` of the columns of the trend: the smooth and the intercept, without covariates."""
    columns = np.arange(len(design.penalty))
    return (columns < design.n_smooth) | (columns >= len(columns) - design.has_intercept)
