import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.errors import LineageClustWarning, UnknownNameError
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.lineage.cells.covariates import design_columns
from lineage_clust.lineage.cells.offsets import log_totals
from lineage_clust.lineage.genes.expression import expression_of
from lineage_clust.lineage.lineage import read_lineage, resolve_genes
from lineage_clust.lineage.weights.values import clip_weights

GENES = ["rise1", "flat0", "fall3"]


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def plain_adata(**obs):
    """Cells without lineage data; `obs` are their columns, among them pseudotime."""
    n_cells = len(obs["pseudotime"])
    index = [f"cell{cell}" for cell in range(n_cells)]
    return ad.AnnData(np.arange(2.0 * n_cells).reshape(n_cells, 2), obs=pd.DataFrame(obs, index=index))


# ---- expression, as it is stored


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("source", [{}, {"layer": "X"}, {"layer": "counts"}, {"use_raw": True}])
@pytest.mark.parametrize("genes", [GENES, None])
def test_every_storage_gives_the_same_values(make_adata, kind, source, genes):
    adata = make_adata(kind=kind)
    if source == {"use_raw": True}:
        adata = adata[:, ::-1].copy()  # raw keeps its own genes in its own order
    lineage = read_lineage(adata, "A", genes=genes, **source)
    names = list(adata.raw.var_names if "use_raw" in source else adata.var_names) if genes is None else genes
    reference = make_adata(kind="dense")[lineage.cells][:, names]
    expected = reference.layers["counts"] if source == {"layer": "counts"} else reference.X
    np.testing.assert_array_equal(dense(lineage.expression), expected)
    assert lineage.genes == names


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_sparse_expression_stays_as_it_is(make_adata, kind):
    assert read_lineage(make_adata(kind=kind), "A", genes=GENES).expression.format == kind


def test_a_whole_matrix_is_not_copied(make_adata):
    adata = make_adata(kind="csr")
    lineage = read_lineage(adata, "A", time_range=(-1, 2))
    assert np.shares_memory(lineage.expression.data, adata.X.data)


@pytest.mark.parametrize("convert", [sparse.csr_array, sparse.csc_array, np.asfortranarray, "dask"])
def test_other_containers_are_read(make_adata, convert):
    adata = make_adata(kind="dense")
    if convert in (sparse.csr_array, sparse.csc_array):
        pytest.importorskip("anndata", "0.11")
    if convert == "dask":
        convert = pytest.importorskip("dask.array").from_array
    adata.layers["other"] = convert(adata.X)
    lineage = read_lineage(adata, "A", genes=GENES, layer="other")
    np.testing.assert_array_equal(dense(lineage.expression), adata[lineage.cells][:, GENES].X)


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_a_backed_file_is_read(make_adata, kind, tmp_path):
    adata = make_adata(kind=kind)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    lineage = read_lineage(backed, "A", genes=GENES)
    np.testing.assert_array_equal(dense(lineage.expression), dense(adata[lineage.cells][:, GENES].X))
    backed.file.close()


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_expression_of_all_cells(make_adata, kind):
    adata = make_adata(kind=kind)
    np.testing.assert_array_equal(dense(expression_of(adata, GENES)), dense(adata[:, GENES].X))
    np.testing.assert_array_equal(dense(expression_of(adata, GENES, "counts")), dense(adata[:, GENES].layers["counts"]))


def test_a_view_is_read_as_its_copy(make_adata):
    view = make_adata()[20:150, 3:20]
    one, other = read_lineage(view, "A", genes=["rise1"]), read_lineage(view.copy(), "A", genes=["rise1"])
    assert view.is_view
    np.testing.assert_array_equal(dense(one.expression), dense(other.expression))
    np.testing.assert_array_equal(one.weights, other.weights)
    assert (one.start, one.end) == (other.start, other.end)


def test_a_name_that_is_there_twice_does_not_disturb_the_others(make_adata):
    adata = make_adata(kind="dense")
    adata.var_names = ["twice", "twice", *adata.var_names[2:]]
    lineage = read_lineage(adata, "A", genes=GENES)
    np.testing.assert_array_equal(lineage.expression, adata[lineage.cells].X[:, [6, 3, 12]])
    with pytest.raises(ValueError, match=r"'twice' more than once. Call adata.var_names_make_unique\(\)"):
        read_lineage(adata, "A", genes=["twice"])
    with pytest.raises(ValueError, match="'twice' more than once"):
        read_lineage(adata, "A")


# ---- cells, weights and pseudotime


def test_what_a_lineage_holds(make_adata):
    adata = make_adata()
    lineage = read_lineage(adata, "A", genes=GENES)
    times = adata.obs["palantir_pseudotime"].to_numpy()
    inside = (times >= lineage.start) & (times <= lineage.end)
    np.testing.assert_array_equal(lineage.cells, np.flatnonzero(inside))
    np.testing.assert_array_equal(lineage.pseudotime, times[inside])
    np.testing.assert_array_equal(lineage.weights, adata.obsm["palantir_fate_probabilities"]["A"][inside])
    assert (lineage.name, lineage.covariates, lineage.covariate_names, lineage.offset) == ("A", None, [], None)


