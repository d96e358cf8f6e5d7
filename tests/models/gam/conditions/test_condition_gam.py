"""ConditionGAM: the comparison of conditions for arrays, and an estimator of scikit-learn."""

import pickle

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import lineage_clust as lc
from lineage_clust.errors import NoTrendError, UnknownNameError
from lineage_clust.models import ConditionGAM
from lineage_clust.models.gam.conditions import condition_gam, fit
from tests.fits import QUICK

T = np.random.default_rng(0).uniform(size=400)
SMOOTHER = lc.BSplineSmoother(n_splines=7, domain=(0.0, 1.0))
X = SMOOTHER.fit_transform(T[:, None])
ROWS = SMOOTHER.transform(np.linspace(0, 1, 12)[:, None])
DONORS = np.array(list("abcdefghijkl"))[np.arange(400) % 8]
TREATED = np.arange(400) % 2 == 1
LABELS = np.where(TREATED, "drug", "control")
_noise = np.random.default_rng(1).standard_normal((400, 20))
_levels = np.random.default_rng(2).standard_normal((8, 20))[np.arange(400) % 8]
Y = 2 + np.sin(3 * T)[:, None] + 0.5 * _noise + 0.3 * _levels
Y[:, 0] += 2 * TREATED
COUNTS = np.random.default_rng(3).poisson(np.exp(0.5 * Y)) * 1.0
DEPTH = np.random.default_rng(4).normal(0, 0.2, 400)
GIVEN = {"groups": DONORS, "penalty": SMOOTHER.penalty_}


def fitted(conditions=LABELS, X=X, Y=Y, model=None, **given):
    return (ConditionGAM() if model is None else model).fit(X, Y, conditions, **{**GIVEN, **given})


@pytest.fixture(scope="module")
def gam():
    return fitted()


@pytest.mark.parametrize(
    ("family", "Y", "offset"),
    [("gaussian", Y, None), pytest.param("negative_binomial", COUNTS, DEPTH, marks=pytest.mark.slow)],
)
def test_it_is_the_model_of_compare_conditions(family, Y, offset):
    obs = pd.DataFrame({"time": T, "donor": DONORS, "drug": LABELS, "age": np.arange(400) % 8 % 5}).set_index(
        np.arange(400).astype(str)
    )
    adata = anndata.AnnData(Y, obs=obs, layers={"counts": Y})
    found = lc.compare_conditions(
        adata, "drug", "donor", time_key="time", layer="counts", model=lc.GAM(family), offset=offset, clusterer=QUICK,
        smoother=SMOOTHER, covariates=["age"], n_points=20,
    )  # fmt: skip
    gam = fitted(Y=Y, model=ConditionGAM(family), offset=offset, covariates=obs[["age"]])
    for name, pvalue in gam.pvalues_.items():
        np.testing.assert_allclose(pvalue, found.table[f"pvalue_{name}"], rtol=1e-9)
    basis = SMOOTHER.transform(found.pseudotime[:, None])
    difference, error = gam.difference(basis, "drug", return_std=True)
    np.testing.assert_allclose(difference.T, found.differences[0], atol=1e-12)
    np.testing.assert_allclose(error.T, found.difference_se[0], rtol=1e-9)
    curves = np.stack([basis @ coef.T for coef in gam.coef_])
    np.testing.assert_allclose(np.swapaxes(curves, 1, 2), found.trends, atol=1e-12)
    np.testing.assert_allclose(gam.predict(basis), curves if family == "gaussian" else np.exp(curves))
    assert gam.conditions_.tolist() == found.conditions
    assert gam.note_ == found.table["note"].tolist()
    pd.testing.assert_frame_equal(gam.samples_, found.samples, check_dtype=False)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1, 7]), np.array([False, True]), np.array([0.5, 1.5]), np.array(["a", "b"]),
        np.array(["none", "some"], dtype=object), np.array([3, "three"], dtype=object),
        pd.Categorical(["low", "over"]), pd.Series(["0", "1"], dtype="string"), pd.to_datetime(["2020-02-01", "2021-02-01"]),
    ],
    ids=lambda labels: str(list(labels)),
)  # fmt: skip
@pytest.mark.first(3)
def test_labels_are_of_any_kind(gam, labels):
    given = labels.take(TREATED.astype(int))
    found = fitted(given, groups=DONORS.astype(object))
    np.testing.assert_array_equal(found.pvalues_["both"], gam.pvalues_["both"])
    assert pd.Index(found.conditions_).tolist() == list(labels)
    assert set(found.samples_["condition"]) == set(labels)
    np.testing.assert_array_equal(found.predict(ROWS, labels[1]), gam.predict(ROWS, "drug"))
    other = fitted(given, model=ConditionGAM(reference=labels[1]))
    assert pd.Index(other.conditions_).tolist() == [labels[1], labels[0]]
    np.testing.assert_allclose(other.difference(ROWS, labels[0]), -gam.difference(ROWS, "drug"), atol=1e-3)


