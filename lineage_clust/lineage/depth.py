"""Whether the depth of cells changes along a lineage, so that genes that do not change would seem to; arrays only."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

_N_PARTS = 4
_LEAST_COUNTS = 40  # over the lineage, for a gene to say something of each quarter
_LEAST_CHANGE = 1.1
_LEVEL = 0.005


def depth_change(counts, times: np.ndarray, weights: np.ndarray) -> float | None:
    """Return by what factor the counts of a typical gene change along a lineage, if it is more than 10 %.

    Parameters
    ----------
    counts
        `(n_cells, n_genes)` array or sparse matrix.
    times, weights
        `(n_cells,)`.

    Returns
    -------
    float or None
        Largest over least of the mean counts in four quarters of the cells by time: the median over the genes. `None` if
        its lower 99 % bound is less than 1.1.

    Notes
    -----
    Most genes do not change their share of a cell's RNA, so that the change of the median gene is that of the depth, as
    in the size factors of DESeq [1]_. A total would not do: in a panel of chosen genes it changes as these do.

    References
    ----------
    .. [1] Anders & Huber (2010). Differential expression analysis for sequence count data. Genome Biology 11, R106.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> times = np.linspace(0, 1, 400)
    >>> round(depth_change(rng.poisson(np.outer(1 + times, np.full(50, 4.0))), times, np.ones(400)), 1)
    1.7
    >>> depth_change(rng.poisson(4.0, (400, 50)), times, np.ones(400)) is None
    True
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
        told = np.asarray(np.ones(len(times)) @ counts) >= _LEAST_COUNTS
    told &= np.isfinite(sums).all(axis=0)
    if not told.any():
        return None
    logs = np.log((sums[:, told] + 0.5 * weights.mean()) / indicator.sum(axis=1)[:, None])
    levels = np.median(logs, axis=1)
    changes = np.sort(logs[np.argmax(levels)] - logs[np.argmin(levels)])
    bound = int(binom.ppf(_LEVEL, len(changes), 0.5)) - 1
    if bound < 0 or np.exp(changes[bound]) < _LEAST_CHANGE:
        return None
    return float(np.exp(np.median(changes)))
