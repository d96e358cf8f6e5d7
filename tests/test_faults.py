"""Faults during a fit: interruptions, workers that die, singular designs, and warnings of other libraries."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

import lineage_clust as lc
from lineage_clust import GAM, CubicSplineSmoother, GaussianProcessSmoother, GraphClusterer, PyGAM

TIME, FATE = "palantir_pseudotime", "palantir_fate_probabilities"
SMOOTHERS = [None, CubicSplineSmoother(), GaussianProcessSmoother(0.3, n_landmarks=50)]


def fit(adata, **parameters):
    defaults = {"lineage": "A", "n_points": 15, "alpha": None, "random_state": 0}
    return lc.TrendClusterer(**{**defaults, "clusterer": GraphClusterer(4, resolution=1.0), **parameters}).fit(adata)


class Interrupted(RegressorMixin, BaseEstimator):
    """A model that is interrupted, as by Ctrl-C, at one of the genes."""

    def fit(self, X, y, sample_weight=None):
        self.level_ = float(np.mean(y))
        if y[0] > 0.5:
            raise KeyboardInterrupt
        return self

    def predict(self, X):
        return np.full(len(X), self.level_)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interruption_leaves_an_earlier_fit_and_a_usable_session(n_jobs, make_adata):
    adata = make_adata(n_cells=60, n_genes=8)
    tc = fit(adata)
    before = tc.labels_.copy(), tc.trends_.copy()
    tc.set_params(model=Interrupted(), smoother="passthrough", n_jobs=n_jobs, backend="threading")
    with pytest.raises(KeyboardInterrupt):
        tc.fit(adata)
    np.testing.assert_array_equal(tc.labels_, before[0])
    np.testing.assert_array_equal(tc.trends_, before[1])
    tc.set_params(model=None, smoother=None).fit(adata)
    np.testing.assert_array_equal(tc.labels_, before[0])


SESSION = """
    import os, signal, threading, time
    from pathlib import Path
    import numpy as np
    from sklearn.base import BaseEstimator, RegressorMixin
    import lineage_clust as lc

    class Slow(RegressorMixin, BaseEstimator):
        def fit(self, X, y, sample_weight=None):
            time.sleep(30)
            return self
        def predict(self, X):
            return np.zeros(len(X))

    def workers():  # of loky, by Linux' list of processes; elsewhere there is none
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
                if parent == os.getpid() and "LokyProcess" in status.with_name("cmdline").read_text():
                    found.append(status)
            except (OSError, ValueError):
                pass
        return found

    if __name__ == "__main__":
        adata = lc.datasets.simulate_lineage(60, 12, 2, n_lineages=1, random_state=0)
        slow = lc.TrendClusterer(Slow(), "passthrough", n_jobs=2, alpha=None)
        threading.Timer(3.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            slow.fit(adata)
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - start < 20, hasattr(slow, "labels_"))
        print("usable", lc.TrendClusterer(alpha=None).fit(adata).trends_.shape)
        deadline = time.monotonic() + 10
        while workers() and time.monotonic() < deadline:
            time.sleep(0.1)
        print("left", len(workers()))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")
@pytest.mark.slow
def test_ctrl_c_during_a_parallel_fit(tmp_path):
    script = tmp_path / "session.py"
    script.write_text(textwrap.dedent(SESSION))
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.splitlines() == ["interrupted True False", "usable (12, 200)", "left 0"]


