"""PyGAM: equal to GAM where models agree, else equal to pyGAM, also where pyGAM's search fails."""

import itertools
import pickle
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pygam
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from lineage_clust.errors import LineageClustWarning, NoTrendError
from lineage_clust.models import GAM
from lineage_clust.models.pygam.pygam import PyGAM
from lineage_clust.smoothers import BSplineSmoother, GaussianProcessSmoother

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "gaussian"
DISTRIBUTIONS = ("normal", "gaussian", "binomial", "poisson", "gamma", "inv_gauss")
LINKS = ("identity", "logit", "log", "inverse", "inv_squared")


@pytest.fixture(scope="module")
def data():
    """Pseudotime, weights and 36 genes of every kind, one with a mean of 1e6, one of scale 1e-8."""
    table = pd.read_csv(GOLDEN / "data.csv")
    return table["t"].to_numpy(), table["w"].to_numpy(), table.filter(regex="^y").to_numpy()


@pytest.fixture(scope="module")
def responses():
    """Pseudotime, mean, and a response of each distribution."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(size=300))
    mean = np.exp(1 + np.sin(5 * t))
    return t, {
        "normal": rng.normal(mean, 0.3),
        "gaussian": rng.normal(mean, 0.3),
        "binomial": rng.binomial(1, mean / 8).astype(float),
        "poisson": rng.poisson(mean).astype(float),
        "gamma": rng.gamma(5, mean / 5),
        "inv_gauss": rng.wald(mean, 20),
    }


def pygam_term(t, **options):
    return pygam.s(0, n_splines=20, edge_knots=[t.min(), t.max()], **options)


class FirstColumn(PyGAM):
    """Looks at the first column only, so that scikit-learn's checks, which have several, can be run."""

    def _check_times(self, X, reset):
        if not reset:
            check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=reset, ensure_min_samples=2 if reset else 1)[:, 0]


@parametrize_with_checks(
    [FirstColumn()], expected_failed_checks=lambda _: {"check_regressors_train": "asks for a good fit from all columns"}
)
@pytest.mark.slow
def test_scikit_learn(estimator, check):
    check(estimator)


class TestAgainstGAM:
    @pytest.mark.parametrize("weighted", [False, True], ids=["unit", "fate"])
    @pytest.mark.parametrize("lam", [0.6, *(pytest.param(lam, marks=pytest.mark.slow) for lam in (0.01, 100.0))])
    @pytest.mark.first(1)
    def test_same_trends(self, data, lam, weighted):
        t, w, Y = data
        w = w if weighted else None
        smoother = BSplineSmoother().fit(t[:, None])
        gam = GAM(smoothing=lam, covariance="bayes")
        gam.fit(smoother.transform(t[:, None]), Y, sample_weight=w, penalty=smoother.penalty_)
        ours = PyGAM(penalties="derivative", lam=lam).fit(t, Y, w, smoother=smoother)
        grid = np.linspace(t.min(), t.max(), 60)
        expected = gam.predict(smoother.transform(grid[:, None]))
        error = np.abs(ours.predict(grid) - expected).max(axis=0) / np.ptp(expected, axis=0)
        assert error.max() < 1e-6
        np.testing.assert_allclose(ours.edf_, gam.edf_, atol=1e-5)
        np.testing.assert_allclose(ours.lambda_, gam.lambda_)
        small = np.abs(Y.mean(axis=0)) < 1e4  # of large means, GAM's sums of squares lose digits
        np.testing.assert_allclose(ours.scale_[small], gam.scale_[small], rtol=1e-6)
        np.testing.assert_allclose(ours.deviance_explained_[small], gam.deviance_explained_[small], atol=1e-6)

    @pytest.mark.parametrize("order", [1, 3])
    @pytest.mark.slow
    def test_the_smoother_s_order_of_the_penalty(self, data, order):
        t, w, Y = data
        smoother = BSplineSmoother(penalty_order=order, n_splines=12, degree=2, domain=(-0.1, 1.1)).fit(t[:, None])
        gam = GAM(smoothing=5.0).fit(smoother.transform(t[:, None]), Y, sample_weight=w, penalty=smoother.penalty_)
        ours = PyGAM(lam=5.0).fit(t[:, None], Y, w, smoother=clone(smoother))  # unfitted: the domain is a parameter
        grid = np.linspace(-0.2, 1.2, 50)  # beyond the domain both go on as straight lines
        expected = gam.predict(smoother.transform(grid[:, None]))
        error = np.abs(ours.predict(grid) - expected).max(axis=0) / np.ptp(expected, axis=0)
        assert error.max() < 1e-6

    def test_knots_span_the_domain(self, data):
        t, _, Y = data
        model = PyGAM().fit(t, Y[:, :2], smoother=BSplineSmoother(domain=(-1, 3)))
        assert list(model.estimators_[0].edge_knots_[0]) == [-1, 3]
        assert model.estimators_[0].terms[0].n_splines == 20

    @pytest.mark.slow
    def test_offset(self, data):
        t, w, Y = data
        offset = np.cos(9 * t)
        with_offset = PyGAM().fit(t, Y, w, offset=offset)
        np.testing.assert_array_equal(with_offset.predict(t), PyGAM().fit(t, Y - offset[:, None], w).predict(t))
        with pytest.raises(ValueError, match=r"pyGAM does not support an offset with a poisson .* Use GAM"):
            PyGAM("poisson", "log").fit(t, np.abs(Y), offset=offset)


