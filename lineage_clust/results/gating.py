"""Selection of the genes to cluster, by significance and size of their trends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from ..contracts.capabilities import fitted_value
from ..errors import warn
from ..models.notes import MANY
from ..utils.constraints import Constraints, number

if TYPE_CHECKING:
    from .result import FitResult

NOTE = "not clustered: all genes of its cluster could be false discoveries"
GATE_CONSTRAINTS: Constraints = {
    "alpha": number("a number in (0, 1]", lambda value: 0 < value <= 1, or_none=True),
    "min_deviance_explained": number("a share of at most 1", lambda value: value <= 1, or_none=True),
    "min_range": number("a finite number of at least 0", lambda value: 0 <= value < np.inf, or_none=True),
}


@dataclass(frozen=True)
class Gate:
    """Thresholds of significance and size for the genes to cluster, as in TrendClusterer; `None` = no bound.

    pvalue_limit : Largest p-value that passed, set by :meth:`calibrated`; -1 if none did.
    """

    alpha: float | None = 0.01
    min_deviance_explained: float | None = None
    min_range: float | None = None
    pvalue_limit: float | None = None

    def calibrated(self, table: pd.DataFrame, has_test: bool = True) -> Gate:
        """Return a copy with the largest p-value that passes Benjamini-Hochberg, which is then applied to new genes.

        Without a test, all genes pass; with a test in which no gene could be tested, none does.
        """
        if self.alpha is None or not has_test:
            return replace(self, pvalue_limit=None)
        qvalue = table["qvalue"].to_numpy(dtype=float)
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
            column = "amplitude" if name == "min_range" else "deviance_explained"
            passed &= ~(table[column].to_numpy(dtype=float) < bound)
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
        if table["pvalue"].isna().all():
            note, count = Counter(table["note"]).most_common(1)[0]
            return (
                f"none of {len(table)} trends could be tested. {count} of them: {note or 'no p-value'}. More cells are "
                "needed; see the column note of gene_table_."
            )
        return (
            f"none of {len(table)} trends has a q-value below alpha={self.alpha}"
            f"{' and is large enough' if small.any() else ''}. Look at gene_table_, or pass alpha=None to cluster all genes."
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


def in_clusters_by_chance(labels: np.ndarray, pvalues: np.ndarray, alpha: float) -> np.ndarray:
    """Return which genes are in clusters that genes without a trend could form, `(n_genes,)`; -1 is no cluster.

    The false discovery rate bounds the proportion of genes without a trend among all that are selected. They may all have
    another shape than the others, and be a cluster of their own. If none of its genes, and of the tested genes in no cluster,
    had a trend, the number of these with a p-value of at most `p` would be binomial. A cluster is kept if, for any of its
    genes, as many would be as significant with a probability below `alpha`, divided by its number of genes (Bonferroni).
    """
    n_without, found = int((np.isfinite(pvalues) & (labels < 0)).sum()), np.zeros(len(labels), dtype=bool)
    for cluster in range(labels.max(initial=-1) + 1):
        own = np.sort(pvalues[labels == cluster])
        chance = binom.sf(np.arange(len(own)), n_without + len(own), own).min(initial=1.0)
        found[labels == cluster] = len(own) * chance >= alpha
    return found


def by_chance(clusterer: Any, labels: np.ndarray, table: pd.DataFrame, gate: Gate) -> np.ndarray:
    """Return which genes are in clusters by chance `(n_genes,)`; none if their number is set or genes are not tested."""
    if gate.alpha is None or gate.pvalue_limit is None or fitted_value(clusterer, "stability_") is None:
        return np.zeros(len(labels), dtype=bool)
    return in_clusters_by_chance(labels, table["pvalue"].to_numpy(dtype=float), gate.alpha)


def left_out(result: FitResult) -> np.ndarray:
    """Return which genes change but were not clustered, because they formed clusters by chance, `(n_genes,)`."""
    passed = result.gate.passes(result.decisions) & (np.ptp(result.scaled, axis=1) > 0)
    passed[result.grouped] = False
    return passed