@given(start=st.floats(-2, 0.2), end=st.floats(0.5, 3), n_points=st.integers(2, 50))
def test_the_grid_spans_exactly_the_given_range(make_adata, start, end, n_points):
    lineage = read_lineage(make_adata(), "A", time_range=(start, end), n_points=n_points)
    grid = lineage.grid(n_points)
    assert (grid[0], grid[-1], len(grid)) == (start, end, n_points)
    assert np.allclose(np.diff(grid), (end - start) / (n_points - 1))
    assert lineage.pseudotime.min() >= start
    assert lineage.pseudotime.max() <= end


def test_without_lineage_data_every_weight_is_one(make_adata):
    adata = make_adata()
    del adata.obsm["palantir_fate_probabilities"]
    lineage = read_lineage(adata)
    assert lineage.name is None
    assert np.all(lineage.weights == 1)
    assert len(lineage.cells) == adata.n_obs


def test_cells_with_equal_pseudotime_are_all_kept():
    times = np.repeat([0.0, 1.0, 2.0], 20)
    lineage = read_lineage(plain_adata(pseudotime=times))
    np.testing.assert_array_equal(lineage.pseudotime, times)
    assert lineage.expression.shape == (60, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_cells_without_finite_values_are_left_out_with_one_warning(make_adata, value):
    adata = make_adata(n_cells=60)
    adata.obs.iloc[[3, 8], adata.obs.columns.get_loc("palantir_pseudotime")] = value
    adata.obsm["palantir_fate_probabilities"].iloc[[8, 11], 0] = value
    with pytest.warns(LineageClustWarning) as warned:
        lineage = read_lineage(adata, "A", time_range=(0, 1))
    assert [str(one.message)[:29] for one in warned] == ["3 of 60 cells are excluded: t"]
    np.testing.assert_array_equal(lineage.cells, np.setdiff1d(np.arange(60), [3, 8, 11]))


def test_nothing_finite_is_an_error(make_adata):
    adata = make_adata()
    adata.obs["palantir_pseudotime"] = np.nan
    with pytest.raises(ValueError, match="infinite in every cell: no cells remain to fit lineage 'A'"):
        read_lineage(adata, "A")


def test_no_cell_in_the_range_is_an_error(make_adata):
    with pytest.raises(ValueError, match=r"No cell lies in the time range \[3, 4\]: pseudotime spans \[0, 1\]"):
        read_lineage(make_adata(), "A", time_range=(3, 4))


def test_cells_of_weight_zero_take_no_part(make_adata):
    adata = make_adata()
    adata.obsm["palantir_fate_probabilities"].iloc[:50, 0] = 0
    lineage = read_lineage(adata, "A", weight_threshold=0, time_range=(0, 1))
    np.testing.assert_array_equal(lineage.cells, np.arange(50, adata.n_obs))
    clipped = read_lineage(adata, "A", weight_threshold=(0.01, 0.001), time_range=(0, 1))
    assert np.all(clipped.weights[:50] == 0.001)
    adata.obsm["palantir_fate_probabilities"]["A"] = 0.0
    with pytest.raises(ValueError, match=r"No cell belongs to lineage 'A': the largest weight is 0"):
        read_lineage(adata, "A", weight_threshold=(0.01, 0), time_range=(0, 1))


@given(
    weights=st.lists(st.floats(0, 1), min_size=1, max_size=30),
    below=st.floats(0, 1),
    value=st.floats(0, 1),
)
def test_weights_below_the_threshold_become_its_value(weights, below, value):
    clipped = clip_weights(np.array(weights), (below, value))
    assert clipped.tolist() == [value if weight < below else weight for weight in weights]
    np.testing.assert_array_equal(clip_weights(np.array(weights), below), np.maximum(weights, below))


def test_clipping_leaves_nan_and_the_input_alone():
    weights = np.array([np.nan, 0.0, 1.0])
    np.testing.assert_array_equal(clip_weights(weights, 0.5), [np.nan, 0.5, 1.0])
    np.testing.assert_array_equal(weights, [np.nan, 0.0, 1.0])


@pytest.mark.parametrize(
    "threshold", [-0.1, (0.1, -0.1), (0.1, np.inf), np.nan, (0.1, 0.1, 0.1), "low", None, (None, 0.1)]
)
def test_wrong_weight_thresholds(threshold):
    with pytest.raises(ValueError, match="weight_threshold must be a non-negative number or a pair"):
        clip_weights(np.ones(3), threshold)


def test_negative_weights_are_an_error():
    with pytest.raises(ValueError, match=r"must not be negative; the smallest is -0.5"):
        clip_weights(np.array([0.1, -0.5]), 0.01)


def test_both_endpoint_rules_reach_the_cells(make_adata):
    adata = make_adata()
    times = adata.obs["palantir_pseudotime"].to_numpy()
    adata.obsm["palantir_fate_probabilities"]["A"] = np.interp(times, [0, 0.4, 0.8, 0.85, 1], [0.1, 1, 1, 0, 0])
    ends = {rule: read_lineage(adata, "A", endpoint=rule).end for rule in ("argmax", "plateau")}
    assert ends["argmax"] < 0.5 < 0.7 < ends["plateau"] < 0.85


@pytest.mark.parametrize("seed", range(3))
def test_one_hot_weights_are_read_to_their_end(seed):
    rng = np.random.default_rng(seed)
    adata = ad.AnnData(
        rng.random((2000, 3)), obs=pd.DataFrame({"pseudotime": rng.random(2000)}, index=map(str, range(2000)))
    )
    adata.obsm["lineages"] = np.eye(4)[rng.integers(0, 4, 2000)]
    for lineage in range(4):
        read = read_lineage(adata, lineage, lineage_key="lineages")
        assert read.start < 0.01
        assert read.end > 0.98


def test_reading_changes_nothing(make_adata):
    adata, before = make_adata(), make_adata()
    read_lineage(adata, "A", genes=GENES, covariates=["batch"], offset="size_factors", weight_threshold=(0.3, 0.2))
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    pd.testing.assert_frame_equal(adata.obsm["palantir_fate_probabilities"], before.obsm["palantir_fate_probabilities"])
    np.testing.assert_array_equal(dense(adata.X), dense(before.X))


# ---- covariates


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
    columns, names, _ = design_columns(terms, weights)
    used = terms.assign(
        batch=terms["batch"].cat.remove_unused_categories(), treated=terms["treated"].astype("category")
    )
    expected = pd.get_dummies(used, drop_first=True, dtype=float)
    expected = expected[[name for name in expected if name != "depth"][:-1] + ["depth", "treated_True"]]
    np.testing.assert_allclose(columns, expected - np.average(expected, axis=0, weights=weights), atol=1e-12)
    assert [name.replace("[", "_").rstrip("]") for name in names] == list(expected)


def test_constant_covariates_are_left_out():
    terms = pd.DataFrame({"donor": ["x"] * 4, "age": [1.0] * 4, "depth": [1.0, 2.0, 3.0, 4.0]})
    assert design_columns(terms, np.ones(4))[1] == ["depth"]
    assert design_columns(terms[["donor", "age"]], np.ones(4)) == (None, [], [])


def test_covariates_of_the_cells_that_take_part(make_adata):
    adata = make_adata()
    lineage = read_lineage(adata, "A", covariates=["batch", "depth"])
    assert lineage.covariate_names == ["batch[second]", "depth"]
    assert lineage.covariates.shape == (len(lineage.cells), 2)
    np.testing.assert_allclose(lineage.weights @ lineage.covariates, 0, atol=1e-9)
    depth = adata.obs["depth"].to_numpy()[lineage.cells]
    np.testing.assert_allclose(np.diff(lineage.covariates[:, 1]), np.diff(depth), atol=1e-12)


def test_one_covariate_may_be_a_string_and_none_an_empty_list(make_adata):
    adata = make_adata()
    assert read_lineage(adata, "A", covariates="depth").covariate_names == ["depth"]
    assert read_lineage(adata, "A", covariates=["depth", "depth"]).covariate_names == ["depth"]
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


# ---- advice that can be followed


def test_names_of_raw_are_made_unique_as_the_message_says(make_adata):
    adata = make_adata()
    raw = adata.raw.to_adata()
    raw.var_names = ["twice", "twice", *raw.var_names[2:]]
    adata.raw = raw
    for genes in (None, ["twice"]):
        with pytest.raises(
            ValueError, match=r"raw = adata.raw.to_adata\(\), raw.var_names_make_unique\(\) and adata.raw ="
        ):
            resolve_genes(adata, genes, use_raw=True)
    raw = adata.raw.to_adata()
    raw.var_names_make_unique()
    adata.raw = raw
    assert resolve_genes(adata, ["twice"], use_raw=True) == ["twice"]


@pytest.mark.parametrize("genes", [[3], np.array([3, 4])])
def test_integers_are_no_names_of_genes(genes):
    adata = ad.AnnData(np.ones((2, 5)), var=pd.DataFrame(index=[str(gene) for gene in range(5)]))
    with pytest.raises(UnknownNameError, match="Names are strings: write '3', not 3"):
        resolve_genes(adata, genes)
    assert resolve_genes(adata, [str(gene) for gene in genes])[0] == "3"


# ---- offset


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
    for offset in ("depth", depth, list(depth)):
        lineage = read_lineage(adata, "A", offset=offset)
        np.testing.assert_array_equal(lineage.offset, depth[lineage.cells])


def test_an_empty_cell_has_no_size_factor(make_adata):
    adata = make_adata(kind="dense")
    adata.X[5] = 0
    with pytest.warns(LineageClustWarning, match="1 of 200 cells"):
        lineage = read_lineage(adata, "A", offset="size_factors", time_range=(0, 1))
    assert 5 not in lineage.cells