class TestAgainstPyGAM:
    @pytest.mark.parametrize(
        ("distribution", "link", "kind"),
        [
            ("normal", "identity", pygam.LinearGAM),
            ("poisson", "log", pygam.PoissonGAM),
            ("gamma", "log", pygam.GammaGAM),
            ("inv_gauss", "log", pygam.InvGaussGAM),
            ("binomial", "logit", pygam.LogisticGAM),
        ],
    )
    @pytest.mark.slow
    def test_fits_intervals_and_search(self, responses, distribution, link, kind):
        t, y = responses[0], responses[1][distribution]
        ours = PyGAM(distribution, link, lam=2.0).fit(t, y)
        theirs = kind(pygam_term(t, lam=2.0)).fit(t[:, None], y)
        assert type(ours.estimators_[0]) is kind
        np.testing.assert_allclose(ours.predict(t), theirs.predict_mu(t[:, None]), rtol=1e-6)
        np.testing.assert_allclose(ours.estimators_[0].predict_mu(t[:, None]), ours.predict(t), rtol=1e-12)
        expected = theirs.confidence_intervals(t[:, None], width=0.9)
        np.testing.assert_allclose(np.transpose(ours.confidence_interval(t, 0.9)), expected, rtol=1e-6)
        explained = theirs.statistics_["pseudo_r2"]["explained_deviance"]
        np.testing.assert_allclose(ours.deviance_explained_, explained, atol=1e-6)
        theirs = kind(pygam_term(t)).gridsearch(t[:, None], y, lam=np.logspace(-3, 3, 11), progress=False)
        assert PyGAM(distribution, link, grid="default").fit(t, y).lambda_[0] == pytest.approx(theirs.lam[0][0])

    def test_expectile(self, responses):
        t, y = responses[0], responses[1]["gamma"]
        theirs = pygam.ExpectileGAM(pygam_term(t, lam=3), expectile=0.9).fit(t[:, None], y)
        ours = PyGAM(lam=3, expectile=0.9).fit(t, y)
        np.testing.assert_allclose(ours.predict(t), theirs.predict(t[:, None]), rtol=1e-5)
        assert np.all(ours.predict(t) > PyGAM(lam=3).fit(t, y).predict(t))
        assert ours.deviance_explained_[0] > 0.5
        assert PyGAM(expectile=0.9, grid="default").fit(t, y).edf_[0] < ours.edf_[0]

    def test_penalties_constraints_and_basis(self, responses):
        t, y = responses[0], responses[1]["normal"]
        grid = np.linspace(t[0], t[-1], 80)
        options = {"penalties": ["derivative", "l2"], "lam": (1.0, 0.1)}
        theirs = pygam.LinearGAM(pygam_term(t, penalties=["derivative", "l2"], lam=[1.0, 0.1])).fit(t[:, None], y)
        np.testing.assert_allclose(PyGAM(**options).fit(t, y).predict(t), theirs.predict(t[:, None]), rtol=1e-6)
        rising = PyGAM(constraints="monotonic_inc").fit(t, y).predict(grid)
        assert np.diff(rising).min() > -1e-4 * np.ptp(rising)
        concave = PyGAM(constraints=["concave"]).fit(t, y).predict(grid)
        assert np.diff(concave, n=2).max() < 1e-4 * np.ptp(concave)
        periodic = PyGAM(basis="cp").fit(t, y, smoother=BSplineSmoother(domain=(0, 1))).predict([[0.0], [1.0]])
        assert periodic[0] == pytest.approx(periodic[1], rel=1e-4)
        unpenalised = PyGAM(penalties=None).fit(t, y)
        assert unpenalised.edf_[0] == pytest.approx(20, abs=1e-3)
        grid_of_pairs = PyGAM(penalties=("derivative", "l2"), grid=[(1.0, 0.1), (1e6, 1e6)]).fit(t, y)
        assert grid_of_pairs.lambda_[0] == 1.0


