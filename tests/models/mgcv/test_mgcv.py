"""MgcvGAM: exactly mgcv's numbers, failures of single genes, and pickles without R objects."""

import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from lineage_clust.errors import NoTrendError
from lineage_clust.models.mgcv import session as mgcv_session
from lineage_clust.models.mgcv.mgcv import MgcvGAM
from lineage_clust.smoothers import BSplineSmoother, GaussianProcessSmoother

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
KNOTS = np.arange(-3, 11) / 7
PRECISE = {
    "epsilon": 1e-12, "mgcv.tol": 1e-12, "mgcv.half": 60, "maxit": 500,
    "newton": {"conv.tol": 1e-10, "maxNstep": 5, "maxSstep": 2, "maxHalf": 60, "use.svd": False},
}  # fmt: skip


@pytest.fixture(scope="module")
def r():
    """The R session."""
    try:
        return mgcv_session.session()
    except ImportError:
        pytest.skip("rpy2, R or mgcv is not installed")


@pytest.fixture(scope="module")
def counts():
    """Pseudotime, weights, offset, mean and negative binomial counts."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(size=250))
    offset, mean = rng.normal(0, 0.3, 250), np.exp(1 + np.sin(5 * t))
    return (
        t,
        rng.uniform(0.05, 1, 250),
        offset,
        mean,
        rng.poisson(rng.gamma(2, mean * np.exp(offset) / 2)).astype(float),
    )


class FirstColumn(MgcvGAM):
    """Looks at the first column only, so that scikit-learn's checks, which have several, can be run."""

    def _check_times(self, X, reset):
        if not reset:
            check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=reset, ensure_min_samples=2 if reset else 1)[:, 0]


NOT_EXPECTED = {
    "check_regressors_train": "asks for a good fit from all columns",
    "check_sample_weight_equivalence_on_dense_data": "mgcv takes weights for precisions, not for repetitions",
}


@parametrize_with_checks([FirstColumn()], expected_failed_checks=lambda _: NOT_EXPECTED)
@pytest.mark.slow
def test_scikit_learn(r, estimator, check):
    check(estimator)


@pytest.mark.parametrize("weights", ["fate", "unit"])
@pytest.mark.first(1)
def test_golden_gaussian(r, weights):
    data = pd.read_csv(GOLDEN / "gaussian" / "data.csv")
    numbers = pd.read_csv(GOLDEN / "gaussian" / "results" / "genes.csv.gz")
    numbers = numbers[(numbers["weights"] == weights) & (numbers["method"] == "REML")].set_index("gene")
    genes = [f"y{i}" for i in range(1, 37, 3)]
    numbers = numbers.loc[genes]
    curves = pd.read_csv(GOLDEN / "gaussian" / "results" / f"curves_reml_{weights}.csv.gz")
    model = MgcvGAM(k=10, bs="ps", m=(2, 2), knots=KNOTS, control=PRECISE)
    model.fit(data["t"].to_numpy(), data[genes].to_numpy(), data["w"] if weights == "fate" else None)
    mean, std = model.predict(curves["t"].to_numpy(), return_std=True)
    assert (numbers["free_gap"] < 1e-6).all()  # mgcv's own search found the optimum that was stored
    gap = np.abs(mean - curves[[f"fit_{gene}" for gene in genes]]).max(axis=0) / np.sqrt(numbers["scale"].to_numpy())
    assert gap.max() < 1e-6
    np.testing.assert_allclose(std, curves[[f"se_{gene}" for gene in genes]], rtol=1e-5)
    np.testing.assert_allclose(model.edf_, numbers["free_edf"], atol=1e-6)
    np.testing.assert_allclose(model.scale_, numbers["free_scale"], rtol=1e-8)
    np.testing.assert_allclose(model.deviance_explained_, numbers["deviance_explained"], atol=1e-6)
    expected = np.where(model.converged_, numbers["pvalue"], np.nan)  # no p-value of what mgcv says has not converged
    np.testing.assert_allclose(model.pvalue_, expected, atol=1e-5)
    finite = ~numbers["at_infinity"].to_numpy()
    np.testing.assert_allclose(model.lambda_[finite], numbers["free_sp"][finite], rtol=1e-3)
    np.testing.assert_array_equal(model.converged_, numbers["free_converged"])


