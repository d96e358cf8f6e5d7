"""Covariates from obs to the fit: types, encoding, and effects that are not identifiable; offsets of cells."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.lineage.annotations import read_annotations
from lineage_clust.lineage.cells.covariates import check_identified, design_columns, log_totals, scatter
from lineage_clust.lineage.lineage import Reader
from lineage_clust.plotting.parts.strips import covariate_strips
from tests.fits import read_lineage

from ...fits import dense


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
    one, other = covariate_strips(read_annotations(adata, ["depth", "as_object"], ["A"], Reader()), grid, names)
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
        read_annotations(adata, "barcode", ["A"], Reader())


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
    with pytest.warns(LineageClustWarning, match="4 of 200 cells are excluded: their covariate is NaN or infinite"):
        lineage = read_lineage(adata, "A", covariates=["depth"], time_range=(0, 1))
    assert lineage.cells.min() == 4
    assert np.isfinite(lineage.covariates).all()


ONES = np.ones(200)
TIMES = np.linspace(0, 1, 200)
NOISE = np.random.default_rng(0).normal(size=(200, 4))
EARLY = (TIMES < 0.5).astype(float)


def centred(*columns):
    columns = np.column_stack(columns)
    return columns - columns.mean(axis=0)


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ([EARLY], ["batch"], "The effect of covariate 'batch' cannot be separated from that of pseudotime"),
        ([TIMES**2], ["age"], "covariate 'age' cannot be separated from that of pseudotime: .* ten are needed"),
        ([np.sin(20 * TIMES)], ["phase"], "covariate 'phase' cannot be separated from that of pseudotime"),
        ([NOISE[:, 0], EARLY], ["depth", "batch"], "covariate 'batch' cannot"),
        (
            [NOISE[:, 0] + TIMES, NOISE[:, 0]],
            ["a", "b"],
            "covariates 'a', 'b' together cannot be separated from that of pseudo",
        ),
        (
            [NOISE[:, 0], 3 - 2 * NOISE[:, 0]],
            ["a", "b"],
            "covariates 'a', 'b' cannot be separated from each other.*'b' is a linear function",
        ),
        (
            [NOISE[:, 0], NOISE[:, 1], NOISE[:, 2], NOISE[:, 0] + NOISE[:, 1]],
            ["a", "b", "c", "d"],
            "covariates 'a', 'b', 'd' cannot be separated from each other.*'d' is a linear function of the others",
        ),
    ],
)
def test_the_covariate_is_named(columns, keys, message):
    with pytest.raises(ValueError, match=message):
        check_identified(TIMES, ONES, centred(*columns), keys)


def test_a_few_cells_of_the_same_time_are_enough():
    """Batches that overlap in 20 of 200 cells: their difference is known from these, and standard errors say how well."""
    overlap = (TIMES > 0.45) & (TIMES < 0.55)
    batch = np.where(overlap, np.arange(200) % 2, EARLY)
    check_identified(TIMES, ONES, centred(batch), ["batch"])
    with pytest.raises(ValueError, match="corresponds to 2 cells"):
        check_identified(TIMES, ONES, centred(EARLY), ["batch"])


def test_single_precision_copies_are_copies():
    copy = NOISE[:, 0].astype(np.float32).astype(float)
    with pytest.raises(ValueError, match="cannot be separated from each other"):
        check_identified(TIMES, ONES, centred(NOISE[:, 0], copy), ["depth", "depth32"])


def test_too_few_cells():
    with pytest.raises(ValueError, match="2 coefficients of covariates 'a', 'b' would be estimated from 19 cells"):
        check_identified(TIMES[:19], ONES[:19], NOISE[:19, :2], ["a", "b"])


@given(st.integers(0, 500), st.integers(2, 30), st.sampled_from(["unit", "fate"]))
def test_covariates_that_mix_at_all_times_pass(seed, n_times, weighting):
    """Rare levels, ties in time, trends of a covariate with time, and unequal weights do not matter."""
    rng = np.random.default_rng(seed)
    times = rng.choice(np.linspace(0, 1, n_times), 400) if seed % 2 else rng.random(400)
    weights = np.ones(400) if weighting == "unit" else rng.uniform(0.05, 1, 400)
    rare = np.zeros(400)
    rare[rng.choice(400, 6, replace=False)] = 1
    columns = np.column_stack([rng.random(400) < 0.5, rng.normal(times, 0.5), rare]).astype(float)
    columns -= np.average(columns, axis=0, weights=weights)
    check_identified(times, weights, columns, ["batch", "depth", "donor"])


@given(st.integers(0, 500), st.booleans())
def test_the_order_of_the_cells_does_not_matter(seed, ties):
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 9, 60) / 9 if ties else rng.random(60)
    weights, columns = rng.uniform(0.1, 1, 60), rng.normal(size=(60, 2))
    order = rng.permutation(60)
    for found, expected in zip(
        scatter(times[order], weights[order], columns[order]), scatter(times, weights, columns), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_without_ties_and_weights_it_is_von_neumanns_ratio():
    total, local = scatter(TIMES, ONES, NOISE[:, :1])
    ratio = np.sum(np.diff(NOISE[:, 0]) ** 2) / np.sum((NOISE[:, 0] - NOISE[:, 0].mean()) ** 2)
    assert local.item() / total.item() == pytest.approx(ratio / 2)


def test_cells_of_equal_time_are_compared_with_each_other_only():
    times = np.repeat([0.0, 1.0], 100)
    mixed = np.tile([0.0, 1.0], 100)
    total, local = scatter(times, ONES, mixed[:, None])
    assert local.item() == pytest.approx(total.item())
    with pytest.raises(ValueError, match="'batch' cannot be separated from that of pseudotime"):
        check_identified(times, ONES, (times - 0.5)[:, None], ["batch"])


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("layer", [None, "counts"])
def test_size_factors_are_centred_logs_of_totals_over_all_genes(make_adata, kind, layer):
    adata = make_adata(kind=kind)
    lineage = read_lineage(adata, "A", genes=["rise0"], layer=layer, offset="size_factors")
    matrix = dense(adata.X if layer is None else adata.layers[layer])[lineage.cells]
    expected = np.log(matrix.sum(axis=1))
    np.testing.assert_allclose(lineage.offset, expected - np.average(expected, weights=lineage.weights), atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "csr", "csc"])
def test_a_value_that_is_not_finite_costs_its_gene_and_not_the_cell(make_adata, kind):
    counts = make_adata(n_cells=60).layers["counts"]
    counts = np.asarray(counts.toarray() if sparse.issparse(counts) else counts, dtype=float)
    expected = counts.sum(axis=1)
    expected[5] -= counts[5, 2]
    counts[5, 2] = np.nan
    matrix = {"dense": counts, "csr": sparse.csr_matrix(counts), "csc": sparse.csc_matrix(counts)}[kind]
    np.testing.assert_allclose(np.exp(log_totals(matrix)), expected)
    np.testing.assert_allclose(np.exp(log_totals(BlockedExpression(matrix, 2**20))), expected)


def test_an_offset_by_key_and_by_array_is_taken_as_it_is(make_adata):
    adata = make_adata()
    depth = adata.obs["depth"].to_numpy()
    for offset in ("depth", depth, list(depth), adata.obs["depth"][::-1]):  # a Series goes by the names of the cells
        lineage = read_lineage(adata, "A", offset=offset)
        np.testing.assert_array_equal(lineage.offset, depth[lineage.cells])


def test_an_empty_cell_has_no_size_factor(make_adata):
    adata = make_adata(kind="dense")
    adata.X[5] = 0
    with pytest.warns(LineageClustWarning, match="1 of 200 cells"):
        lineage = read_lineage(adata, "A", offset="size_factors", time_range=(0, 1))
    assert 5 not in lineage.cells
