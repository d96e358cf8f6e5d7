"""Change of sequencing depth along a lineage, which would appear as a trend in every gene; arrays only."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

_N_PARTS = 4
_LEAST_COUNTS = 40  # minimum over the lineage for a gene to be used
_LEAST_CHANGE = 1.1
_LEVEL = 0.005


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