@pytest.mark.parametrize("family", ["nb", "poisson", "gamma", "binomial"])
@pytest.mark.first(1)
def test_golden_families_with_weights_and_offset(r, family):
    data = pd.read_csv(GOLDEN / "families" / "data.csv.gz")
    numbers = pd.read_csv(GOLDEN / "families" / "results" / "genes.csv.gz")
    plain = (numbers["weights"] == "fate") & ~numbers["restarted"] & ~numbers["at_infinity"] & numbers["converged"]
    numbers = numbers[plain & (numbers["family"] == family)].set_index("gene").iloc[:3]
    curves = pd.read_csv(GOLDEN / "families" / "results" / f"curves_{family}_fate.csv.gz")
    names = {"nb": "negative_binomial"}
    model = MgcvGAM(k=10, bs="ps", m=2, knots=KNOTS, family=names.get(family, family), control=PRECISE)
    model.fit(data["t"].to_numpy(), data[list(numbers.index)].to_numpy(), data["w"], offset=data["offset"])
    expected = curves[[f"response_{gene}" for gene in numbers.index]].to_numpy()
    error = np.abs(model.predict(curves["t"].to_numpy()) - expected).max(axis=0) / np.ptp(expected, axis=0)
    assert error.max() < 1e-6
    np.testing.assert_allclose(model.edf_, numbers["edf"], rtol=1e-6)
    np.testing.assert_allclose(model.theta_, numbers["theta"], rtol=1e-6)


def test_the_same_as_calling_r(r, counts):
    import rpy2.rinterface as rinterface

    t, w, offset, _, y = counts
    direct = rinterface.evalr("""function(t, y, w, off) {
      fit <- mgcv::gam(y ~ s(t, bs = "cr", k = 9) + offset(off), family = mgcv::nb(), weights = w, method = "REML")
      trend <- predict(fit, data.frame(t = seq(-0.1, 1.1, length.out = 9), off = 0), type = "response", se.fit = TRUE)
      link <- predict(fit, data.frame(t = seq(-0.1, 1.1, length.out = 9), off = 0), se.fit = TRUE)
      test <- summary(fit)
      c(trend$fit, trend$se.fit, exp(link$fit - qnorm(0.975) * link$se.fit), test$s.table[1, 3:4], test$dev.expl,
        sum(fit$edf), fit$sig2, fit$sp, fit$family$getTheta(TRUE))
    }""")
    expected = np.array(direct(*map(rinterface.FloatSexpVector, (t, y, w, offset))))
    model = MgcvGAM(k=9, family="negative_binomial").fit(t[:, None], y, w, offset=offset)
    times = np.linspace(-0.1, 1.1, 9)
    found = [
        *model.predict(times, return_std=True),
        model.confidence_interval(times)[0],
        model.statistic_,
        model.pvalue_,
    ]
    found += [model.deviance_explained_, model.edf_, model.scale_, model.lambda_, model.theta_]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-9)


@pytest.mark.parametrize("bs", ["cr", "cc", "tp", "ps", "cp", "gp"])
@pytest.mark.first(2)
def test_the_basis_is_the_same_for_all_genes(r, counts, bs):
    t, w, _, mean, y = counts
    smoother = BSplineSmoother(n_splines=8, domain=(-0.1, 1.2))
    both = MgcvGAM(bs=bs).fit(t, np.column_stack([y, mean]), w, smoother=smoother)
    alone = MgcvGAM(bs=bs).fit(t, mean, w, smoother=smoother)
    assert both.coef_.shape == (2, 7 if bs == "cc" else 8)
    np.testing.assert_allclose(both.predict(t)[:, 1], alone.predict(t), rtol=1e-10)
    if bs in ("cc", "cp"):
        start, end = alone.predict([[-0.1], [1.2]])
        assert start == pytest.approx(end)


def test_knots_of_p_splines_span_the_domain(r, counts):
    t, _, _, mean, _ = counts
    free = MgcvGAM(bs="ps", k=10).fit(t, mean, smoother=BSplineSmoother(domain=(0, 1))).predict(t)
    np.testing.assert_allclose(free, MgcvGAM(bs="ps", k=10, knots=KNOTS).fit(t, mean).predict(t), rtol=1e-8)


