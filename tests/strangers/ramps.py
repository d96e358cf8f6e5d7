"""A third-party smoother: piecewise linear curves with evenly spaced knots."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class Ramps(TransformerMixin, BaseEstimator):
    """Ramps `max(0, t - bend)` and pseudotime itself; a bend costs the square of its change of slope."""

    def __init__(self, n_bends=6, domain=None):
        self.n_bends = n_bends
        self.domain = domain  # TrendClusterer sets it to the time range of the lineage

    def fit(self, X, y=None):
        X = validate_data(self, X, dtype=float)
        start, end = (X.min(), X.max()) if self.domain is None else self.domain
        self.bends_ = np.linspace(start, end, self.n_bends + 2)[:-1]
        self.penalty_ = np.diag([0.0, *np.ones(self.n_bends)])  # a straight line costs nothing
        return self

    def transform(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False)
        return np.maximum(0.0, X[:, [0]] - self.bends_)