class TestSearch:
    @pytest.mark.parametrize("distribution", ["gamma", "inv_gauss"])
    @pytest.mark.slow
    def test_zeros(self, responses, distribution):
        t, y = responses[0], responses[1][distribution]
        rng = np.random.default_rng(1)
        Y = np.column_stack(
            [y * (rng.uniform(size=len(t)) < 0.6), rng.gamma(1, size=len(t)) * (rng.uniform(size=len(t)) < 0.5)]
        )
        with pytest.warns(LineageClustWarning, match="2 of 2 genes contain zeros"):
            model = PyGAM(distribution, "log", grid="default").fit(t, Y)
        assert not model.failed_
        assert np.isin(model.lambda_, np.logspace(-3, 3, 11)).all()
        assert model.lambda_[1] > model.lambda_[0]  # the second is noise
        assert np.all(np.isfinite(model.deviance_explained_))

    def test_ways_to_give_the_grid(self, responses):
        t, y = responses[0], responses[1]["poisson"]
        values = [0.1, 10.0, 1000.0]
        grids = (values, tuple(values[::-1]), np.array(values), {"lam": values})
        found = [PyGAM("poisson", "log", grid=grid).fit(t, y).lambda_[0] for grid in grids]
        assert len(set(found)) == 1
        assert found[0] in values

    @pytest.mark.parametrize("grid", ["all", [], {"n_splines": [5]}, 3.0, [[1, 2]], [-1.0], ["a"], True])
    def test_wrong_grids(self, responses, grid):
        with pytest.raises(ValueError, match=r"grid must be|lam must be"):
            PyGAM(grid=grid).fit(responses[0], responses[1]["normal"])


@pytest.mark.parametrize(("distribution", "link"), [*itertools.product(DISTRIBUTIONS, LINKS)])
@pytest.mark.first(4)
def test_every_distribution_with_every_link(responses, distribution, link, capsys):
    t, y = responses[0], responses[1][distribution]
    model = PyGAM(distribution, link)
    if link == "logit" and distribution != "binomial":
        with pytest.raises(ValueError, match="logit link needs distribution='binomial'"):
            model.fit(t, y)
        return
    reason = None
    try:
        model.fit(t, y)
    except NoTrendError as error:
        reason = str(error)
    if reason is not None:  # zeros have no finite value under these links, and pyGAM's iterations may not recover
        assert (distribution, link) in itertools.product(("binomial", "poisson"), ("inverse", "inv_squared"))
        assert "try a larger lam, or another link" in reason
        return
    mean, std = model.predict(t, return_std=True)
    assert np.all(np.isfinite(mean))
    assert np.all(std > 0)
    assert np.corrcoef(mean, np.exp(np.sin(5 * t)))[0, 1] > 0.9 or model.note_[0]
    assert capsys.readouterr() == ("", "")


