"""Simulated differentiation with planted modules of genes, for tests, benchmarks and examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.special import expit, softmax

from ..utils.constraints import Constraint, integer, number
from ..utils.matrices import chunks
from ..utils.memory import machine_memory
from ..utils.plain_text import plain_text

N_GRID = 200  # points at which the true curves are stored
_N_FINE = 1001  # points between which the true means are interpolated
_BRANCH_POINT = 0.35
_FATE_GAIN = 10.0  # log odds of a cell's own fate against another one at the end of its branch
_FATE_NOISE = 0.3
_LEVEL_SD = 1.0  # standard deviation of the genes' log mean expression
_DEPTH_SD = 0.3  # standard deviation of the cells' log total counts
_PER = 1e4  # expression is in counts per this many counts of a cell
_BLOCK = 2**20  # entries generated at a time
_NOT_NEGATIVE = number("a finite number of at least 0", lambda value: 0 <= value < np.inf)


def _bump(t: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((t - centre) / width) ** 2)


def _rise(t: np.ndarray, centre: float, width: float) -> np.ndarray:
    return expit((t - centre) / width)


# In this order the first n are well separated for every n: the largest correlation of two curves over [0, 1] is 0.67.
SHAPES = {
    "early fall": lambda t: 1 - _rise(t, 0.25, 0.06),
    "late rise": lambda t: _rise(t, 0.75, 0.06),
    "middle peak": lambda t: _bump(t, 0.5, 0.09),
    "early peak": lambda t: _bump(t, 0.25, 0.07),
    "late peak": lambda t: _bump(t, 0.78, 0.06),
    "two peaks": lambda t: _bump(t, 0.12, 0.06) + _bump(t, 0.9, 0.06),
    "early rise": lambda t: _rise(t, 0.3, 0.05),
    "late fall": lambda t: 1 - _rise(t, 0.62, 0.05),
    "middle dip": lambda t: 1 - _bump(t, 0.45, 0.13),
    "peak then end": lambda t: _bump(t, 0.38, 0.05) + _bump(t, 0.95, 0.07),
    "second half peak": lambda t: _bump(t, 0.64, 0.05),
    "start then peak": lambda t: _bump(t, 0.05, 0.05) + _bump(t, 0.6, 0.07),
    "three peaks": lambda t: _bump(t, 0.12, 0.06) + _bump(t, 0.5, 0.06) + _bump(t, 0.9, 0.06),
    "last rise": lambda t: _rise(t, 0.93, 0.02),
}


def simulate_lineage(
    n_cells: int = 1000,
    n_genes: int = 200,
    n_modules: int = 8,
    *,
    n_lineages: int = 2,
    flat_fraction: float = 0.3,
    depth: float = 10_000.0,
    dispersion: float = 0.3,
    amplitude: float = 2.0,
    module_sizes: Sequence[int] | None = None,
    shift: float = 0.015,
    scale: float = 0.3,
    random_state: int | np.random.Generator | None = None,
) -> AnnData:
    r"""Simulate counts of cells that differentiate, with modules of genes that share a curve over pseudotime.

    Cells lie, not uniformly, on a trunk that splits at pseudotime 0.35 into `n_lineages` branches. The expected
    expression of gene g of module m in a cell of lineage_1 at pseudotime t, in counts per 10,000 counts of the cell, is

    .. math:: \exp(b_g + a_g \, f_m(t - s_g))

    with the module's shape f between 0 and 1 (early fall, late rise, peaks at different times, dips, several peaks),
    and the gene's own baseline b, amplitude a and time shift s. Flat genes have no second term. On every other lineage
    about half of the modules follow the same curve; the others are constant after the branch point. Counts are negative
    binomial around this mean times the cell's total / 10,000.

    Parameters
    ----------
    n_cells : int
        Number of cells, at least 10.
    n_genes : int
        Number of genes.
    n_modules : int
        Number of modules, up to 14; 0 makes every gene flat.
    n_lineages : int
        Number of branches after the trunk; 1 makes a single trajectory without a branch point.
    flat_fraction : float
        Fraction of the genes that are constant in time. Not used if `module_sizes` is given.
    depth : float
        Mean total counts of a cell over its whole transcriptome, of which the simulated genes are a part: on average
        one of 10,000 counts per gene (less beyond 5,000 genes). About 40 % of the entries are nonzero at 10,000, 64 %
        at 30,000 and 11 % at 1,500.
    dispersion : float
        Dispersion of the negative binomial: variance = mean + dispersion * mean ** 2; 0 = Poisson.
    amplitude : float
        Median over genes of the difference between highest and lowest log expression (natural logarithm).
    module_sizes : sequence of int, optional
        Number of genes of each module, `n_modules` numbers; all other genes are flat. By default, modules have equal
        sizes.
    shift : float
        Standard deviation of the genes' time shifts (truncated at twice this value).
    scale : float
        Standard deviation of the logarithm of the genes' amplitudes.
    random_state : int, numpy.random.Generator or None
        Seed; the same number gives the same data.

    Returns
    -------
    AnnData of shape (n_cells, n_genes)
        - `layers["counts"]`: counts, int32 CSR.
        - `X`: log1p(1e4 * counts / total), float32 CSR, with `obs["total_counts"]` as total.
        - `obs`: `pseudotime` in [0, 1]; `branch`, categorical, "trunk", "lineage_1", ...; `total_counts`, of the whole
          cell; `log_size_factor`, its centred logarithm, an offset for count models.
        - `obsm["fate_probabilities"]`: DataFrame, columns "lineage_1", ...; intermediate on the trunk, near 0 or 1 at the
          tips, rows sum to 1.
        - `var`: the truth: `module` (-1 for flat genes), `is_flat`, `baseline`, `amplitude`, `shift`.
        - `varm["true_trend"]`: `(n_genes, 200)`, log1p of the expected expression along lineage_1.
        - `uns["simulation"]`: the parameters; `grid` `(200,)`, the pseudotimes of the true trends; `module_names`
          `(n_modules,)` and `module_shapes` `(n_modules, 200)`; `follows` `(n_modules, n_lineages)`, whether a module
          follows its curve after the branch point; `branch_point`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the modules have no genes left.

    Notes
    -----
    The total of a cell includes genes that are not simulated, as with a panel of selected genes. Flat genes are
    therefore flat in `X`. They are not flat in counts divided by the total of the simulated genes alone, which changes
    with the modules: use `obs["log_size_factor"]` as offset of a count model.

    `true_trend` is free of noise. The mean of `X` at a pseudotime is lower, because the logarithm is concave, but
    increases and decreases with it.

    Examples
    --------
    >>> from lineage_clust.datasets import simulate_lineage
    >>> adata = simulate_lineage(n_cells=300, n_genes=40, n_modules=4, random_state=0)
    >>> adata
    AnnData object with n_obs × n_vars = 300 × 40
        obs: 'pseudotime', 'branch', 'total_counts', 'log_size_factor'
        var: 'module', 'is_flat', 'baseline', 'amplitude', 'shift'
        uns: 'simulation'
        obsm: 'fate_probabilities'
        varm: 'true_trend'
        layers: 'counts'
    >>> adata.var["module"].value_counts().sort_index().to_dict()
    {-1: 12, 0: 7, 1: 7, 2: 7, 3: 7}
    """
    for name, value, constraint in (
        ("n_cells", n_cells, integer(10)), ("n_genes", n_genes, integer(1)),
        ("n_modules", n_modules, integer(0, len(SHAPES))), ("n_lineages", n_lineages, integer(1)),
        ("flat_fraction", flat_fraction, number("a number between 0 and 1", lambda value: 0 <= value <= 1)),
        ("depth", depth, _above_zero(1e12)), ("dispersion", dispersion, _NOT_NEGATIVE),
        ("amplitude", amplitude, _above_zero(100)), ("shift", shift, _NOT_NEGATIVE),
        ("scale", scale, number("a number between 0 and 2", lambda value: 0 <= value <= 2)),
    ):  # fmt: skip
        constraint.check(name, value)
    n_bytes = 8 * n_cells * n_genes * max(1, n_lineages)
    if n_bytes > machine_memory():
        raise ValueError(
            f"n_cells={n_cells}, n_genes={n_genes} and n_lineages={n_lineages} require arrays of {n_bytes / 1e9:.3g} GB, and "
            f"the machine has {machine_memory() / 1e9:.3g} GB. Lower one of them."
        )
    sizes = _module_sizes(n_genes, n_modules, flat_fraction, module_sizes)
    try:
        rng = np.random.default_rng(random_state)
    except (TypeError, ValueError):
        raise ValueError(
            f"random_state must be None, an integer of 0 or more or a numpy Generator; got {random_state!r}."
        ) from None

    obs, branch, fates = _draw_cells(rng, n_cells, n_lineages, depth)
    var = _draw_genes(rng, n_genes, sizes, amplitude, shift, scale)
    lineage = np.arange(n_lineages)
    follows = (lineage == 0) | ((np.arange(n_modules)[:, None] + lineage) % 2 == 0)
    exposure = obs["total_counts"].to_numpy() / _PER
    counts = _draw_counts(rng, var, follows, obs["pseudotime"].to_numpy(), branch, exposure, dispersion)

    expression = counts.astype(np.float32)
    expression.data /= np.repeat(exposure.astype(np.float32), np.diff(counts.indptr))
    np.log1p(expression.data, out=expression.data)
    grid = np.linspace(0, 1, N_GRID)
    lineages = [f"lineage_{number}" for number in lineage + 1]
    obs, var = plain_text(obs), plain_text(var)
    numbers = {"depth": depth, "dispersion": dispersion, "amplitude": amplitude, "shift": shift, "scale": scale}
    return AnnData(
        X=expression,
        obs=obs,
        var=var,
        layers={"counts": counts},
        obsm={"fate_probabilities": pd.DataFrame(fates, index=obs.index, columns=lineages)},
        varm={"true_trend": np.log1p(np.exp(_log_mean(var, grid)))},
        uns={
            "simulation": {
                "n_modules": int(n_modules),
                "n_lineages": int(n_lineages),
                **{name: float(value) for name, value in numbers.items()},
                "module_sizes": sizes,
                "module_names": np.array(list(SHAPES)[:n_modules], dtype=object),
                "module_shapes": np.array([_shape(m, grid) for m in range(n_modules)]).reshape(n_modules, N_GRID),
                "follows": follows,
                "branch_point": _BRANCH_POINT if n_lineages > 1 else 1.0,
                "grid": grid,
            }
        },
    )


def _above_zero(most: float) -> Constraint:
    return number(f"a number above 0 and at most {most:g}", lambda value: 0 < value <= most)


def _module_sizes(n_genes: int, n_modules: int, flat_fraction: float, sizes: Sequence[int] | None) -> np.ndarray:
    if sizes is None:
        n_varying = n_genes - round(flat_fraction * n_genes) if n_modules else 0
        if n_varying < n_modules:
            raise ValueError(
                f"n_modules={n_modules} needs as many genes that vary, but n_genes={n_genes} with "
                f"flat_fraction={flat_fraction} leaves {n_varying}. Lower flat_fraction, raise n_genes, or pass "
                f"n_modules=0 for flat genes only."
            )
        return np.array([n_varying // n_modules + (m < n_varying % n_modules) for m in range(n_modules)], dtype=int)
    found = np.asarray(sizes)
    if found.shape != (n_modules,):
        raise ValueError(
            f"module_sizes must contain one number for each of the n_modules={n_modules} modules; got {sizes!r}. "
            f"Pass n_modules=len(module_sizes)."
        )
    if n_modules and (found.dtype.kind not in "iu" or found.min() < 1):
        raise ValueError(f"module_sizes must be integers of 1 or more; got {sizes!r}.")
    if found.sum() > n_genes:
        raise ValueError(f"module_sizes add up to {found.sum()} genes, but n_genes={n_genes}. Raise n_genes.")
    return found.astype(int)


def _draw_cells(
    rng: np.random.Generator, n_cells: int, n_lineages: int, depth: float
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return `obs`, each cell's branch (0 = trunk and lineage_1, 1 = lineage_2, ...) and its fate probabilities."""
    time = rng.beta(1.4, 1.1, n_cells)
    time = (time - time.min()) / np.ptp(time)
    start = _BRANCH_POINT if n_lineages > 1 else -1.0
    on_trunk = time < start
    branch = np.where(on_trunk, 0, rng.integers(n_lineages, size=n_cells))
    progress = np.clip((time - start) / (1 - start), 0, None)
    odds = rng.normal(0, _FATE_NOISE, (n_cells, n_lineages))
    odds[np.arange(n_cells), branch] += _FATE_GAIN * progress
    total = np.rint(depth * np.exp(rng.normal(-(_DEPTH_SD**2) / 2, _DEPTH_SD, n_cells))).clip(1)

    lineages = [f"lineage_{lineage + 1}" for lineage in range(n_lineages)]
    codes = np.where(on_trunk, 0, branch + (n_lineages > 1))
    names = ["trunk", *lineages] if n_lineages > 1 else lineages
    obs = pd.DataFrame(
        {
            "pseudotime": time,
            "branch": pd.Categorical.from_codes(codes, categories=names),
            "total_counts": total.astype(np.int64),
            "log_size_factor": np.log(total) - np.log(total).mean(),
        },
        index=[f"cell_{i:0{len(str(n_cells - 1))}d}" for i in range(n_cells)],
    )
    return obs, branch, softmax(odds, axis=1)