def test_knots_by_density(r):
    t = np.concatenate([np.linspace(0, 0.2, 300), np.linspace(0.25, 1, 40)])
    y = np.sin(60 * t) * (t < 0.2)
    dense = MgcvGAM(k=20, knots="density").fit(t, y)
    even = MgcvGAM(k=20, knots=np.linspace(0, 1, 20)).fit(t, y)
    assert dense.deviance_explained_ > even.deviance_explained_
    tied = np.round(t, 2)
    assert MgcvGAM(k=20, knots="density").fit(tied, y).failed_ == {}
    with pytest.raises(ValueError, match="knots must be None, 'density'"):
        MgcvGAM(bs="ps", knots="density").fit(t, y)


def test_smoothing(r, counts):
    t, w, _, mean, _ = counts
    y = mean + np.random.default_rng(1).normal(0, 0.3, len(t))
    free = MgcvGAM(k=12).fit(t, y, w)
    fixed = MgcvGAM(k=12, sp=free.lambda_[0]).fit(t, y, w)
    np.testing.assert_allclose(fixed.predict(t), free.predict(t), rtol=1e-8)
    assert fixed.lambda_ == free.lambda_
    assert MgcvGAM(k=12, sp=1e8).fit(t, y, w).edf_ == pytest.approx(2, abs=1e-3)
    assert MgcvGAM(k=12, gamma=3).fit(t, y, w).edf_ < free.edf_
    assert MgcvGAM(k=12, method="GCV.Cp").fit(t, y, w).edf_ != free.edf_
    flat = np.random.default_rng(2).normal(size=len(t))
    assert MgcvGAM(k=12, select=True).fit(t, flat).edf_ < MgcvGAM(k=12).fit(t, flat).edf_


@pytest.mark.slow
def test_poor_genes_and_failures(r, counts, capfd):
    t, _, _, mean, y = counts
    n = len(t)
    one_nan, one_cell = y.copy(), np.zeros(n)
    one_nan[3], one_cell[50] = np.nan, 1.0
    genes = {
        "good": y, "zero": np.zeros(n), "nan": one_nan, "negative": -y, "infinite": np.full(n, np.inf),
        "constant": np.full(n, 2.0), "one cell": one_cell, "positive": mean, "good again": y,
    }  # fmt: skip
    Y, names = np.column_stack(list(genes.values())), list(genes)
    failing = {
        "gaussian": {"nan", "infinite"},
        "negative_binomial": {"nan", "infinite", "zero", "negative"},
        "gamma": set(names) - {"constant", "positive"},
    }
    for family, expected in failing.items():
        model = MgcvGAM(k=8, family=family).fit(t, sparse.csr_array(Y))
        assert {names[gene] for gene in model.failed_} == expected
        finite = np.isfinite(model.predict(t)).all(axis=0)
        assert {names[gene] for gene in np.flatnonzero(~finite)} == expected
        assert not model.converged_[~finite].any()
        constant = names.index("constant")
        np.testing.assert_allclose(model.predict(t)[:, constant], 2.0)
        assert model.note_[constant] == "constant expression"
        assert model.pvalue_[constant] == 1
        if "good" not in expected:
            alone = MgcvGAM(k=8, family=family).fit(t, y).predict(t)
            np.testing.assert_allclose(model.predict(t)[:, 0], alone, rtol=1e-12)
    assert "needs positive expression; found 0. Use 'negative_binomial' for counts" in model.failed_[0]
    with pytest.raises(NoTrendError, match=r"mgcv: no applicable method for 'smooth\.construct'"):
        MgcvGAM(bs="no_such_basis").fit(t, Y[:, :2])
    assert capfd.readouterr() == ("", "")


