"""Validation of groups of cells, such as donors, that are replicates of a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ....errors import counted
from ....utils.checking import shortened

FEWEST = 4


def check_can_be_replicates(family: str, link: str, expectile: float | None) -> None:
    """Raise a ValueError if the model does not support donors as replicates."""
    links = ("identity",) if family == "gaussian" else ("log", "logit")
    if expectile is None and link in links:
        return
    raise ValueError(
        "groups (donors as replicates) require no expectile, and the identity link with family='gaussian' or a log or "
        f"logit link with others; this GAM has family={family!r}, link={link!r}, expectile={expectile!r}. Change them, "
        "or leave groups out: p-values then use cells as replicates."
    )


def group_numbers(groups: ArrayLike, weights: np.ndarray) -> np.ndarray:
    """Return codes of the groups that have cells of positive weight, from 0; -1 for cells of weight 0.

    raises ValueError : If a label is missing, or there are fewer than four groups.

    >>> group_numbers(["b", "a", "c", "d", "e"], np.array([1.0, 1, 0, 1, 1])).tolist()
    [0, 1, -1, 2, 3]
    """
    labels = np.asarray(groups)
    if labels.shape != weights.shape:
        raise ValueError(f"groups must have shape ({len(weights)},), one label per cell; got {labels.shape}.")
    used = weights > 0
    codes, names = pd.factorize(labels, sort=False)
    missing = int(np.sum(codes[used] < 0))
    if missing:
        raise ValueError(
            f"groups has no label for {counted(missing, 'cell')} (NaN or None). Label them, or give them weight 0."
        )
    kept, inverse = np.unique(codes[used], return_inverse=True)
    if len(kept) < FEWEST:
        raise ValueError(
            f"With groups, at least {FEWEST} of them need cells of positive weight, because the variation between "
            f"donors cannot be estimated from fewer; got {len(kept)} ({shortened(names[kept].tolist())}). Leave groups "
            "out, and report p-values as those of these donors only."
        )
    found = np.full(len(weights), -1)
    found[used] = inverse
    return found
