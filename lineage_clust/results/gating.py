"""Selection of the genes to cluster, by significance and size of their trends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..errors import warn
from ..models.notes import MANY
from ..utils.constraints import Constraints, number


@dataclass(frozen=True)
class Gate:
    """Thresholds of significance and size for the genes to cluster, as in TrendClusterer; `None` = no bound.

    pvalue_limit : Largest p-value that passed, set by :meth:`calibrated`; -1 if none did.
    """

    alpha: float | None = 0.01
    min_deviance_explained: float | None = None
    min_range: float | None = None
    pvalue_limit: float | None = None

    def calibrated(self, table: pd.DataFrame) -> Gate:
        """Return a copy with the largest p-value that passes Benjamini-Hochberg, which is then applied to new genes."""
        qvalue = table["qvalue"].to_numpy(dtype=float)
        if self.alpha is None or np.isnan(qvalue).all():  # the model provides no test
            return replace(self, pvalue_limit=None)
        limit = np.max(table["pvalue"].to_numpy(dtype=float)[qvalue < self.alpha], initial=-1.0)
        return replace(self, pvalue_limit=float(limit))

    def passes(self, table: pd.DataFrame) -> np.ndarray:
        """Return which genes of a gene table pass, `(n_genes,)`; new genes by the p-value limit of the fit."""
        passed = self.large_enough(table) & succeeded(table)
        if self.pvalue_limit is None:
            return passed
        pvalue = table["pvalue"].to_numpy(dtype=float)
        # tolerance, because matrix products with other genes may change the last digits
        return passed & (pvalue <= self.pvalue_limit * (1 + 1e-6))

    def large_enough(self, table: pd.DataFrame) -> np.ndarray:
        """Return which trends are large enough, regardless of their p-value; unknown sizes pass."""
        passed = np.ones(len(table), dtype=bool)
        for name, bound in self.bounds.items():
            passed &= ~(
                table["amplitude" if name == "min_range" else "deviance_explained"].to_numpy(dtype=float) < bound
            )
        return passed

    @property
    def bounds(self) -> dict[str, float]:
        """The thresholds of size that are set, by name."""
        found = {"min_deviance_explained": self.min_deviance_explained, "min_range": self.min_range}
        return {name: bound for name, bound in found.items() if bound is not None}

    def why_none(self, table: pd.DataFrame) -> str:
        """Return a message that explains why no gene passes."""
        if not succeeded(table).any():
            return f"none of {len(table)} fits converged. See the column note of gene_table_, or choose another model."
        small = ~self.large_enough(table)
        if self.alpha is None or self.pvalue_limit is None or small.all():
            asked = [f"{name}={value:g}" for name, value in self.bounds.items()]
            return f"none of {len(table)} trends reaches {' and '.join(asked)}. Look at gene_table_, or lower it."
        return (
            f"none of {len(table)} trends has a q-value below alpha={self.alpha}"
            f"{' and is large enough' if small.any() else ''}. Look at gene_table_, or pass alpha=None to cluster all "
            f"genes."
        )


def succeeded(table: pd.DataFrame) -> np.ndarray:
    """Return which fits of a gene table converged, `(n_genes,)`; all if there is no such column."""
    return table["converged"].to_numpy(dtype=bool) if "converged" in table else np.ones(len(table), dtype=bool)


def warn_of_unsuccessful(table: pd.DataFrame) -> None:
    """Warn if many fits did not converge, with the most frequent reason."""
    without = ~succeeded(table)
    if without.sum() > MANY * len(table):
        note, count = Counter(table["note"][without]).most_common(1)[0]
        warn(
            f"{int(without.sum())} of {len(table)} fits did not converge; their genes have no p-value and are not clustered. "
            f"{count} of them: {note or 'no convergence'}. Choose a family that suits the expression, or more "
            f"iterations."
        )


GATE_CONSTRAINTS: Constraints = {
    "alpha": number("a number in (0, 1]", lambda value: 0 < value <= 1, or_none=True),
    "min_deviance_explained": number("a share of at most 1", lambda value: value <= 1, or_none=True),
    "min_range": number("a finite number of at least 0", lambda value: 0 <= value < np.inf, or_none=True),
}
"""Constraints on the thresholds of :class:`Gate`."""