DEATH = """
    import os, signal, sys
    import numpy as np
    from sklearn.base import BaseEstimator, RegressorMixin
    import lineage_clust as lc

    class Dying(RegressorMixin, BaseEstimator):  # ends its process, as the system does when memory runs out
        def __init__(self, parent=0):
            self.parent = parent
        def fit(self, X, y, sample_weight=None):
            if os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return self
        def predict(self, X):
            return np.zeros(len(X))

    if __name__ == "__main__":
        adata = lc.datasets.simulate_lineage(60, 8, 2, n_lineages=1, random_state=0)
        tc = lc.TrendClusterer(Dying(os.getpid()), "passthrough", alpha=None, n_jobs=2, random_state=0)
        try:
            tc.fit(adata)
        except RuntimeError as error:
            print("worker process" in str(error) and "was unexpectedly terminated" in str(error), hasattr(tc, "labels_"))
        again = lc.TrendClusterer(lc.PyGAM(), alpha=None, n_jobs=2, backend="threading").fit(adata)
        print(np.isfinite(again.trends_).all())
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX has them")
@pytest.mark.slow
def test_a_dying_worker_gives_an_error_and_the_next_fit_works(tmp_path):
    script = tmp_path / "session.py"
    script.write_text(textwrap.dedent(DEATH))
    for attempt in range(3):  # joblib's loky now and then misses the death of a worker that has just started
        try:
            found = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
            break
        except subprocess.TimeoutExpired:
            assert attempt < 2
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.splitlines() == ["True False", "True"]


# ------------------------------------------------------------------------------------------------- singular designs


def weigh(adata, weights):
    adata.obsm[FATE] = adata.obsm[FATE].assign(A=weights)


def time(adata, times):
    adata.obs[TIME] = times


SINGULAR = {
    "three times": lambda adata: time(adata, np.arange(adata.n_obs) % 3.0),
    "four times, one of them of one cell": lambda adata: time(
        adata, np.where(np.arange(adata.n_obs) == 7, 1.5, np.arange(adata.n_obs) % 3)
    ),
    "nearly all cells at one time": lambda adata: time(
        adata, np.where(np.arange(adata.n_obs) < 5, np.arange(adata.n_obs) / 5, 0.9)
    ),
    "a gap": lambda adata: time(adata, adata.obs[TIME] * 0.1 + 0.9 * (adata.obs[TIME] > 0.5)),
    "one time far away": lambda adata: time(adata, np.where(np.arange(adata.n_obs) == 3, 1e5, adata.obs[TIME])),
    "weight on two cells": lambda adata: weigh(adata, (np.arange(adata.n_obs) < 2) * 1.0),
    "weights of all sizes": lambda adata: weigh(adata, 10.0 ** -(np.arange(adata.n_obs) % 12)),
}


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("smoother", SMOOTHERS, ids=["B-splines", "cubic", "Gaussian process"])
@pytest.mark.parametrize("family", ["gaussian", "negative_binomial"])
@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
@pytest.mark.slow
def test_singular_designs_degrade_without_noise(name, smoother, family, make_adata):
    adata = make_adata(n_cells=60, n_genes=4)
    SINGULAR[name](adata)
    layer, smallest = ("counts", 0.0) if family != "gaussian" else (None, -np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", lc.LineageClustWarning)
        model = GAM(family, max_iter=60)
        tc = fit(adata, smoother=smoother, model=model, layer=layer, offset=None, weight_threshold=(0.01, 0.01))
    assert np.isfinite(tc.trends_).all()
    assert (tc.trends_ >= smallest).all()
    assert (tc.trend_se_ >= 0).all()
    table = tc.gene_table_
    tested = table["pvalue"].between(0, 1)
    assert (
        tested | (table["pvalue"].isna() & table["note"].str.contains("a trend cannot be distinguished from noise"))
    ).all()
    assert tested.all() or "weight" in name  # which leave fewer cells than degrees of freedom


@pytest.mark.parametrize("weight_threshold", [0, (0.01, 0.01)])
def test_weight_on_two_cells_alone_is_refused_or_shared(weight_threshold, make_adata):
    adata = make_adata(n_cells=60, n_genes=4)
    SINGULAR["weight on two cells"](adata)
    if weight_threshold == 0:
        with pytest.raises(ValueError, match=r"The 2 cells of lineage 'A' .* 2 distinct pseudotimes; .* at least 3"):
            fit(adata, weight_threshold=0)
    else:
        assert np.isfinite(fit(adata, weight_threshold=weight_threshold).trends_).all()


def test_equal_pseudotimes_are_the_same_as_one_weighted_mean():
    """Ties are no singularity: cells of the same time and their mean with the sum of their weights give one curve."""
    rng = np.random.default_rng(0)
    times, y = np.repeat(np.linspace(0, 1, 12), 5), rng.normal(size=60)
    smoother = lc.BSplineSmoother(8).fit(times[:, None])
    tied = GAM(smoothing=0.5).fit(smoother.transform(times[:, None]), y, penalty=smoother.penalty_)
    means = y.reshape(12, 5).mean(axis=1)
    once = smoother.transform(times[::5, None])
    single = GAM(smoothing=0.5).fit(once, means, sample_weight=np.full(12, 5.0), penalty=smoother.penalty_)
    np.testing.assert_allclose(tied.coef_, single.coef_, atol=1e-9)


# ------------------------------------------------------------------------------------------- noise of other libraries


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 0.01, "clusterer": None},
        {"model": GAM("poisson"), "layer": "counts", "offset": "size_factors"},
        {"model": GAM("gamma", max_iter=20), "layer": "counts", "filter_cells": 0},
        {"model": PyGAM("poisson", "log", max_iter=20), "layer": "counts", "genes": ["rise0", "fall0", "peak0"]},
        {"lineage": ["A", "B"], "covariates": ["batch", "depth"]},
        {"clusterer": GraphClusterer(30, n_components=3, weights="jaccard")},
        {"time_range": (0.2, 1.4), "scale": "minmax", "model": GAM(smoothing="gcv", covariance="bayes")},
    ],
    ids=str,
)
@pytest.mark.slow
def test_no_warning_of_another_library_reaches_the_user(parameters, make_adata):
    adata = make_adata(n_cells=80, n_genes=8)
    adata.layers["counts"] = adata.layers["counts"].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", lc.LineageClustWarning)
        tc = fit(adata, **parameters)
        tc.predict(adata)
        tc.score(adata)
        tc.to_anndata()
        if tc.n_clusters_:
            tc.transform(adata)
            tc.plot()


def test_nothing_is_printed(make_adata, capfd):
    adata = make_adata(n_cells=60, n_genes=8)
    fit(adata).predict(adata)
    fit(adata, model=PyGAM(), genes=["rise0", "fall0"]).score(adata)
    assert capfd.readouterr() == ("", "")