def test_poor_genes_and_failures(responses, capsys):
    t, gamma = responses[0], responses[1]["gamma"]
    n = len(t)
    one_nan, one_cell = gamma.copy(), np.zeros(n)
    one_nan[3], one_cell[50] = np.nan, 1.0
    genes = {
        "good": gamma, "zero": np.zeros(n), "nan": one_nan, "negative": -gamma, "infinite": np.full(n, np.inf),
        "constant": np.full(n, 2.0), "one cell": one_cell, "huge": gamma * 1e12, "good again": gamma,
    }  # fmt: skip
    Y, names = sparse.csr_array(np.column_stack(list(genes.values()))), list(genes)
    failing = {
        ("normal", "identity"): {"nan", "infinite"},
        ("poisson", "log"): {"nan", "infinite", "zero", "negative"},
        ("gamma", "log"): {"nan", "infinite", "zero", "negative"},
    }
    for pair, expected in failing.items():
        warned = pytest.warns(LineageClustWarning, match="genes contains? zeros") if "gamma" in pair else nullcontext()
        with warned:
            model = PyGAM(*pair, max_iter=8).fit(t, Y)
        assert {names[gene] for gene in model.failed_} == expected
        assert all(reason.strip() and "\n" not in reason for reason in model.failed_.values())
        finite = np.isfinite(model.predict(t)).all(axis=0)
        assert {names[gene] for gene in np.flatnonzero(~finite)} == expected
        for values in (model.edf_, model.scale_, model.lambda_, model.deviance_explained_):
            assert np.array_equal(np.isfinite(values), finite)
        notes = dict(zip(names, model.note_, strict=True))
        assert notes["constant"] == "constant expression"
        slow = "; no convergence in 8 iterations"
        converged = dict(zip(names, model.converged_, strict=True))["one cell"]
        assert notes["one cell"] == f"expressed in 1 cell only{'' if converged else slow}"
        np.testing.assert_array_equal(model.predict(t)[:, 0], PyGAM(*pair, max_iter=8).fit(t, gamma).predict(t))
        assert np.isnan(model.pvalue_).all()
        assert [estimator is None for estimator in model.estimators_] == list(~finite)
    assert capsys.readouterr() == ("", "")


def test_what_does_not_converge_is_told_not_printed(responses, capsys):
    t, y = responses[0], responses[1]["poisson"]
    model = PyGAM("poisson", "log", max_iter=1).fit(t, y)
    assert not model.converged_[0]
    assert model.note_ == ["no convergence in 1 iterations"]
    assert model.n_iter_[0] == 1
    assert model.estimators_[0].tol == model.tol
    assert set(model.estimators_[0].logs_) == {"deviance", "diffs"}
    assert capsys.readouterr() == ("", "")
    assert PyGAM("poisson", "log").fit(t, y).converged_[0]


def test_all_genes_fail(responses):
    t = responses[0]
    with pytest.raises(NoTrendError, match=r"None of the 2 genes .* needs expression of at least 0; found -1"):
        PyGAM("gamma", "log").fit(t, np.full((len(t), 2), -1.0))


@pytest.mark.slow
@pytest.mark.parametrize(("n_jobs", "backend"), [(2, "loky"), (2, "threading")])
def test_jobs_do_not_matter(data, n_jobs, backend):
    t, w, Y = data
    Y = np.column_stack([Y[:, :5], np.full(len(t), np.nan)])
    one, two = (PyGAM(grid=[0.1, 10], n_jobs=jobs, backend=backend).fit(t, Y, w) for jobs in (1, n_jobs))
    np.testing.assert_array_equal(one.predict(t), two.predict(t))
    assert one.failed_ == two.failed_


def test_sparse_and_dense_alike(data):
    t, w, Y = data
    Y = np.maximum(Y[:, :8], 0)
    dense = PyGAM().fit(t, Y, w).predict(t)
    for kind in (sparse.csr_array, sparse.csc_matrix):
        np.testing.assert_array_equal(PyGAM().fit(t, kind(Y), w).predict(t), dense)


def test_parameters_are_scalars_and_survive(data):
    t, _, Y = data
    model = PyGAM("poisson", "log", lam=2.0, penalties=("derivative", "l2"), constraints="concave", max_iter=50)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    model.fit(t, np.abs(Y[:, :2]))
    assert model.get_params() == twin.get_params()
    np.testing.assert_array_equal(twin.fit(t, np.abs(Y[:, :2])).predict(t), model.predict(t))


