"""Estimation of smoothing parameters by REML or GCV, batched over genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ....utils.compiling import compiled_module
from .spectral import Spectrum

load_compiled = compiled_module(".compiled", __package__)

_N_GRID = 40
_N_STEPS = 60
_LEAST = 5e-9  # relative to a sum of squares; smaller deviances are rounding errors
# Returns the criterion and its first two derivatives with respect to log lambda.
Criterion = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def reml(
    spectrum: Spectrum, loadings: np.ndarray, squares: np.ndarray, n_cells: float, floor: np.ndarray | None = None,
    known_scale: bool = False,
) -> Criterion:  # fmt: skip
    """Return the REML criterion of a linear model, profiled over the scale unless this is known, and then 1.

    loadings : `a = T'Z'Wy`, `(n_modes, n_genes)`.
    squares : `y'Wy`, `(n_genes,)`; for a known scale it is a constant and may be 0.
    n_cells : Number of cells with positive weight, `n`.
    floor : Deviances `(n_genes,)` below which rounding would determine lambda; `None` = from `squares`.
    returns : function. `(log_lambda, genes) -> (value, first derivative, second derivative)`, each `(len(genes),)`.

    ``(n - M0)/2 log D_p + 1/2 sum log(g_j + lambda s_j) - r/2 log lambda`` with ``D_p = y'Wy - sum a_j^2 / (g_j +
    lambda s_j)``, the diagonals `g`, `s` of the spectrum, the number `M0` of unpenalised modes and the rank `r` of the
    penalty (Wood 2011, JRSS B 73, 3-36, eq. 4; Reiss & Ogden 2009, JRSS B 71, 505-523). For a known scale, the first term
    is ``D_p / 2``; the minimum for the working model of iteratively reweighted fits is then the fixed point of the
    generalised Fellner-Schall update (Wood & Fasiolo 2017, Biometrics 73, 1071-1081, section 2).
    """
    factor, rank = 0.5 if known_scale else 0.5 * (n_cells - spectrum.n_unpenalized), spectrum.n_penalized
    floor, powers = least_deviance(squares) if floor is None else floor, loadings**2

    def criterion(log_lambda, genes):
        modes = _Modes(spectrum, log_lambda, genes)
        energy, slope, bend = modes.energies(powers, genes, 3)
        deviance = squares[genes] - energy, slope, slope - 2 * bend
        value, first, second = deviance if known_scale else _logarithm(*deviance, floor[genes])
        return (
            factor * value + 0.5 * (modes.log_determinant - rank * log_lambda),
            factor * first + 0.5 * (modes.share - rank),
            factor * second + 0.5 * modes.turning,
        )

    return criterion


def gcv(
    spectrum: Spectrum, loadings: np.ndarray, squares: np.ndarray, n_cells: float, floor: np.ndarray | None = None,
    known_scale: bool = False,
) -> Criterion:  # fmt: skip
    """Return the logarithm of generalised cross-validation, ``log RSS - 2 log(n - edf)``; arguments as in `reml`.

    For a known scale, it is the un-biased risk estimator ``RSS + 2 edf`` (Wood 2017, Generalized Additive Models, 2nd ed.,
    sections 6.2.1 and 6.2.3).
    """
    floor, powers = least_deviance(squares) if floor is None else floor, loadings**2

    def criterion(log_lambda, genes):
        modes = _Modes(spectrum, log_lambda, genes)
        energy, slope, bend, twist = modes.energies(powers, genes, 4)
        rss = squares[genes] - (energy + slope), 2 * bend, 4 * bend - 6 * twist
        if known_scale:
            return rss[0] + 2 * modes.edf, rss[1] - 2 * modes.turning, rss[2] - 2 * modes.bending
        value, first, second = _logarithm(*rss, floor[genes])
        residual_df = np.maximum(n_cells - modes.edf, 1e-8)
        rise = modes.turning / residual_df
        second += 2 * rise**2 - 2 * modes.bending / residual_df
        return value - 2 * np.log(residual_df), first - 2 * rise, second

    return criterion


CRITERIA: dict[str | float, Callable[..., Criterion]] = {"reml": reml, "gcv": gcv}


def _logarithm(deviance, slope, bend, floor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logarithm of a deviance above its floor, and two derivatives, given those of the deviance."""
    bounded, kept = with_floor(deviance, floor)
    rise = kept * slope / bounded
    return np.log(bounded), rise, kept * bend / bounded + (slope / bounded) ** 2 - 2 * rise**2


