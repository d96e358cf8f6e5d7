"""Upper tails of chi-square and F distributions with integer degrees of freedom."""

from __future__ import annotations

import numpy as np
from scipy import special

# coefficients of (t / 2 / sinh(t / 2))^(1/2) in powers of t^2, see `_student`
_ROOT = (1, -1 / 48, 1 / 2560, -61 / 7741440, 1261 / 7431782400, -79 / 20761804800, 66643 / 761775532277760)
_FEWEST_DF, _FARTHEST = 40, 1.0  # residual degrees of freedom and -log w for which the series is accurate to 1e-10


def upper_tail(statistic: np.ndarray, df: np.ndarray, residual_df: np.ndarray | None) -> np.ndarray:
    """Return the upper tail of chi-square, or of `df` times F.

    statistic : `(n_points, n_genes)`.
    df : `(n_genes,)` integers, at least 1.
    residual_df : `(n_genes,)`, or `None` for chi-square.

    For integer degrees of freedom the F tail is a finite sum of positive terms [1]_. With ``a = residual_df / 2`` and
    ``w = 1 / (1 + statistic / residual_df)`` it is the incomplete beta function ``I_w(a, df / 2)``, and
    ``I_w(a, b + 1) = I_w(a, b) + w^a (1 - w)^b / (b B(a, b))``, starting from ``I_w(a, 0) = 0`` or from ``I_w(a,
    1/2)``, the two tails of Student's t.

    References
    ----------
    .. [1] NIST Digital Library of Mathematical Functions, 8.17.20.

    >>> upper_tail(np.array([[3.84], [6.63]]), np.array([1]), None).round(2).ravel().tolist()
    [0.05, 0.01]
    """
    if residual_df is None:
        return special.chdtrc(df, statistic)
    tails, statistic = np.empty_like(statistic), np.clip(statistic, 0.0, 1e300)
    for odd in (False, True):
        genes = np.flatnonzero(df % 2 == odd)
        if len(genes) == 0:
            continue
        genes = genes[np.argsort(-df[genes], kind="stable")]  # in decreasing order of the number of terms
        x, a = statistic[:, genes] / residual_df[genes], residual_df[genes] / 2
        xi = np.log1p(x)
        rest = x / (1 + x)
        if odd:
            tail = _student(xi, a)
            term = np.exp(-a * xi) * np.sqrt(rest) * (special.poch(a, 0.5) / special.gamma(1.5))
        else:
            tail, term = np.zeros_like(x), np.exp(-a * xi)
        n_terms = df[genes] // 2
        for number in range(int(n_terms[0])):
            n_genes = int(np.searchsorted(-n_terms, -number))  # with more terms than this
            tail[:, :n_genes] += term[:, :n_genes]
            b = number + 0.5 * odd
            term[:, :n_genes] *= rest[:, :n_genes] * ((a[:n_genes] + b) / (b + 1))
        tails[:, genes] = tail
    return tails


def _student(xi: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return both tails of Student's t with `2a` degrees of freedom, ``I_w(a, 1/2)`` at ``w = exp(-xi)``.

    It is ``Gamma(a + 1/2) / (Gamma(a) Gamma(1/2))`` times the integral from `xi` to infinity of ``exp(-g t) t^(-1/2) (t
    / 2 / sinh(t / 2))^(1/2)`` with ``g = a - 1/4`` [1]_. The last factor varies slowly where the others are large;
    expanded in powers of t^2, the integral is a sum of incomplete gamma functions, which follow from an error function
    by ``Gamma(s + 1, z) = s Gamma(s, z) + z^s exp(-z)``. This is ten times faster than the general function, which is
    used elsewhere.

    References
    ----------
    .. [1] Temme (1996). Special Functions, section 11.3.3, for large `a`; NIST Digital Library, 8.8.2.
    """
    tails = np.empty_like(xi)
    near = (2 * a >= _FEWEST_DF) & (xi.max(axis=0, initial=0.0) <= _FARTHEST)
    tails[:, ~near] = special.betainc(a[~near], 0.5, np.exp(-xi[:, ~near]))
    if near.any():
        a, xi = a[near], xi[:, near]
        g = a - 0.25
        z = g * xi
        far = xi.max(initial=0.0) + 10 / g.min()  # the integrand is negligible beyond
        root = [factor for j, factor in enumerate(_ROOT) if abs(factor) * far ** (2 * j) > 1e-14]
        powers = range(2 * len(root) - 1)
        rising = [float(special.poch(0.5, power)) for power in (*powers, powers[-1] + 1)]
        whole = sum(factor * rising[2 * j] * g ** (-2 * j) for j, factor in enumerate(root))
        polynomial = np.zeros_like(xi)
        for power in reversed(powers[:-1]):
            own = sum(c * rising[2 * j] * g ** (power - 2 * j) for j, c in enumerate(root) if 2 * j > power)
            polynomial = polynomial * xi + own / rising[power + 1]
        integral = np.sqrt(np.pi) * whole * special.erfc(np.sqrt(z)) + np.exp(-z) * np.sqrt(z) * polynomial
        ratio = special.poch(a, 0.5) / np.sqrt(np.pi * g)
        tails[:, near] = ratio * integral
    return tails
