"""Cluster-robust standard errors by statsmodels, for `tests/models/gam/donors/test_cr2.py`.

Run with numpy and statsmodels: `python make_golden.py`. It writes `statsmodels.json`. CR2 and its
degrees of freedom, which statsmodels lacks, are computed here with the full matrices of the papers.
"""

import json
from pathlib import Path

import numpy as np
import statsmodels
import statsmodels.api as sm
from scipy import linalg


def data():
    rng = np.random.default_rng(20)
    n = 120
    donors = np.sort(rng.choice(5, n, p=[0.4, 0.2, 0.2, 0.1, 0.1]))
    time = rng.uniform(size=n)
    Z = np.column_stack([np.ones(n), time, time**2])
    Y = rng.standard_normal((n, 3)) + 0.5 * rng.standard_normal((5, 3))[donors]
    return donors, Z, Y, rng.uniform(0.2, 1, n)


def cr2(donors, Z, y, w):
    """Return CR2 covariance and the degrees of freedom of every coefficient, with matrices over cells."""
    root = np.sqrt(w)
    X, v = Z * root[:, None], y * root
    M = np.linalg.inv(X.T @ X)
    hat = X @ M @ X.T
    e = v - hat @ v
    meat, adjusted = np.zeros((3, 3)), []
    for donor in range(5):
        rows = np.flatnonzero(donors == donor)
        A = linalg.inv(linalg.sqrtm(np.eye(len(rows)) - hat[np.ix_(rows, rows)]).real)
        score = X[rows].T @ A @ e[rows]
        meat += np.outer(score, score)
        adjusted.append((rows, A))
    df = []
    for column in range(3):
        G = np.column_stack([(np.eye(len(v)) - hat)[:, rows] @ A @ X[rows] @ M[:, column] for rows, A in adjusted])
        inner = G.T @ G
        df.append(float(np.trace(inner) ** 2 / np.sum(inner**2)))
    return M @ meat @ M, df


def main():
    donors, Z, Y, w = data()
    found = {"statsmodels": statsmodels.__version__, "CR1": [], "CR2": [], "df": []}
    for y in Y.T:
        fit = sm.WLS(y, Z, weights=w).fit(cov_type="cluster", cov_kwds={"groups": donors})
        found["CR1"].append(fit.cov_params().tolist())
        covariance, df = cr2(donors, Z, y, w)
        found["CR2"].append(covariance.tolist())
        found["df"].append(df)
    Path(__file__).with_name("statsmodels.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