def _draw_genes(
    rng: np.random.Generator, n_genes: int, sizes: np.ndarray, amplitude: float, shift: float, scale: float
) -> pd.DataFrame:
    """Return `var`, genes of all modules in random order; every gene has the same expected mean over pseudotime."""
    module = np.repeat(np.arange(-1, len(sizes)), [n_genes - sizes.sum(), *sizes])
    module = rng.permutation(module)
    flat = module < 0
    level = rng.normal(np.log(min(1.0, 0.5 * _PER / n_genes)) - _LEVEL_SD**2 / 2, _LEVEL_SD, n_genes)
    amplitudes = amplitude * np.exp(rng.normal(0, scale, n_genes))
    shifts = shift * rng.normal(size=n_genes).clip(-2, 2)
    var = pd.DataFrame(
        {
            "module": module,
            "is_flat": flat,
            "baseline": level,
            "amplitude": np.where(flat, 0.0, amplitudes),
            "shift": np.where(flat, 0.0, shifts),
        },
        index=[f"gene_{i:0{len(str(n_genes - 1))}d}" for i in range(n_genes)],
    )
    var["baseline"] = level - np.log(np.exp(_log_mean(var, np.linspace(0, 1, N_GRID)) - level[:, None]).mean(axis=1))
    return var


def _shape(module: int, time: np.ndarray) -> np.ndarray:
    """Return a module's shape at some times, scaled so that it spans 0 to 1 over pseudotime 0 to 1."""
    curve = list(SHAPES.values())[module]
    reference = curve(np.linspace(0, 1, _N_FINE))
    return (curve(time) - reference.min()) / np.ptp(reference)