def test_warnings_of_mgcv_are_notes(r, counts, recwarn, capfd):
    t, *_, y = counts
    model = MgcvGAM(k=12, family="negative_binomial", control={"maxit": 1}).fit(t, y)
    assert not model.converged_[0]
    assert model.note_[0]
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_pickle_holds_no_r_object(r, counts, tmp_path):
    t, w, _, _, y = counts
    model = MgcvGAM(k=10, family="negative_binomial").fit(t, y, w)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(t, return_std=True), model.predict(t, return_std=True))
    longer = MgcvGAM(k=10, family="negative_binomial").fit(np.tile(t, 8), np.tile(y, 8))
    assert len(pickle.dumps(longer)) < len(pickle.dumps(model)) + 500 < 12_000
    np.savez(tmp_path / "expected.npz", t=t, mean=model.predict(t))
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    code = (
        "import pickle, numpy as np; saved = np.load('expected.npz'); model = pickle.load(open('model.pickle', 'rb')); "
        "np.testing.assert_allclose(model.predict(saved['t']), saved['mean'], rtol=1e-12)"
    )
    root = Path(__file__).resolve().parents[3]
    run = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"]
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True)


def test_threads_take_turns(r, counts):
    t, *_, y = counts
    expected, found = MgcvGAM(k=6).fit(t, y).predict(t), []
    threads = [threading.Thread(target=lambda: found.append(MgcvGAM(k=6).fit(t, y).predict(t))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for mean in found:
        np.testing.assert_allclose(mean, expected, rtol=1e-12)


def test_defaults_come_from_the_smoother(r, counts):
    t, *_, y = counts
    assert MgcvGAM().fit(t, y).coef_.shape == (1, 20)
    assert MgcvGAM().fit(t, y, smoother=BSplineSmoother(n_splines=7)).coef_.shape == (1, 7)
    assert MgcvGAM(k=5).fit(t, y, smoother=BSplineSmoother(n_splines=7)).coef_.shape == (1, 5)
    for other in ("passthrough", GaussianProcessSmoother()):
        assert MgcvGAM(k=5).fit(t, y, smoother=other).coef_.shape == (1, 5)
    assert MgcvGAM().fit(t[:9], y[:9]).coef_.shape == (1, 9)
    model = MgcvGAM(k=5, control={"maxit": 50}).fit(t, y)
    assert clone(model).get_params() == model.get_params()
    assert tuple(map(int, model.mgcv_version_.split("."))) >= (1, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, "k must be None or an integer of at least 2"),
        ({"family": "nb"}, "family must be one of"),
        ({"family": "poisson", "link": "logit"}, "mgcv's poisson family supports the links log, identity; got 'logit'"),
        ({"method": "reml"}, "method must be one of REML"),
        ({"sp": -1}, "sp must be None or a non-negative number"),
        ({"knots": "even"}, "knots must be None"),
        ({"gamma": 0}, "gamma must be a positive number"),
        ({"control": 3}, "control must be None or a dict"),
    ],
)
def test_wrong_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        MgcvGAM(**options).fit(np.arange(9.0), np.arange(9.0))


class TestMissing:
    """Advice, also where everything is installed."""

    @pytest.fixture(autouse=True)
    def no_session(self, monkeypatch):
        monkeypatch.setattr(mgcv_session, "_sessions", [])

    def test_rpy2(self, monkeypatch):
        for name in ("rpy2", "rpy2.rinterface", "rpy2.rinterface_lib"):
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(
            ImportError, match=r"apt-get install .* pip install 'lineage_clust\[mgcv\]'.* does not start"
        ):
            MgcvGAM().fit(np.arange(9.0), np.arange(9.0))

    def test_mgcv(self, r, monkeypatch):
        monkeypatch.setattr(mgcv_session, "_FUNCTIONS", "function() NULL")
        with pytest.raises(ImportError, match="its package mgcv is missing"):
            MgcvGAM().fit(np.arange(9.0), np.arange(9.0))


@pytest.mark.slow
def test_processes_started_after_r_find_their_own_libraries(r):
    """R puts its folders, with those of the system's Python, first on the path on which libraries are sought."""
    code = """
        import os, subprocess, sys
        before = os.environ.get("LD_LIBRARY_PATH")
        from lineage_clust.models.mgcv.session import session
        session()
        assert os.environ.get("LD_LIBRARY_PATH") == before
        subprocess.run([sys.executable, "-c", "import ssl, multiprocessing.resource_tracker"], check=True)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