def test_differences_of_three_conditions_add_up():
    doses = np.array(["high", "low", "none"])[np.arange(400) % 8 % 3]
    gam = fitted(doses, model=ConditionGAM(reference="none"))
    assert gam.conditions_.tolist() == ["none", "high", "low"]
    assert gam.coef_.shape == (3, 20, 7)
    np.testing.assert_allclose(
        gam.difference(ROWS, "high", "low"), gam.difference(ROWS, "high") - gam.difference(ROWS, "low"), atol=1e-9
    )
    np.testing.assert_allclose(
        gam.difference(ROWS, "low"), gam.predict(ROWS, "low") - gam.predict(ROWS, "none"), atol=1e-9
    )
    curves, errors = gam.predict(ROWS, return_std=True)
    assert curves.shape == errors.shape == (3, 12, 20)
    np.testing.assert_array_equal(curves[2], gam.predict(ROWS, "low"))
    assert np.all(errors > 0)


@pytest.mark.slow
def test_donors_in_both_conditions_are_pairs():
    treated = np.random.default_rng(5).permutation(400) % 2
    gam = fitted(treated, Y=Y - 0.5 * TREATED[:, None] + 2 * _levels)
    assert np.median(gam.shared_) > 0.8
    assert gam.samples_["donor"].tolist() == 2 * sorted(set(DONORS))
    assert gam.samples_["n_cells"].sum() == 400


def test_without_groups_and_penalty_it_is_least_squares_in_each_condition():
    X = np.column_stack([np.ones(400), T, T**2])
    gam = fitted(X=X, groups=None, penalty=None, covariates=np.full((400, 1), 3.0))
    for coef, treated in zip(gam.coef_, (False, True), strict=True):
        own = TREATED == treated
        np.testing.assert_allclose(coef.T, np.linalg.lstsq(X[own], Y[own], rcond=None)[0], atol=1e-8)
    np.testing.assert_allclose(gam.edf_, 6, rtol=1e-6)
    assert gam.samples_["donor"].tolist() == ["", ""]
    assert np.all(gam.shift_variance_ == 0)


def test_counts_are_predicted_as_counts_and_compared_on_the_log_scale():
    gam = fitted(Y=COUNTS[:, :6], model=ConditionGAM("poisson"), groups=None, offset=DEPTH)
    curves, errors = gam.predict(ROWS, return_std=True)
    difference, error = gam.difference(ROWS, "drug", return_std=True)
    np.testing.assert_allclose(np.log(curves[1] / curves[0]), difference, atol=1e-9)
    assert np.all(errors / curves < 0.5)  # relative errors are those of logarithms
    assert np.all(error > 0)
    assert gam.pvalues_["level"].argmin() == 0
    deeper = fitted(Y=COUNTS[:, :6], model=ConditionGAM("poisson"), groups=None, offset=DEPTH + 1)
    np.testing.assert_allclose(deeper.predict(ROWS), curves / np.e, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, ">f8"])
def test_counts_of_any_data_type(dtype):
    found, expected = (fitted(Y=counts, model=ConditionGAM("poisson"), groups=None).coef_
                       for counts in (COUNTS[:, :2].astype(dtype), COUNTS[:, :2]))  # fmt: skip
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
@pytest.mark.first(1)
def test_sparse_matrices_give_the_same(gam, kind):
    found = fitted(X=kind(X), Y=kind(np.asarray(Y)))
    np.testing.assert_allclose(found.pvalues_["both"], gam.pvalues_["both"], rtol=1e-5)
    np.testing.assert_allclose(found.predict(kind(ROWS)), gam.predict(ROWS), atol=1e-7)


def test_one_gene_has_no_axis_of_genes():
    gam = fitted(Y=Y[:, 0], groups=None)
    assert gam.coef_.shape == (2, 7)
    assert gam.predict(ROWS).shape == (2, 12)
    assert [part.shape for part in gam.difference(ROWS, "drug", return_std=True)] == [(12,), (12,)]
    np.testing.assert_allclose(gam.predict(ROWS, "drug"), fitted(Y=Y[:, :2], groups=None).predict(ROWS, "drug")[:, 0])


def test_cells_of_weight_zero_are_as_if_absent(gam):
    absent = np.arange(400) >= 320
    conditions, donors = LABELS.astype(object), DONORS.astype(object)
    conditions[absent], donors[absent] = None, np.nan
    found = fitted(conditions, groups=donors, sample_weight=1.0 - absent)
    kept = np.flatnonzero(~absent)
    alone = fitted(LABELS[kept], X[kept], Y[kept], groups=DONORS[kept])
    np.testing.assert_array_equal(found.pvalues_["both"], alone.pvalues_["both"])