def minimise(criterion: Criterion, spectrum: Spectrum, n_genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the smoothing parameter of every gene, and whether the search converged.

    The criterion may have several minima. A grid over the useful range of lambda (from no visible to complete
    smoothing) selects one, followed by safeguarded Newton steps.
    """
    if spectrum.n_penalized == 0 or n_genes == 0:
        return np.zeros(n_genes), np.ones(n_genes, dtype=bool)
    return _descended(criterion, *_bracketed(criterion, spectrum, n_genes))


def minimise_each(
    name: str, spectra: list[Spectrum], loadings: list[np.ndarray], squares: list[np.ndarray], n_cells: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the same as :func:`minimise` for groups of genes with one spectrum each; Newton steps are made jointly.

    Arguments are as in :func:`reml`, for the genes of each group.
    """
    make = CRITERIA[name]
    criteria = [make(*of, n_cells) for of in zip(spectra, loadings, squares, strict=True)]
    counts = [len(one) for one in squares]
    if len({(len(one.gram), one.n_unpenalized) for one in spectra}) != 1 or spectra[0].n_penalized == 0:
        return [minimise(*of) for of in zip(criteria, spectra, counts, strict=True)]
    starts = [_bracketed(*of) for of in zip(criteria, spectra, counts, strict=True)]
    gram, penalty = (
        np.hstack(
            [np.broadcast_to(getattr(of, part), (len(of.gram), n)) for of, n in zip(spectra, counts, strict=True)]
        )
        for part in ("gram", "penalty")
    )
    joint = Spectrum(spectra[0].basis, gram, penalty, spectra[0].n_unpenalized)
    criterion = make(joint, np.hstack(loadings), np.concatenate(squares), n_cells)
    found = _descended(criterion, *(np.concatenate(part) for part in zip(*starts, strict=True)))
    ends = np.cumsum(counts)[:-1]
    return list(zip(*(np.split(part, ends) for part in found), strict=True))


def _bracketed(criterion: Criterion, spectrum: Spectrum, n_genes: int) -> tuple[np.ndarray, ...]:
    """Return log lambda, bounds of the minimum near it, and which genes need further steps, `(n_genes,)` each."""
    lowest, highest = log_lambda_range(spectrum)
    grid = np.linspace(lowest, highest, _N_GRID)
    every = np.arange(n_genes)
    values, slopes = on_grid(criterion, grid, n_genes)
    grid = np.broadcast_to(grid, values.shape)
    # the criterion is flat up to rounding at the smooth end: select the smoothest among ties
    ties = values <= values.min(axis=0) + 1e-10 * np.maximum(1.0, np.abs(values.min(axis=0)))
    best = _N_GRID - 1 - np.argmax(ties[::-1], axis=0)
    log_lambda = grid[best, every]
    low, high = grid[np.maximum(best - 1, 0), every], grid[np.minimum(best + 1, _N_GRID - 1), every]
    # if two minima are nearly equal, the best grid point need not be next to the deeper one
    depths, places = _basins(grid, values, slopes)
    deepest = np.argmin(depths, axis=0)
    other = every[(depths[deepest, every] < values[best, every]) & (best < _N_GRID - 1)]
    low[other], high[other] = grid[deepest[other], other], grid[deepest[other] + 1, other]
    log_lambda[other] = places[deepest[other], other]
    return log_lambda, low, high, best < _N_GRID - 1  # at the smooth end, lambda is effectively infinite


def _descended(
    criterion: Criterion, log_lambda: np.ndarray, low: np.ndarray, high: np.ndarray, active: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return lambda after safeguarded Newton steps, and whether they converged; arguments are from `_bracketed`."""
    n_genes, active = len(log_lambda), np.flatnonzero(active)
    for _ in range(_N_STEPS):
        if len(active) == 0:
            break
        here = log_lambda[active]
        _, first, second = criterion(here, active)
        rising = first > 0
        high[active[rising]] = here[rising]
        low[active[~rising]] = here[~rising]
        with np.errstate(divide="ignore", invalid="ignore"):
            target = here - first / second
        inside = (second > 0) & (target > low[active]) & (target < high[active])
        target = np.where(inside, target, 0.5 * (low[active] + high[active]))
        log_lambda[active] = target
        active = active[np.abs(target - here) > 1e-10]
    converged = np.ones(n_genes, dtype=bool)
    converged[active] = False
    return np.exp(log_lambda), converged


def on_grid(criterion: Criterion, grid: np.ndarray, n_genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values and slopes `(n_grid, n_genes)` of a criterion at a grid of log lambda `(n_grid, 1 or n_genes)`."""
    every = np.arange(n_genes)
    if grid.shape[1] == 1:  # all genes share a spectrum: one matrix product for all
        return criterion(grid, every)[:2]
    values, slopes = np.stack([criterion(points, every)[:2] for points in grid]).transpose(1, 0, 2)
    return values, slopes


def _basins(grid: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum of the criterion between adjacent grid points and its position, `(n_grid - 1, n_genes)` each.

    Computed by cubic Hermite interpolation; infinite where the criterion does not fall and then rise.
    """
    depths, places = np.full_like(values[1:], np.inf), grid[:-1].copy()
    at, genes = np.nonzero((slopes[:-1] < 0) & (slopes[1:] > 0))
    step = grid[at + 1, genes] - grid[at, genes]
    falls, rises = slopes[at, genes] * step, slopes[at + 1, genes] * step
    change = values[at + 1, genes] - values[at, genes]
    share = np.linspace(0, 1, 17)[1:-1, None]
    cubic, square = falls + rises - 2 * change, 3 * change - 2 * falls - rises
    along = values[at, genes] + share * (falls + share * (square + share * cubic))
    depths[at, genes] = along.min(axis=0)
    places[at, genes] += share[np.argmin(along, axis=0), 0] * step
    return depths, places


class _Modes:
    """Terms of the criteria at one lambda per gene, or on a grid of lambda `(n_grid, 1)` for all genes.

    With the diagonals `g`, `s` of the spectrum, `u = lambda s / (g + lambda s)` is the fraction of each mode that is
    determined by the penalty, and ``d u / d log lambda = u (1 - u)``.
    """

    def __init__(self, spectrum: Spectrum, log_lambda: np.ndarray, genes: np.ndarray):
        own = spectrum.gram.shape[1] > 1
        gram, penalty = (a[:, genes] if own else a for a in (spectrum.gram, spectrum.penalty))
        shrink = np.exp(log_lambda).ravel() * penalty
        self._denominator = gram + shrink
        self._share = shrink / self._denominator
        self._shape = log_lambda.shape

    def _sum(self, terms: np.ndarray) -> np.ndarray:
        return terms.sum(axis=0).reshape(self._shape)

    @property
    def log_determinant(self) -> np.ndarray:
        return self._sum(np.log(self._denominator))

    @property
    def share(self) -> np.ndarray:
        return self._sum(self._share)

    @property
    def edf(self) -> np.ndarray:
        return self._sum(1 - self._share)

    @property
    def turning(self) -> np.ndarray:
        """The derivative of `share` with respect to log lambda."""
        return self._sum(self._share * (1 - self._share))

    @property
    def bending(self) -> np.ndarray:
        """The second derivative of `share` with respect to log lambda."""
        return self._sum(self._share * (1 - self._share) * (1 - 2 * self._share))

    def energies(self, powers: np.ndarray, genes: np.ndarray, n_orders: int) -> Iterator[np.ndarray]:
        """Yield the sums over modes of ``a^2 u^p / (g + lambda s)``, `p = 0, 1, ...`; `powers` contains `a^2`."""
        factors, powers = 1 / self._denominator, powers[:, genes]
        for _ in range(n_orders):
            on_grid = len(self._shape) > 1
            yield factors.T @ powers if on_grid else np.einsum("ij,ij->j", factors, powers)
            factors = factors * self._share


def log_lambda_range(spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """Return the range of log lambda, from practically no smoothing to complete smoothing."""
    penalty, gram = spectrum.penalty, np.maximum(spectrum.gram, 1e-8)
    determined = (penalty > 0) & (spectrum.gram > 1e-8)
    determined |= ~determined.any(axis=0) & (penalty > 0)
    largest = np.where(determined, penalty / gram, 0.0).max(axis=0)
    least = np.where(determined, penalty / gram, np.inf).min(axis=0)
    return np.log(1e-6 / largest), np.log(1e8 / least)


def least_deviance(squares: np.ndarray) -> np.ndarray:
    """Return the deviance below which rounding would determine lambda; positive for a constant gene."""
    return np.maximum(_LEAST * squares, np.finfo(float).tiny)


def with_floor(deviance: np.ndarray, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``sqrt(D^2 + floor^2)``, a smooth maximum of deviance and floor, and its derivative by `D`."""
    deviance = np.maximum(deviance, 0.0)
    length = np.hypot(deviance, floor)
    return length, deviance / length
