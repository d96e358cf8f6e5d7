"""A third-party clusterer: each gene joins the first earlier gene to which it is similar."""

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class Leaders(ClusterMixin, BaseEstimator):
    """Genes are alike from a correlation of their trends on; groups that are too small have no cluster."""

    uses_draws = True

    def __init__(self, least_correlation=0.9, least_size=2):
        self.least_correlation = least_correlation
        self.least_size = least_size

    def fit(self, X, y=None, draws=None):
        X = validate_data(self, X, dtype=float)
        leaders, rows = [], self._directions(X)
        for row in rows:
            if not leaders or (np.array(leaders) @ row).max() < self.least_correlation:
                leaders.append(row)
        followers = np.bincount((rows @ np.array(leaders).T).argmax(axis=1), minlength=len(leaders))
        large = followers >= self.least_size
        self.leaders_ = np.array(leaders)[large if large.any() else slice(None)]
        self.labels_ = self.predict(X)
        same = [self.predict(drawn) == self.labels_ for drawn in draws or ()]
        self.confidence_ = np.mean(same, axis=0) if same else np.full(len(X), np.nan)
        return self

    def predict(self, X):
        check_is_fitted(self, "leaders_")
        alike = self._directions(np.asarray(X, dtype=float)) @ self.leaders_.T
        return np.where(alike.max(axis=1) < self.least_correlation, -1, alike.argmax(axis=1))

    @staticmethod
    def _directions(X):
        centred = X - X.mean(axis=1, keepdims=True)
        return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