@pytest.mark.parametrize("family", ["gaussian", pytest.param("poisson", marks=pytest.mark.slow)])
def test_only_ratios_of_weights_matter_and_lambda_is_in_units_of_the_penalty(family):
    values = Y if family == "gaussian" else COUNTS
    one, other = (
        fitted(Y=values, model=ConditionGAM(family), sample_weight=np.full(400, weight)) for weight in (1.0, 5.0)
    )
    np.testing.assert_allclose(other.edf_, one.edf_, rtol=1e-3)
    np.testing.assert_allclose(np.log(other.lambda_ / one.lambda_), np.log(5), atol=0.02)


def test_predictions_are_at_the_mean_of_covariates():
    age = np.random.default_rng(6).uniform(20, 60, 400)[:, None]
    found = fitted(Y=Y + 0.1 * age, groups=None, covariates=age)
    other = fitted(Y=Y + 0.1 * (age - age.mean()), groups=None, covariates=(age - 7) / 3)
    np.testing.assert_allclose(found.predict(ROWS), other.predict(ROWS) + 0.1 * age.mean(), atol=1e-6)


def test_a_gene_that_fails_costs_only_itself(gam):
    found = fitted(Y=np.column_stack([Y, np.where(T < 0.1, np.nan, T)]))
    assert list(found.failed_) == [20]
    np.testing.assert_allclose(found.pvalues_["both"][:20], gam.pvalues_["both"], rtol=1e-9)
    for values in (*found.predict(ROWS, return_std=True), *found.difference(ROWS, "drug", return_std=True)):
        assert np.isnan(values[..., 20]).all()
        assert np.isfinite(values[..., :20]).all()
    for values in (found.lambda_, found.edf_, found.scale_, *found.pvalues_.values(), *found.statistics_.values()):
        assert np.isnan(values[20])
    assert found.converged_.tolist() == 20 * [True] + [False]
    with pytest.raises(NoTrendError, match="None of the 2 genes could be fitted"):
        fitted(Y=np.full((400, 2), np.nan), groups=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditions": LABELS[:9]}, r"conditions must have shape \(400,\), one label per cell; got \(9,\)"),
        ({"groups": DONORS[:9]}, r"groups must have shape \(400,\)"),
        ({"Y": Y[:9]}, "inconsistent numbers of samples: 400 and 9"),
        ({"offset": DEPTH[:9]}, r"offset must have shape \(400,\)"),
        ({"covariates": DEPTH}, r"covariates must have shape \(400, n_covariates\)"),
        ({"covariates": np.full((400, 1), np.inf)}, "covariates must be finite"),
        ({"covariates": TREATED[:, None]}, "cannot be separated from those of the conditions"),
        ({"penalty": np.eye(5)}, r"each of the 7 columns of X; got shape \(5, 5\). Pass covariates as covariates="),
        ({"sample_weight": np.zeros(400)}, "Every sample_weight is 0|at least one non-zero number"),
        ({"conditions": T}, "conditions has 400 labels .* two to 10 can be compared"),
        ({"conditions": np.ones(400)}, "conditions has 1 label"),
        ({"conditions": np.where(TREATED, None, "x")}, "conditions has no label for 200 cells"),
        ({"groups": LABELS}, "4 donors or more, and 2 in every condition; found 2"),
        ({"X": X.toarray()[:, :3], "penalty": None}, "No combination of the basis functions is constant"),
        ({"model": ConditionGAM(reference="Drug")}, "reference 'Drug' is not one of 'control', 'drug'. Did you mean"),
        ({"model": ConditionGAM("normal")}, "family"),
        ({"model": ConditionGAM("gamma", "inverse")}, "log or logit link with others; got family='gamma'"),
        (
            {"model": ConditionGAM(dispersion=-1)},
            "dispersion must be 'gene', 'shrunk' or a non-negative number; got -1",
        ),
        ({"model": ConditionGAM(max_iter=0)}, "max_iter must be a positive integer; got 0"),
    ],
)
def test_bad_input_is_answered_with_advice(change, message):
    with pytest.raises(ValueError, match=message):
        fitted(**change)


def test_messages_with_one_gene(caplog):
    with pytest.raises(NoTrendError, match="^The gene could not be fitted: expression holds NaN"):
        fitted(Y=np.full(400, np.nan), groups=None)
    fitted(Y=10 * COUNTS[:, 0], model=ConditionGAM("poisson"), groups=None)
    assert "Counts of 1 of 1 gene are overdispersed" in caplog.text


