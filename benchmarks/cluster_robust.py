"""Cluster-robust covariances of linear models, batched over genes, from sums per cluster of cells."""

from __future__ import annotations

import numpy as np

_RANGE = 1e-12  # of the largest eigenvalue


def cluster_robust(
    grams: np.ndarray, products: np.ndarray, n_cells: float, kind: str = "CR2"
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and their covariances, with clusters (donors) as replicates.

    Parameters
    ----------
    grams
        `Z_d'WZ_d`, `(n_clusters, n_columns, n_columns)`; their sum must be invertible.
    products
        `Z_d'Wy`, `(n_clusters, n_columns, n_genes)`.
    n_cells
        Number of cells; used by CR1.
    kind
        `"CR0"`: no correction. `"CR1"`: the factor ``D / (D - 1) (n - 1) / (n - p)``, as in statsmodels. `"CR2"`:
        unbiased if the cells of a cluster are independent and the weights are precisions.

    Returns
    -------
    coefficients : ndarray of shape (n_columns, n_genes)
    covariances : ndarray of shape (n_genes, n_columns, n_columns)

    Notes
    -----
    The covariance is ``M sum_d u_d u_d' M`` with ``M = (Z'WZ)^-1`` and residuals ``e_d``. CR0 uses ``u_d = Z_d'We_d``,
    and CR2 [1]_ uses ``u_d = Z_d'W^(1/2) (I - H_dd)^(-1/2) W^(1/2) e_d``, where `H_dd` is a block of the hat matrix.
    With ``Z_d'WZ_d = R'R`` the latter is ``R'(I - RMR')^(-1/2) R^-T Z_d'We_d``, which requires only sums over the
    cells.

    References
    ----------
    .. [1] Bell & McCaffrey (2002). Bias reduction in standard errors for linear regression with multi-stage samples. Survey
       Methodology 28, 169-181.

    Examples
    --------
    >>> means = np.array([1.0, 3.0, 2.0])[:, None, None]  # three donors with one cell each: variance of a mean
    >>> _, covariances = cluster_robust(np.ones((3, 1, 1)), means, 3)
    >>> round(float(covariances[0, 0, 0]), 4)
    0.3333
    """
    if kind not in ("CR0", "CR1", "CR2"):
        raise ValueError(f"kind must be 'CR0', 'CR1' or 'CR2'; got {kind!r}.")
    bread = np.linalg.inv(grams.sum(axis=0))
    coefficients = bread @ products.sum(axis=0)
    scores = products - grams @ coefficients
    n_clusters, n_columns = scores.shape[:2]
    if kind == "CR2":
        scores = np.stack([
            root.T @ _power(root @ bread @ root.T, -0.5) @ inverse.T @ score
            for (root, inverse), score in zip(map(_root, grams), scores, strict=True)
        ])  # fmt: skip
    steps = bread @ scores
    covariances = np.einsum("dig,djg->gij", steps, steps)
    if kind == "CR1":
        covariances *= n_clusters / (n_clusters - 1) * (n_cells - 1) / (n_cells - n_columns)
    return coefficients, covariances


def satterthwaite_df(grams: np.ndarray, contrast: np.ndarray) -> float:
    """Return the Satterthwaite degrees of freedom of a t-test of `contrast @ coefficients` with its CR2 variance.

    They match the first two moments of the variance to those of a chi-square, assuming independent cells.

    Parameters
    ----------
    grams
        `Z_d'WZ_d`, `(n_clusters, n_columns, n_columns)`.
    contrast
        `(n_columns,)`.

    References
    ----------
    Bell & McCaffrey (2002), as above.
    Pustejovsky & Tipton (2018). Small-sample methods for cluster-robust variance estimation and hypothesis testing in fixed
    effects models. Journal of Business & Economic Statistics 36, 672-683, section 2.2.

    Examples
    --------
    >>> satterthwaite_df(np.ones((5, 1, 1)), np.ones(1)).round(6)  # mean of five observations
    np.float64(4.0)
    """
    bread = np.linalg.inv(grams.sum(axis=0))
    direction = bread @ contrast
    sides, lengths = [], []
    for gram in grams:
        root, _ = _root(gram)
        inner = root @ bread @ root.T
        sides.append(root.T @ _power(inner, -0.5) @ root @ direction)
        lengths.append(direction @ root.T @ _power(inner, -1.0) @ root @ direction)
    turned = np.stack(sides)
    matrix = np.diag(lengths) - turned @ bread @ turned.T
    return np.trace(matrix) ** 2 / np.sum(matrix**2)


def _root(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `R` of full row rank with `R'R = gram`, and its pseudo-inverse `R^-1`."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > _RANGE * values[-1]
    sizes = np.sqrt(values[kept])
    return (vectors[:, kept] * sizes).T, vectors[:, kept] / sizes


def _power(inner: np.ndarray, exponent: float) -> np.ndarray:
    """Return `(I - inner)^exponent`; eigenvalues of 0, where a cluster determines its own fit, give 0."""
    values, vectors = np.linalg.eigh(np.eye(len(inner)) - inner)
    powers = np.where(values > 1e-10, np.maximum(values, 1e-300) ** exponent, 0.0)
    return (vectors * powers) @ vectors.T
