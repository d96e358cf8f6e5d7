"""Which genes are clustered: those whose trend changes beyond doubt, and by enough."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import LineageClustWarning
from ..models.notes import MANY
from ..utils.constraints import Constraints, number


@dataclass(frozen=True)
class Gate:
    """Bounds of significance and of size that a trend must pass to be clustered, its fit having succeeded.

    Attributes
    ----------
    alpha
        Bound of the q-value; `None` = no test.
    min_deviance_explained
        Least share of the deviance that the trend explains; `None` = any.
    min_range
        Least difference between highest and lowest point of the trend, in units of expression; `None` = any.
    pvalue_limit
        Once set by :meth:`calibrated`: the largest p-value that passed; -1 if none did.

    Examples
    --------
    >>> table = pd.DataFrame({"pvalue": [0.001, 0.5], "qvalue": [0.002, 0.5], "deviance_explained": 0.3, "amplitude": 1.0})
    >>> Gate(alpha=0.01).calibrated(table).passes(table).tolist()
    [True, False]
    """

    alpha: float | None = 0.01
    min_deviance_explained: float | None = None
    min_range: float | None = None
    pvalue_limit: float | None = None

    def calibrated(self, table: pd.DataFrame) -> Gate:
        """Return the gate with its largest p-value: Benjamini-Hochberg has one, and new genes are held against it."""
        qvalue = table["qvalue"].to_numpy(dtype=float)
        if self.alpha is None or np.isnan(qvalue).all():  # a model without a test says nothing against a gene
            return Gate(self.alpha, self.min_deviance_explained, self.min_range)
        limit = np.max(table["pvalue"].to_numpy(dtype=float)[qvalue < self.alpha], initial=-1.0)
        return Gate(self.alpha, self.min_deviance_explained, self.min_range, float(limit))

    def passes(self, table: pd.DataFrame) -> np.ndarray:
        """Return which genes of a gene table pass, `(n_genes,)`: of the fit, or of others by the p-value of the fit."""
        passed = self.large_enough(table) & succeeded(table)
        if self.pvalue_limit is None:
            return passed
        pvalue = table["pvalue"].to_numpy(dtype=float)
        # the gene that set the limit must pass, whatever other genes stood beside it in a product of matrices
        return passed & (pvalue <= self.pvalue_limit * (1 + 1e-6))

    def large_enough(self, table: pd.DataFrame) -> np.ndarray:
        """Return which trends are large enough, whatever their p-value; a size that is not known does not count."""
        passed = np.ones(len(table), dtype=bool)
        for bound, column in ((self.min_deviance_explained, "deviance_explained"), (self.min_range, "amplitude")):
            if bound is not None:
                passed &= ~(table[column].to_numpy(dtype=float) < bound)
        return passed

    def why_none(self, table: pd.DataFrame) -> str:
        """Return the sentence that says why no gene passes."""
        if not succeeded(table).any():
            return f"none of {len(table)} fits succeeded. Look at the notes in gene_table_, or choose another model."
        small = ~self.large_enough(table)
        if self.alpha is None or self.pvalue_limit is None or small.all():
            asked = [
                f"{name}={value:g}"
                for name, value in (
                    ("min_deviance_explained", self.min_deviance_explained),
                    ("min_range", self.min_range),
                )
                if value is not None
            ]
            return f"none of {len(table)} trends reaches {' and '.join(asked)}. Look at gene_table_, or lower it."
        return (
            f"none of {len(table)} trends has a q-value below alpha={self.alpha}"
            f"{' and is large enough' if small.any() else ''}. Look at gene_table_, or pass alpha=None to cluster all genes."
        )


def succeeded(table: pd.DataFrame) -> np.ndarray:
    """Return which genes of a gene table have a fit that converged, `(n_genes,)`; without such a column, all."""
    return table["converged"].to_numpy(dtype=bool) if "converged" in table else np.ones(len(table), dtype=bool)


def warn_of_unsuccessful(table: pd.DataFrame, stacklevel: int = 3) -> None:
    """Warn if many fits did not succeed, with the most frequent of their notes."""
    without = ~succeeded(table)
    if without.sum() > MANY * len(table):
        note, count = Counter(table["note"][without]).most_common(1)[0]
        warnings.warn(
            f"{int(without.sum())} of {len(table)} fits did not succeed; they have no p-value and are not clustered. "
            f"{count} of them: {note or 'no convergence'}. Choose a family that suits the expression, or more iterations.",
            LineageClustWarning,
            stacklevel=stacklevel,
        )


GATE_CONSTRAINTS: Constraints = {
    "alpha": number("a number in (0, 1]", lambda value: 0 < value <= 1, or_none=True),
    "min_deviance_explained": number("a share of at most 1", lambda value: value <= 1, or_none=True),
    "min_range": number("a finite number of at least 0", lambda value: 0 <= value < np.inf, or_none=True),
}
"""What the bounds of :class:`Gate` may be."""