@pytest.mark.parametrize("n_conditions", [2, 3])
def test_constant_curves_differ_in_level_only(n_conditions):
    """A design of one column had a level test of p = 1 for every gene, and failed with cells as replicates."""
    rng, donor = np.random.default_rng(0), np.repeat(np.arange(12), 40)
    labels, one = donor % n_conditions, np.ones((480, 1))
    y = rng.standard_normal((480, 200)) + 0.4 * rng.standard_normal((12, 200))[donor]
    means = y.reshape(12, 40, 200).mean(axis=1)
    for given, values, of in ((donor, means, labels[::40]), (None, y, labels)):
        found = ConditionGAM().fit(one, y, labels, groups=given).pvalues_
        expected = stats.f_oneway(*[values[of == label] for label in range(n_conditions)]).pvalue
        assert stats.spearmanr(found["level"], expected)[0] > (0.9 if given is not None else 0.999)
        np.testing.assert_allclose(found["shape"], 1.0, atol=1e-4)
        np.testing.assert_allclose(found["both"], np.minimum(found["level"], 0.9), rtol=1e-6)
    usual = expected > 1e-4
    np.testing.assert_allclose(np.log(found["level"][usual]), np.log(expected[usual]), atol=0.2)
    counts = rng.poisson(np.exp(1 + 0.5 * y)) * 1.0
    counts[:, 0] = rng.poisson(np.where(labels == 1, 9.0, 1.0))
    assert ConditionGAM("negative_binomial").fit(one, counts, labels, groups=donor).pvalues_["level"].argmin() == 0


def test_unknown_conditions_and_models_without_a_fit(gam):
    for call in (gam.predict, gam.difference):
        with pytest.raises(UnknownNameError, match="condition 'drugs' is not one of 'control', 'drug'. Did you mean"):
            call(ROWS, "drugs")
        with pytest.raises(UnknownNameError, match=r"condition \['drug', 'drug'\] is not one of"):
            call(ROWS, LABELS[1:4:2])
    with pytest.raises(ValueError, match="X has 3 features, but ConditionGAM is expecting 7"):
        gam.predict(ROWS[:, :3])
    with pytest.raises(NotFittedError):
        ConditionGAM().difference(ROWS, "drug")


def test_copies_and_pickles(gam):
    assert pickle.loads(pickle.dumps(gam)).difference(ROWS, "drug").tolist() == gam.difference(ROWS, "drug").tolist()
    model = ConditionGAM("poisson", reference="drug").set_params(dispersion="shrunk")
    assert repr(clone(model)) == repr(model) == "ConditionGAM(dispersion='shrunk', family='poisson', reference='drug')"


def test_a_fit_changes_neither_parameters_nor_what_it_is_given():
    before = [X, Y, LABELS, DONORS, np.arange(400) / 400, SMOOTHER.penalty_, T[:, None]]
    given = [part.copy() for part in before]
    model = ConditionGAM()
    X_, Y_, conditions, groups, weight, penalty, covariates = given
    model.fit(
        X_, Y_, conditions, groups=groups, sample_weight=weight, penalty=penalty, offset=weight, covariates=covariates
    )
    for now, then in zip(given[1:], before[1:], strict=True):
        np.testing.assert_array_equal(now, then)
    assert abs(given[0] - before[0]).max() == 0
    assert model.get_params() == ConditionGAM().get_params()


class OfHalves(ConditionGAM):
    """Compares every second cell with the others, as scikit-learn's data have no conditions."""

    def fit(self, X, y, sample_weight=None):
        conditions = np.arange(np.asarray(X).shape[0] if y is None else len(np.asarray(y))) % 2
        return super().fit(X, y, conditions, sample_weight=sample_weight)

    def predict(self, X):
        return super().predict(X, 0)


_OTHER_HALVES = "cells that are left out or repeated change which are the second ones"


@pytest.fixture
def _designs_of_scikit_learn(monkeypatch):
    """Add a column of ones to designs, and let them have more coefficients than cells."""

    def with_ones(X):
        return (sparse.hstack if sparse.issparse(X) else np.hstack)([np.ones((X.shape[0], 1)), X])

    fit_conditions, checked = fit.fit_conditions, ConditionGAM._checked
    monkeypatch.setattr(
        condition_gam, "fit_conditions", lambda X, *args, **given: fit_conditions(with_ones(X), *args, **given)
    )
    monkeypatch.setattr(ConditionGAM, "_checked", lambda self, X: with_ones(checked(self, X)))
    monkeypatch.setattr(fit, "_CELLS_PER_COEFFICIENT", 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("_designs_of_scikit_learn")
@parametrize_with_checks(
    [OfHalves()],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": _OTHER_HALVES,
        "check_sample_weight_equivalence_on_sparse_data": _OTHER_HALVES,
        "check_fit2d_1sample": "one cell is in one condition",
    },
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
