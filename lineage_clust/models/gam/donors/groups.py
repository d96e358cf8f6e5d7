"""Validation of groups of cells, such as donors, that are replicates of a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ....errors import counted
from ....utils.checking import shortened

FEWEST = 4


def can_be_replicates(family: str, link: str) -> bool:
    """Return whether donors can be replicates of a family with a link."""
    return link in (("identity",) if family == "gaussian" else ("log", "logit"))


def check_can_be_replicates(family: str, link: str, expectile: float | None) -> None:
    """Raise a ValueError if the model does not support donors as replicates."""
    if expectile is None and can_be_replicates(family, link):
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
    used = weights > 0
    codes, names = used_labels("groups", groups, used)
    if len(names) < FEWEST:
        raise ValueError(
            f"With groups, at least {FEWEST} of them need cells of positive weight, because the variation between "
            f"donors cannot be estimated from fewer; got {len(names)} ({shortened(names.tolist())}). Leave groups "
            "out, and report p-values as those of these donors only."
        )
    found = np.full(len(weights), -1)
    found[used] = codes
    return found


def used_labels(name: str, labels: ArrayLike, used: np.ndarray, sort: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of the labels of used cells, and these labels.

    name : Name of the argument in errors.
    used : `(n_cells,)` mask.
    sort : Whether to sort the labels. Otherwise they are in order of appearance.
    raises ValueError : If a label is missing.

    >>> used_labels("groups", ["b", "a", "c", "b"], np.array([True, True, False, True]), sort=True)
    (array([1, 0, 1]), array(['a', 'b'], dtype='<U1'))
    """
    labels = np.asarray(labels)
    if labels.shape != used.shape:
        raise ValueError(f"{name} must have shape ({len(used)},), one label per cell; got {labels.shape}.")
    codes, names = pd.factorize(labels, sort=sort)
    missing = int(np.sum(codes[used] < 0))
    if missing:
        raise ValueError(
            f"{name} has no label for {counted(missing, 'cell')} (NaN or None). Label them, or give them weight 0."
        )
    kept, inverse = np.unique(codes[used], return_inverse=True)
    return inverse, names[kept]
