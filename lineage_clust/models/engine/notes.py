"""Remarks on poor genes: what there is to say of their expression, however it is fitted."""

from __future__ import annotations

import numpy as np

from .fused import LARGE
from .moments import beyond, nonzero_counts

FEW = 5  # cells


def notes_on(Y, null_deviance: np.ndarray, weights: np.ndarray | None = None, found: tuple | None = None) -> list[str]:
    """Return a remark on each poor gene, an empty string on the others.

    Parameters
    ----------
    Y
        `(n_cells, n_genes)` array, CSR or CSC matrix.
    null_deviance
        `(n_genes,)` deviance around the mean, 0 for a constant gene.
    weights
        `(n_cells,)`, or `None` for 1.
    found
        If Y was read already: numbers of values that are not zero, the sums of their cells' weights in units of the
        largest weight, and which genes hold a value of 2^31 - 1 or more, `(n_genes,)` each.

    Examples
    --------
    >>> notes_on(np.array([[0.0, 3.0], [2.0, 3.0]]), np.array([2.0, 0.0]))
    ['expressed in 1 cell only', 'constant expression']
    """
    if found is None:
        counts = nonzero_counts(Y)
        carried = counts if weights is None else nonzero_counts(Y, weights / weights.max(initial=1e-300))
        found = counts, carried, beyond(Y, LARGE)
    counts, carried, large = found
    remarks = []
    for gene, count in enumerate(counts):
        if count == 0:
            remarks.append("expressed in no cell")
        elif null_deviance[gene] == 0:
            remarks.append("constant expression")
        elif count < FEW:
            remarks.append(f"expressed in {count} cell{'s' if count > 1 else ''} only")
        elif carried[gene] < FEW:
            remarks.append(f"expressed in {count} cells only, whose weights add up to {carried[gene]:.2g} cells")
        elif large[gene]:
            remarks.append("values of 2^31 or more: an integer overflow?")
        else:
            remarks.append("")
    return remarks
