"""How distinct the clusters are and what their divisions explain, as a function of their number; confidence of rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .distinctness import Bounds
from .refinement import scores


@dataclass(frozen=True)
class StabilityCurve:
    """How distinct the clusters of partitions are and what divisions explain, as a function of the number of clusters.

    Arrays are `(n_partitions,)`. The measures of groups are those of the least distinct pair of clusters, and those of a
    continuum are of the two clusters into which the last division divides one.

    n_clusters : Number of clusters of each partition, starting at 1.
    support : Agreement beyond chance between independent halves of the data. Without draws, NaN for clear groups and that of
        halves of the rows for divisions, also for the one that is not made.
    connectivity : Weight of the edges between two clusters divided by its expectation; NaN for a continuum and for
        overlapping groups, for which it is not used.
    correlation : Correlation between the means of two clusters.
    chosen, bounds : Selected number of clusters, and thresholds that the partition had to satisfy.
    explained : Share of the squared deviations of all curves that the division explains; NaN for clear and overlapping
        groups, except for the division that is not made.
    n_divided : Number of selected clusters that were split off afterwards, because their genes contradict the mean of the
        cluster they were in.
    within : Share of the squared deviations in the divided cluster that the division explains; like `explained`.
    """

    n_clusters: np.ndarray
    support: np.ndarray
    connectivity: np.ndarray
    correlation: np.ndarray
    chosen: int
    bounds: Bounds = field(default_factory=Bounds)
    explained: np.ndarray = None  # type: ignore[assignment]  # set by __post_init__
    n_divided: int = 0
    within: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self):
        for name in ("explained", "within"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(len(self.n_clusters), np.nan))

    @property
    def of_continuum(self) -> bool:
        """Whether a continuum was divided, because there are no clear or overlapping groups."""
        divided = self.explained[(self.n_clusters == self.selected) | (self.selected == 1)]
        return not np.isnan(divided).all()

    @property
    def of_overlapping(self) -> bool:
        """Whether there are groups that are not clear but explain more than a division into two again and again."""
        return not self.of_continuum and not np.isnan(self.explained).all()

    @property
    def selected(self) -> int:
        """Number of clusters to which the measures belong: those chosen without those that were split off afterwards."""
        return self.chosen - self.n_divided

    @property
    def lacks_direction(self) -> bool:
        """Whether the next division explains enough of the variance, but too little of that within the cluster."""
        return bool(np.any(self._without_direction & (self.explained >= self.bounds.explained)))

    @property
    def _without_direction(self) -> np.ndarray:
        """Which divisions `(n_partitions,)` are not made, of clusters that have a mean but no leading direction."""
        little = (self.within < self.bounds.within) & (self.correlation > 0)
        return little & (self.n_clusters > self.selected)

    @property
    def distinct(self) -> np.ndarray:
        """Which partitions `(n_partitions,)` satisfy all bounds."""
        return ~(
            (self.support < self.bounds.support)
            | (self.connectivity > self.bounds.connectivity)
            | (self.correlation > self.bounds.correlation)
            | (self.explained < self.bounds.explained)
            | self._without_direction
        )

    @property
    def why(self) -> str:
        """A sentence that explains why there are not more clusters.

        >>> one = np.array([1.0, 0.9, 0.2])
        >>> curve = StabilityCurve(np.arange(1, 4), one, np.array([0, 0.1, 0.4]), np.array([-1, 0.3, 0.95]), 2)
        >>> curve.why
        'With 3 clusters, support would be 0.20 (at least 0.3), correlation of means 0.95 (at most 0.9).'
        """
        selected = self.selected
        larger = np.flatnonzero(self.n_clusters > selected)
        if len(larger) == 0:
            return f"No cluster can be divided: each has a single gene, or genes with identical trends.{self._division}"
        after, bounds = larger[0], self.bounds
        of_variance, within = (
            self.explained[after] < bounds.explained,
            "the variance explained within the divided cluster",
        )
        texts = []
        for what, name, side, fails in (
            ("support", "support", "least", self.support[after] < bounds.support),
            ("connectivity", "connectivity", "most", self.connectivity[after] > bounds.connectivity),
            ("correlation of means", "correlation", "most", self.correlation[after] > bounds.correlation),
            ("the share of the variance explained by the division", "explained", "least", of_variance),
            (within, "within", "least", self.lacks_direction and not of_variance),
        ):
            if fails:
                value, bound, unit, precision = getattr(self, name)[after], getattr(bounds, name), "", "2f"
                if name in ("explained", "within"):
                    value, bound, unit, precision = 100 * value, 100 * bound, " %", "3g"
                verb = "" if texts else " would be"
                texts.append(f"{what}{verb} {_digits(value, bound, precision)}{unit} (at {side} {bound:g}{unit})")
        found = "There is 1 cluster" if selected == 1 else f"{selected} clusters are distinct"
        start = f"{found}; with" if self.n_divided else "With"
        return f"{start} {self.n_clusters[after]} clusters, {', '.join(texts)}.{self._division}"

    @property
    def _division(self) -> str:
        """A sentence about clusters that were divided off, if there are any."""
        if not self.n_divided:
            return ""
        return f" Genes that contradict the mean of their cluster form {self.n_divided} more."


def _digits(value: float, bound: float, precision: str) -> str:
    """Return a value with at least this precision, and as many digits more as tell it from its bound.

    >>> _digits(0.9312, 0.9, "2f"), _digits(0.9002, 0.9, "2f"), _digits(1.4997, 1.5, "3g")
    ('0.93', '0.9002', '1.4997')
    """
    for more in range(9):
        text = f"{value:.{int(precision[0]) + more}{precision[1]}}"
        if float(text) != round(bound, 9):
            break
    return text


def confidence(rows: np.ndarray, draws: np.ndarray, means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the fraction of draws, and of their reflections at the rows, in which each row is nearest to its own mean."""
    stays = np.zeros(len(rows))
    for draw in draws:
        for half in (draw, 2 * rows - draw):
            stays += scores(half, means).argmax(axis=1) == labels
    return stays / (2 * len(draws))