def _log_mean(
    var: pd.DataFrame, time: np.ndarray, genes: slice = slice(None), held: np.ndarray | None = None
) -> np.ndarray:
    """Return log expected counts per 10,000, `(n_genes, n_times)`; modules in `held` are constant after the branch point."""
    var = var.iloc[genes]
    result = np.repeat(var["baseline"].to_numpy()[:, None], len(time), axis=1)
    for module in np.unique(var["module"]):
        if module < 0:
            continue
        rows = np.flatnonzero(var["module"] == module)
        own = np.minimum(time, _BRANCH_POINT) if held is not None and held[module] else time
        delayed = own - var["shift"].to_numpy()[rows, None]
        result[rows] += var["amplitude"].to_numpy()[rows, None] * _shape(module, delayed)
    return result


def _draw_counts(
    rng: np.random.Generator,
    var: pd.DataFrame,
    follows: np.ndarray,
    time: np.ndarray,
    branch: np.ndarray,
    exposure: np.ndarray,
    dispersion: float,
) -> sparse.csr_matrix:
    """Sample the counts in blocks of genes, so that additional memory does not grow with the number of genes."""
    n_cells, n_genes = len(time), len(var)
    fine = np.linspace(0, 1, _N_FINE)
    left = np.minimum((time * (_N_FINE - 1)).astype(np.intp), _N_FINE - 2)
    at = branch * _N_FINE + left
    right_share = (time * (_N_FINE - 1) - left) * exposure
    left_share = exposure - right_share
    blocks = []
    for genes in chunks(n_genes, max(1, _BLOCK // max(n_cells, follows.shape[1] * _N_FINE))):
        by_lineage = [np.exp(_log_mean(var, fine, genes, ~lineage)) for lineage in follows.T]
        curves = np.concatenate(by_lineage, axis=1)
        mean = curves.take(at, axis=1) * left_share + curves.take(at + 1, axis=1) * right_share
        if dispersion > 0:
            mean *= rng.standard_gamma(1 / dispersion, mean.shape, dtype=np.float32)
            mean *= dispersion
        blocks.append(sparse.csc_matrix(sparse.csr_matrix(rng.poisson(mean).astype(np.int32)).T))
    return sparse.csr_matrix(sparse.hstack(blocks, format="csc"))
