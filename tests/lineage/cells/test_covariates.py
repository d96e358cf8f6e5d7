"""Covariates from obs to the fit: types, encoding and errors."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.annotations import read_annotations
from lineage_clust.lineage.cells.covariates import design_columns
from lineage_clust.lineage.lineage import read_lineage
from lineage_clust.plotting.parts.strips import covariate_strips


def fit(adata, covariates, **parameters):
    parameters = {"lineage": "A", "time_range": (0, 1), "clusterer": lc.GraphClusterer(resolution=1.0)} | parameters
    return lc.TrendClusterer(covariates=covariates, random_state=0, **parameters).fit(adata)


@pytest.fixture
def adata(make_adata):
    return make_adata(n_cells=200)


def test_numbers_of_dtype_object_are_one_column(adata):
    adata.obs["as_object"] = adata.obs["depth"].astype(object)
    assert read_lineage(adata, "A", covariates=["as_object"]).covariate_keys == ["as_object"]
    expected, found = fit(adata, ["depth"]), fit(adata, ["as_object"])
    np.testing.assert_array_equal(found.trends_, expected.trends_)
    pd.testing.assert_frame_equal(found.gene_table_, expected.gene_table_)


def test_numbers_of_dtype_object_are_a_numeric_strip_and_an_offset(adata):
    adata.obs["as_object"] = adata.obs["depth"].astype(object)
    grid, names = np.linspace(0, 1, 9), np.full(9, "A", dtype=object)
    one, other = covariate_strips(read_annotations(adata, ["depth", "as_object"], ["A"]), grid, names)
    np.testing.assert_array_equal(one.colors, other.colors)
    assert other.categories == {}
    offsets = [read_lineage(adata, "A", offset=key).offset for key in ("depth", "as_object")]
    np.testing.assert_array_equal(*offsets)


def test_a_level_for_every_cell_is_refused(adata):
    adata.obs["barcode"] = [f"{value:.6f}" for value in adata.obs["depth"]]
    message = r"'barcode' has \d+ levels in \d+ cells; .* convert it .adata.obs.'barcode'..astype.float.*merge levels"
    with pytest.raises(ValueError, match=f"Covariate {message}"):
        fit(adata, ["barcode"])
    with pytest.raises(ValueError, match=f"covariate_key {message}"):
        read_annotations(adata, "barcode", ["A"])


def test_a_missing_level_is_refused_where_it_matters(adata):
    adata.obs["donor"] = adata.obs["batch"].where(adata.obs["palantir_pseudotime"] > 0.1)
    with pytest.raises(
        ValueError, match=r"Covariate 'donor' is missing .NaN. in \d+ of the \d+ cells .* separate level"
    ):
        fit(adata, ["donor"])
    adata.obsm["palantir_fate_probabilities"].loc[adata.obs["donor"].isna(), "A"] = 0.0
    assert fit(adata, ["donor"]).n_cells_ == int(adata.obs["donor"].notna().sum())
    adata.obs["donor"] = adata.obs["donor"].astype(str)
    assert read_lineage(adata, "A", covariates=["donor"], time_range=(0, 1)).covariate_keys == ["donor"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            lambda obs: np.where(obs["palantir_pseudotime"] < 0.5, "x", "y"),
            "'new' cannot be separated from that of pseudotime",
        ),
        (lambda obs: obs["palantir_pseudotime"] * 24, "'new' cannot be separated from that of pseudotime"),
        (lambda obs: obs["batch"].astype(str), "'batch', 'new' cannot be separated from each other"),
        (lambda obs: np.where(obs["batch"] == "first", 7.0, 9.0), "'batch', 'new' cannot be separated from each other"),
    ],
)
def test_a_confounded_covariate_is_named(adata, column, message):
    adata.obs["new"] = column(adata.obs)
    with pytest.raises(ValueError, match=message):
        fit(adata, ["batch", "depth", "new"])


def test_confounding_is_judged_in_the_cells_of_the_lineage(adata):
    """In all cells the two batches mix; in the lineage one of them has the early cells, and one the late ones."""
    early = adata.obs["palantir_pseudotime"] < 0.5
    own = adata.obsm["palantir_fate_probabilities"]["A"] > 0.4
    adata.obs["new"] = np.where(early == own, "x", "y")
    adata.obsm["palantir_fate_probabilities"].loc[~own, "A"] = 0.0
    with pytest.raises(ValueError, match="'new' cannot be separated from that of pseudotime"):
        fit(adata, ["new"])


def test_a_gene_whose_cells_do_not_tell_covariates_apart_fails_alone(adata):
    X = adata.X.toarray()
    late, first = adata.obs["palantir_pseudotime"] > 0.5, adata.obs["batch"] == "first"
    X[np.ix_(late == first, [0])] = 0.0  # its first batch is late, its second early
    X[np.ix_(~first, [1])] = 0.0  # expressed in one batch only: nothing is left to tell apart
    adata.X = X
    tc = fit(adata, ["batch"], filter_cells=0.0)
    assert list(tc.failed_) == ["fall0"]
    assert tc.failed_["fall0"].startswith(
        "prepare: The effect of covariate 'batch' cannot be separated from that of pseudot"
    )
    alone = fit(adata[first].copy(), None, filter_cells=0.0)
    place, same = tc.genes_.index("peak0"), alone.genes_.index("peak0")
    np.testing.assert_allclose(tc.trends_[place], alone.trends_[same], rtol=1e-6)


def test_cells_that_are_only_scored_need_not_tell_covariates_apart(adata):
    tc = fit(adata, ["batch"])
    few = adata[(adata.obs["palantir_pseudotime"] < 0.4) == (adata.obs["batch"] == "first")].copy()
    assert np.isfinite(tc.score(few))
    with pytest.raises(ValueError, match="'batch' cannot be separated"):
        tc.trends_for(few)


def test_few_cells_and_many_coefficients_are_refused():
    """Six cells, three coefficients: such trends went through every cell, and differed by storage."""
    rng = np.random.default_rng(0)
    times = np.sort(rng.random(6))
    obs = pd.DataFrame(
        {"pseudotime": times, "batch": list("babcab"), "depth": rng.random(6)}, index=[f"c{cell}" for cell in range(6)]
    )
    adata = AnnData(rng.random((6, 2)), obs=obs)
    with pytest.raises(ValueError, match="Covariate 'batch' has 3 levels in 6 cells"):
        read_lineage(adata, covariates=["batch", "depth"])
    with pytest.raises(ValueError, match="1 coefficients? of covariate 'depth' would be estimated from 6 cells"):
        read_lineage(adata, covariates=["depth"])


@given(st.integers(0, 1000))
def test_covariates_are_treatment_coded_and_centred(seed):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1, 30)
    terms = pd.DataFrame(
        {
            "batch": pd.Categorical(rng.choice(list("abc"), 30), categories=list("abcd")),  # nobody is in "d"
            "depth": rng.normal(5, 1, 30),
            "treated": rng.random(30) < 0.5,
        }
    )
    columns, keys = design_columns(terms, weights)
    used = terms.assign(
        batch=terms["batch"].cat.remove_unused_categories(), treated=terms["treated"].astype("category")
    )
    expected = pd.get_dummies(used, drop_first=True, dtype=float)
    expected = expected[[name for name in expected if name != "depth"][:-1] + ["depth", "treated_True"]]
    np.testing.assert_allclose(columns, expected - np.average(expected, axis=0, weights=weights), atol=1e-12)
    assert keys == [name.split("_")[0] for name in expected]


def test_constant_covariates_are_left_out():
    terms = pd.DataFrame({"donor": ["x"] * 4, "age": [1.0] * 4, "depth": [1.0, 2.0, 3.0, 4.0]})
    assert design_columns(terms, np.ones(4))[1] == ["depth"]
    assert design_columns(terms[["donor", "age"]], np.ones(4)) == (None, [])


def test_covariates_of_the_cells_that_take_part(make_adata):
    adata = make_adata()
    lineage = read_lineage(adata, "A", covariates=["batch", "depth"])
    assert lineage.covariate_keys == ["batch", "depth"]
    assert lineage.covariates.shape == (len(lineage.cells), 2)
    np.testing.assert_allclose(lineage.weights @ lineage.covariates, 0, atol=1e-9)
    depth = adata.obs["depth"].to_numpy()[lineage.cells]
    np.testing.assert_allclose(np.diff(lineage.covariates[:, 1]), np.diff(depth), atol=1e-12)


def test_one_covariate_may_be_a_string_and_none_an_empty_list(make_adata):
    adata = make_adata()
    assert read_lineage(adata, "A", covariates="depth").covariate_keys == ["depth"]
    assert read_lineage(adata, "A", covariates=["depth", "depth"]).covariate_keys == ["depth"]
    assert read_lineage(adata, "A", covariates=[]).covariates is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_cells_without_a_covariate_are_left_out(make_adata, value):
    adata = make_adata()
    adata.obs.iloc[:4, adata.obs.columns.get_loc("depth")] = value
    with pytest.warns(
        LineageClustWarning, match="4 of 200 cells are excluded: .* covariates or offset is NaN or infinite"
    ):
        lineage = read_lineage(adata, "A", covariates=["depth"], time_range=(0, 1))
    assert lineage.cells.min() == 4
    assert np.isfinite(lineage.covariates).all()
