"""A third-party model: penalised least squares with one smoothing parameter for all genes, and its posterior."""

import numpy as np
from sklearn.base import BaseEstimator


class SharedRidge(BaseEstimator):
    """It reads the smoother's columns and penalty, knows its errors, and can be sampled from."""

    reads = "design"

    def __init__(self, smoothing=0.1):
        self.smoothing = smoothing

    def fit(self, X, y, sample_weight=None, penalty=None):
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        X = self._with_constant(X)
        normal = X.T @ (weights[:, None] * X)
        if penalty is not None:
            n = len(penalty)
            normal[:n, :n] += self.smoothing * weights.sum() * penalty
        self.covariance_ = np.linalg.inv(normal + 1e-9 * np.eye(len(normal)))
        self.coef_ = self.covariance_ @ (X.T @ (weights[:, None] * y))
        residual = weights @ (y - X @ self.coef_) ** 2
        total = weights @ (y - np.average(y, axis=0, weights=weights)) ** 2
        self.scale_ = residual / weights.sum()
        self.deviance_explained_ = 1 - residual / np.maximum(total, 1e-300)
        self.failed_ = dict.fromkeys(np.flatnonzero(~np.isfinite(total)), "its expression is not finite")
        return self

    def predict(self, X, return_std=False):
        X = self._with_constant(X)
        mean = X @ self.coef_
        if not return_std:
            return mean
        variance = np.einsum("ij,jk,ik->i", X, self.covariance_, X)
        return mean, np.sqrt(np.outer(variance, self.scale_))

    def sample(self, X, n_draws, random_state):
        root = np.linalg.cholesky(self.covariance_)
        generator, X = np.random.default_rng(random_state), self._with_constant(X)
        for _ in range(n_draws):
            common = generator.normal(size=(len(root), 1))  # of each gene the same, so that no other gene matters
            yield X @ (self.coef_ + root @ common * np.sqrt(self.scale_))

    @staticmethod
    def _with_constant(X):
        return np.column_stack([X, np.ones(len(X))])