def test_a_pickle_is_small_and_does_not_grow_with_the_cells():
    rng = np.random.default_rng(0)
    sizes = []
    for n_cells in (200, 20_000):
        t = rng.uniform(size=n_cells)
        model = PyGAM().fit(t, np.sin(t))
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(t[:9], return_std=True), model.predict(t[:9], return_std=True))
        sizes.append(len(pickle.dumps(model)))
    assert max(sizes) < 10_000
    assert abs(sizes[1] - sizes[0]) < 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distribution": "beta"}, "distribution must be one of normal, gaussian, .*; got 'beta'"),
        ({"link": "probit"}, "link must be one of"),
        ({"penalties": "l1"}, "penalties must be one of"),
        ({"constraints": ["rising"]}, "constraints must be one of"),
        ({"basis": "tp"}, "basis must be one of"),
        ({"lam": -1}, "lam must be a non-negative number"),
        ({"lam": [1, 2]}, "lam must be a non-negative number, or one for each of the 1 penalties"),
        ({"expectile": 1.2}, "expectile must be"),
        ({"expectile": 0.3, "distribution": "gamma", "link": "log"}, "expectile needs distribution='normal'"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"tol": 0}, "tol must be a positive number"),
    ],
)
def test_wrong_parameters(data, options, message):
    with pytest.raises(ValueError, match=message):
        PyGAM(**options).fit(data[0], data[2][:, :1])


def test_smoothers_that_pygam_does_not_have(data):
    t, _, Y = data
    sentence = "PyGAM needs a BSplineSmoother; got GaussianProcessSmoother. Use GAM(...) with it, or pass "
    with pytest.raises(TypeError) as error:
        PyGAM().fit(t, Y, smoother=GaussianProcessSmoother())
    assert str(error.value) == sentence + "smoother=BSplineSmoother()."
    with pytest.raises(TypeError, match="got 'passthrough'"):
        PyGAM().fit(t, Y, smoother="passthrough")
    with pytest.raises(ValueError, match="knots are uniform"):
        PyGAM().fit(t, Y, smoother=BSplineSmoother(knots="quantile"))


def test_few_cells():
    t = np.linspace(0, 1, 8)
    np.testing.assert_allclose(PyGAM(lam=1e-3).fit(t, t).predict(t), t, atol=1e-4)
    with pytest.raises(ValueError, match=r"got 8 cells of positive weight for 21\. Use GAM"):
        PyGAM().fit(t, t, smoother=BSplineSmoother())


def test_a_log_link_needs_expression_of_at_least_0(data):
    t, _, Y = data
    positive = np.exp(Y[:, 0] / np.abs(Y[:, 0]).max())
    model = PyGAM("normal", "log", max_iter=8).fit(t, np.column_stack([positive, positive - np.median(positive)]))
    assert list(model.failed_) == [1]
    assert model.failed_[1].startswith("a log link needs expression of at least 0; found -")


def test_no_cell_with_weight(data):
    t, _, Y = data
    with pytest.raises(ValueError, match="(?i)at least one (cell|non-zero)"):
        PyGAM().fit(t, Y, sample_weight=np.zeros(len(t)))


def test_a_fit_that_diverges_says_what_to_try(data):
    t = data[0]
    wild = np.where(np.arange(len(t)) % 2, 1e-150, 1e150)
    model = PyGAM("inv_gauss", "inverse", lam=0, max_iter=50).fit(t, np.column_stack([1 + t.ravel(), wild]))
    assert 1 in model.failed_
    assert "try a larger lam, or another link" in model.failed_[1] or "pyGAM refuses" in model.failed_[1]


@pytest.mark.parametrize("link", ["inverse", "log", "identity"])
def test_predictions_are_those_of_pygam_beyond_the_cells(link):
    """Linear predictors were bounded, so that a mean that falls below 0 became 1e10."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(size=120))
    gam = PyGAM("normal", link=link).fit(t, np.exp(1 + np.sin(3 * t)) * rng.gamma(5, 0.2, 120))
    x = np.linspace(-1, 2, 40)
    np.testing.assert_allclose(gam.predict(x), gam.estimators_[0].predict(x), rtol=1e-8)
