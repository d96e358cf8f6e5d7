"""Correlated samples of donors: small systems per donor give the same as one of all its samples."""

import numpy as np
import pytest

from lineage_clust.models.gam.donors.curves import DonorSums, at_covariance
from lineage_clust.models.gam.donors.samples import PairedSums, Samples
from lineage_clust.models.gam.donors.variances import Variances, covariance

N_GENES, N_FIXED, N_RANDOM = 3, 4, 3


def sums_of(samples, known_scale, seed=0):
    """Return sums of genes with their own weights, over 15 cells of each sample."""
    rng = np.random.default_rng(seed)
    n_samples = len(samples)
    X, U = (rng.standard_normal((n_samples, 15, n)) for n in (N_FIXED, N_RANDOM))
    y, weights = rng.standard_normal((N_GENES, n_samples, 15)), rng.uniform(0.5, 2, (N_GENES, n_samples, 15))
    total = np.einsum("gsn,snc,snd->gcd", weights, X, X), np.einsum("gsn,snc,gsn->gc", weights, X, y)[..., None]
    by_sample = [np.einsum("gsn,snr,snc->gsrc", weights, U, other) for other in (X, U)]
    products = np.einsum("gsn,snr,gsn->gsr", weights, U, y)[..., None]
    squares = np.einsum("gsn,gsn,gsn->g", weights, y, y)[:, None]
    return DonorSums(
        np.eye(N_FIXED), np.eye(N_RANDOM), total[0], *by_sample, total[1], products, squares, 15.0 * n_samples, N_FIXED,
        np.zeros(N_RANDOM - 1), each=True, known_scale=known_scale,
    )  # fmt: skip


@pytest.mark.parametrize("known_scale", [True, False])
@pytest.mark.parametrize("condition", [[0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 1, 0], [0, 1, 2, 0, 1, 2]])
def test_likelihoods_and_fits_are_those_of_the_covariance_of_a_donor(condition, known_scale):
    samples = Samples(np.array(condition), np.array([0, 1, 0, 1, 1, 2]))
    sums, shape = sums_of(samples, known_scale), np.array([[0.7, 0.2], [0.2, 0.3]])
    points = [(0, 0, 0), (0.5, 0, 0.3), (0, 2.0, 0.8), (0.5, 2.0, 1.0), (3.0, 0.1, 0.0), (1.0, 4.0, 0.6)]
    variances = Variances(*np.array(points).T)
    paired = PairedSums(sums, shape, samples, N_FIXED)
    expected = [
        at_covariance(samples.joined(sums), samples.covariance(covariance(shape, shift, curve), shared))
        for shift, curve, shared in variances
    ]
    np.testing.assert_allclose(paired.likelihoods(variances), [fit.likelihood() for fit in expected], rtol=1e-9)
    for point, fit in paired.fits(variances, np.arange(len(variances))):
        for name in ("gram", "products", "squares"):
            np.testing.assert_allclose(getattr(fit, name), getattr(expected[point], name), rtol=1e-9, atol=1e-9)
