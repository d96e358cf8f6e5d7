"""The groups of cells, such as donors, that are replicates of a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ...utils.checking import shortened

FEWEST = 4


def check_can_be_replicates(family: str, link: str, expectile: float | None) -> None:
    """Raise a ValueError if donors cannot be the replicates of such a model."""
    links = ("identity",) if family == "gaussian" else ("log", "logit")
    if expectile is None and link in links:
        return
    raise ValueError(
        "groups (donors as replicates) need no expectile, and the identity link with family='gaussian', a log or logit link "
        f"with others; this GAM has family={family!r}, link={link!r}, expectile={expectile!r}. Change them, or leave groups "
        "out: p-values then take cells as replicates."
    )


def group_numbers(groups: ArrayLike, weights: np.ndarray) -> np.ndarray:
    """Return the numbers of the groups, from 0 for those that have cells of positive weight; -1 for other cells.

    Raises
    ------
    ValueError
        If a label is missing, or there are fewer than four groups.

    Examples
    --------
    >>> group_numbers(["b", "a", "c", "d", "e"], np.array([1.0, 1, 0, 1, 1])).tolist()
    [0, 1, -1, 2, 3]
    """
    labels = np.asarray(groups)
    if labels.shape != weights.shape:
        raise ValueError(f"groups must have shape ({len(weights)},), one label a cell; got {labels.shape}.")
    used = weights > 0
    codes, names = pd.factorize(labels, sort=False)
    missing = int(np.sum(codes[used] < 0))
    if missing:
        raise ValueError(f"groups holds no label for {missing} cells (NaN or None). Label them, or give them weight 0.")
    kept, inverse = np.unique(codes[used], return_inverse=True)
    if len(kept) < FEWEST:
        raise ValueError(
            f"With groups, at least {FEWEST} of them need cells of positive weight: from fewer it cannot be seen how much "
            f"donors differ; got {len(kept)} ({shortened(names[kept].tolist())}). Leave groups out, and report p-values as "
            "those of these donors only."
        )
    found = np.full(len(weights), -1)
    found[used] = inverse
    return found
