"""How distinct the clusters are, as a function of their number."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .distinctness import Bounds
from .refinement import scores


@dataclass(frozen=True)
class StabilityCurve:
    """How distinct the clusters of a partition are, as a function of the number of clusters.

    Attributes
    ----------
    n_clusters : ndarray of shape (n_partitions,)
        Number of clusters of each partition, starting at 1.
    support : ndarray of shape (n_partitions,)
        Smallest support of any pair of clusters: agreement beyond chance between independent halves of the data.
    connectivity : ndarray of shape (n_partitions,)
        Largest connectivity of any pair of clusters: weight of the edges between them divided by its expectation.
    correlation : ndarray of shape (n_partitions,)
        Largest correlation between the means of any pair of clusters.
    chosen : int
        Selected number of clusters.
    bounds : Bounds
        Thresholds that every pair of clusters had to satisfy.
    """

    n_clusters: np.ndarray
    support: np.ndarray
    connectivity: np.ndarray
    correlation: np.ndarray
    chosen: int
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def distinct(self) -> np.ndarray:
        """Which partitions `(n_partitions,)` have pairwise distinct clusters."""
        return (
            (self.support >= self.bounds.support)
            & (self.connectivity <= self.bounds.connectivity)
            & (self.correlation <= self.bounds.correlation)
        )

    @property
    def why(self) -> str:
        """A sentence that explains why there are not more clusters.

        Examples
        --------
        >>> one = np.array([1.0, 0.9, 0.2])
        >>> curve = StabilityCurve(np.arange(1, 4), one, np.array([0, 0.1, 0.4]), np.array([-1, 0.3, 0.95]), 2)
        >>> curve.why
        'With 3 clusters, support would be 0.20 (at least 0.3), correlation of means 0.95 (at most 0.9).'
        """
        larger = np.flatnonzero(self.n_clusters > self.chosen)
        if len(larger) == 0:
            return f"No partition into more than {self.chosen} clusters was evaluated."
        after, reasons = larger[0], []
        if self.support[after] < self.bounds.support:
            reasons.append(f"support would be {self.support[after]:.2f} (at least {self.bounds.support:g})")
        if self.connectivity[after] > self.bounds.connectivity:
            reasons.append(
                f"connectivity would be {self.connectivity[after]:.2f} (at most {self.bounds.connectivity:g})"
            )
        if self.correlation[after] > self.bounds.correlation:
            reasons.append(
                f"correlation of means would be {self.correlation[after]:.2f} (at most {self.bounds.correlation:g})"
            )
        text = ", ".join([reasons[0], *(reason.replace(" would be", "") for reason in reasons[1:])]) if reasons else ""
        return f"With {self.n_clusters[after]} clusters, {text}."


def confidence(rows: np.ndarray, draws: np.ndarray, means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the fraction of draws in which each row is nearest to the mean of its own cluster, `(n_rows,)`.

    Parameters
    ----------
    rows
        `(n_rows, n_columns)`.
    draws
        `(n_draws, n_rows, n_columns)`; each draw is used together with its reflection at the rows.
    means
        `(n_clusters, n_columns)`.
    labels
        `(n_rows,)`.
    """
    stays = np.zeros(len(rows))
    for draw in draws:
        for half in (draw, 2 * rows - draw):
            stays += scores(half, means).argmax(axis=1) == labels
    return stays / (2 * len(draws))
