"""Provenance of a result: different computations have different texts, and equal ones the same text."""

import json
from functools import partial

import numpy as np
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.io import provenance


class Opaque:
    """Neither an estimator nor a value of JSON."""

    def __repr__(self):
        return "Opaque()"


def double(value):
    return 2 * value


def described(adata, genes=("fall0", "rise0"), **parameters):
    return provenance.describe(lc.TrendClusterer(**parameters), adata, list(genes), "A")


def test_the_same_question_is_the_same_text(make_adata):
    first, again = described(make_adata()), described(make_adata())
    assert provenance.to_json(first) == provenance.to_json(again)
    assert provenance.differences(provenance.to_json(first), again) == []


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"n_jobs": 2, "backend": "threading", "show_progress_bar": True}, []),
        ({"n_points": 50}, ["n_points"]),
        ({"alpha": None, "time_range": (0, np.float64(0.9))}, ["alpha", "time_range"]),
        ({"model": lc.GAM("poisson")}, ["model"]),
        ({"covariates": ["depth"]}, ["covariates"]),
        ({"offset": np.zeros(200)}, ["offset"]),
        ({"callback": double}, ["callback"]),
        ({"callback": {"fall0": {"A": double}}}, ["callback"]),
        ({"callback": Opaque()}, ["callback"]),
        ({"layer": "counts"}, ["expression", "layer"]),
    ],
)
def test_parameters_that_matter(make_adata, parameters, names):
    adata = make_adata()
    text = provenance.to_json(described(adata))
    json.loads(text)
    assert provenance.differences(text, described(adata, **parameters)) == names


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (lc.GAM("poisson"), lc.GAM("poisson"), True),
        (lc.GAM("poisson"), lc.GAM("gamma"), False),
        (lc.BSplineSmoother(9), lc.CubicSplineSmoother(9), False),
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(4), False),
        ((1, 2), [1, 2], True),
        (np.int64(3), 3, True),
        (double, double, True),
        (double, lambda value: 3 * value, False),
        (np.sin, np.cos, False),
        (partial(double, value=1), partial(double, value=1), True),
        (partial(double, value=1), partial(double, value=2), False),
        (Opaque(), Opaque(), True),
        (None, False, False),
    ],
)
def test_values_of_parameters(make_adata, one, other, same):
    adata = make_adata()
    text = provenance.to_json(described(adata, scale=one))
    assert provenance.differences(text, described(adata, scale=other)) == ([] if same else ["scale"])


def test_data_that_matter(make_adata):
    adata = make_adata()
    text = provenance.to_json(described(adata))
    assert provenance.differences(text, described(adata, ["fall0", "peak0"])) == ["expression", "genes"]
    adata.obs["palantir_pseudotime"] **= 2
    adata.obsm["palantir_fate_probabilities"] /= 2
    adata.X = adata.X * 2
    assert provenance.differences(text, described(adata)) == ["expression", "lineage weights", "pseudotime values"]


@pytest.mark.parametrize("text", ["", "{", "null", "[1, 2]", '"text"'])
def test_a_text_that_is_no_description(text):
    assert provenance.differences(text, {"alpha": 0.01}) == ["parameters"]


def test_fingerprints():
    dense = np.array([[0.0, 1.0], [2.0, 0.0]])
    assert provenance.fingerprint(dense) == provenance.fingerprint(np.asfortranarray(dense))
    assert provenance.fingerprint(dense) != provenance.fingerprint(dense.ravel())
    assert provenance.fingerprint(sparse.csr_matrix(dense)) != provenance.fingerprint(sparse.csr_matrix(dense.T))
    assert provenance.fingerprint(sparse.csr_matrix(dense)) == provenance.fingerprint(sparse.csr_matrix(dense.copy()))
