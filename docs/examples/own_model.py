"""A model of one's own: smooth curves that single cells cannot bend, by Huber's weights."""

import numpy as np
from sklearn.base import BaseEstimator


class RobustSmooth(BaseEstimator):
    """Penalised regression in which cells far from the curve count less."""

    reads = "design"  # X is the smoother's basis, and `penalty` is handed to fit

    def __init__(self, smoothing=10.0, limit=1.345, n_iterations=20):
        self.smoothing = smoothing
        self.limit = limit
        self.n_iterations = n_iterations

    def fit(self, X, y, sample_weight=None, penalty=None):
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        self.penalty_ = 0.0 if penalty is None else self.smoothing * penalty
        self.failed_ = {}  # position -> reason, for genes that cannot be fitted
        self.coef_ = np.full((y.shape[1], X.shape[1]), np.nan)
        for gene, values in enumerate(y.T):
            if np.isfinite(values).all():
                self.coef_[gene] = self._fit_one(X, values, weights)
            else:
                self.failed_[gene] = "expression holds NaN or infinite values"
        return self

    def predict(self, X, return_std=False):
        mean = np.asarray(X @ self.coef_.T)
        return (mean, None) if return_std else mean  # it has no standard errors

    def _fit_one(self, X, y, weights):
        trust, ridge = np.ones(len(y)), 1e-9 * np.eye(X.shape[1])
        for _ in range(self.n_iterations):
            weighted = X * (weights * trust)[:, None]
            normal = weighted.T @ X + self.penalty_ + ridge
            coef = np.linalg.solve(normal, weighted.T @ y)
            distance = np.abs(y - X @ coef)
            spread = np.median(distance) / 0.6745 + 1e-12
            trust = np.minimum(1.0, self.limit * spread / np.maximum(distance, 1e-12))
        return coef
