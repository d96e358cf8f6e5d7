"""Simulated data agree with the truth stored with them."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from lineage_clust.datasets import simulate_lineage
from lineage_clust.datasets.simulate import SHAPES


@pytest.fixture(scope="module")
def adata():
    return simulate_lineage(n_cells=3000, n_genes=150, random_state=0)


def binned(adata, n_bins=25, branches=("trunk", "lineage_1")):
    """Mean of X over cells of the branches, `(n_genes, n_bins)`, and the bins' centres."""
    cells = adata.obs["branch"].isin(branches).to_numpy()
    bins = np.minimum((adata.obs["pseudotime"].to_numpy() * n_bins).astype(int), n_bins - 1)
    X = adata.X.toarray()
    means = np.column_stack([X[cells & (bins == b)].mean(axis=0) for b in range(n_bins)])
    return means, (np.arange(n_bins) + 0.5) / n_bins


def test_shapes_and_types(adata):
    assert adata.shape == (3000, 150)
    assert adata.X.format == adata.layers["counts"].format == "csr"
    assert adata.X.dtype == np.float32
    assert adata.layers["counts"].dtype == np.int32
    assert adata.layers["counts"].data.min() >= 1
    assert adata.varm["true_trend"].shape == (150, 200)
    assert adata.obs["pseudotime"].min() == 0
    assert adata.obs["pseudotime"].max() == 1
    assert list(adata.obs["branch"].cat.categories) == ["trunk", "lineage_1", "lineage_2"]
    assert (adata.obs["branch"].value_counts() > 500).all()
    simulation = adata.uns["simulation"]
    assert simulation["grid"].shape == (200,)
    assert simulation["module_shapes"].shape == (8, 200)
    assert simulation["follows"].shape == (8, 2)


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate_lineage(n_cells=50, n_genes=20, random_state=0)


def test_expression_is_normalised_by_the_total(adata):
    counts = adata.layers["counts"].toarray()
    expected = np.log1p(1e4 * counts / adata.obs["total_counts"].to_numpy()[:, None])
    np.testing.assert_allclose(adata.X.toarray(), expected, rtol=1e-5)
    assert (counts.sum(axis=1) < adata.obs["total_counts"]).all()
    offset = adata.obs["log_size_factor"]
    assert offset.mean() == pytest.approx(0, abs=1e-12)
    assert np.ptp(offset - np.log(adata.obs["total_counts"])) < 1e-12


def test_truth_of_the_genes(adata):
    var = adata.var
    assert var["module"].value_counts().sort_index().to_dict() == {-1: 45} | {m: 14 if m == 0 else 13 for m in range(8)}
    assert (var["is_flat"] == (var["module"] == -1)).all()
    assert (var.loc[var["is_flat"], ["amplitude", "shift"]] == 0).all(axis=None)
    assert (var.loc[~var["is_flat"], "amplitude"] > 0).all()
    assert not var["module"].is_monotonic_increasing  # genes are not sorted by module
    trend = np.expm1(adata.varm["true_trend"])
    assert np.ptp(trend[var["is_flat"]], axis=1).max() < 1e-12
    # the curve is the module's shape, scaled and shifted
    grid, shapes = adata.uns["simulation"]["grid"], adata.uns["simulation"]["module_shapes"]
    for gene in np.flatnonzero(~var["is_flat"])[:40]:
        row = var.iloc[gene]
        shape = np.interp(grid - row["shift"], grid, shapes[int(row["module"])])
        inside = (grid > 0.05) & (grid < 0.95)
        expected = row["baseline"] + row["amplitude"] * shape
        np.testing.assert_allclose(np.log(trend[gene])[inside], expected[inside], atol=0.02)


def test_averaged_expression_follows_the_truth(adata):
    means, centres = binned(adata)
    grid = adata.uns["simulation"]["grid"]
    abundant = (~adata.var["is_flat"] & (np.exp(adata.var["baseline"]) > 0.1)).to_numpy()
    assert abundant.sum() > 50
    truth = np.array([np.interp(centres, grid, trend) for trend in adata.varm["true_trend"]])
    shapes = np.array([np.interp(centres, grid, shape) for shape in adata.uns["simulation"]["module_shapes"]])
    with_truth = [np.corrcoef(means[gene], truth[gene])[0, 1] for gene in np.flatnonzero(abundant)]
    with_shape = [
        np.corrcoef(means[gene], shapes[adata.var["module"].iloc[gene]])[0, 1] for gene in np.flatnonzero(abundant)
    ]
    assert np.median(with_truth) > 0.95
    assert np.min(with_truth) > 0.6
    assert np.median(with_shape) > 0.93


def test_flat_genes_are_flat_in_x(adata):
    from scipy.stats import f_oneway

    bins = (adata.obs["pseudotime"].to_numpy() * 20).astype(int).clip(0, 19)
    X = adata.X.toarray()[:, adata.var["is_flat"]]
    p = np.array([f_oneway(*[column[bins == b] for b in range(20)]).pvalue for column in X.T])
    assert (p < 0.05).mean() < 0.15
    assert p.min() > 1e-4


def test_mean_of_the_counts(adata):
    flat = adata.var["is_flat"].to_numpy()
    observed = adata.layers["counts"].toarray()[:, flat].mean(axis=0)
    expected = np.exp(adata.var["baseline"][flat]) * adata.obs["total_counts"].mean() / 1e4
    np.testing.assert_allclose(observed, expected, rtol=0.25)
    assert np.mean(observed / expected) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("dispersion", [0.0, 0.2, 1.0])
def test_dispersion_is_recovered(dispersion):
    adata = simulate_lineage(n_cells=4000, n_genes=80, n_modules=0, dispersion=dispersion, random_state=1)
    exposure = adata.obs["total_counts"].to_numpy()[:, None] / 1e4
    mean = exposure * np.exp(adata.var["baseline"].to_numpy())
    counts = adata.layers["counts"].toarray()
    moments = ((counts - mean) ** 2 - mean).sum(axis=0) / (mean**2).sum(axis=0)
    assert np.median(moments) == pytest.approx(dispersion, abs=0.03)


def test_fate_probabilities(adata):
    fates = adata.obsm["fate_probabilities"]
    assert isinstance(fates, pd.DataFrame)
    assert list(fates.columns) == ["lineage_1", "lineage_2"]
    np.testing.assert_allclose(fates.sum(axis=1), 1)
    own = fates["lineage_1"].to_numpy()
    time, branch = adata.obs["pseudotime"], adata.obs["branch"]
    assert np.abs(own[branch == "trunk"] - 0.5).max() < 0.35
    late = time > 0.9
    assert own[late & (branch == "lineage_1")].min() > 0.98
    assert own[late & (branch == "lineage_2")].max() < 0.02
    soft = (own > 0.05) & (own < 0.95)
    assert soft[(time > 0.35) & (time < 0.42)].mean() > 0.8


def test_other_lineages_keep_or_lose_the_dynamics(adata):
    follows = adata.uns["simulation"]["follows"]
    assert follows[:, 0].all()
    assert 0 < follows[:, 1].sum() < 8
    first, _ = binned(adata, branches=["trunk", "lineage_1"], n_bins=10)
    second, _ = binned(adata, branches=["trunk", "lineage_2"], n_bins=10)
    late = slice(4, None)
    for module in range(8):
        genes = (adata.var["module"] == module).to_numpy()
        one, two = first[genes, late].mean(axis=0), second[genes, late].mean(axis=0)
        if follows[module, 1]:
            assert np.abs(one - two).max() < 0.25
        else:
            assert np.ptp(two) < 0.25


@pytest.mark.parametrize("n_lineages", [1, 2, 4])
def test_number_of_lineages(n_lineages):
    adata = simulate_lineage(n_cells=400, n_genes=30, n_modules=3, n_lineages=n_lineages, random_state=0)
    fates = adata.obsm["fate_probabilities"]
    assert fates.shape == (400, n_lineages)
    np.testing.assert_allclose(fates.sum(axis=1), 1)
    if n_lineages == 1:
        assert (adata.obs["branch"] == "lineage_1").all()
        assert (fates == 1).all(axis=None)
    else:
        assert adata.obs["branch"].nunique() == n_lineages + 1


def test_module_shapes_are_well_separated():
    shapes = simulate_lineage(n_cells=10, n_genes=40, n_modules=len(SHAPES), random_state=0).uns["simulation"][
        "module_shapes"
    ]
    assert len(shapes) >= 12
    correlation = np.corrcoef(shapes) - np.eye(len(shapes))
    assert correlation.max() < 0.7
    np.testing.assert_allclose(shapes.max(axis=1), 1, atol=0.01)
    np.testing.assert_allclose(shapes.min(axis=1), 0, atol=0.01)


@pytest.mark.parametrize("n_modules", [0, 1, 2, 5, 12])
def test_number_of_modules(n_modules):
    adata = simulate_lineage(n_cells=60, n_genes=50, n_modules=n_modules, random_state=0)
    assert set(adata.var["module"]) == set(range(-1, n_modules))


def test_module_sizes():
    adata = simulate_lineage(n_cells=60, n_genes=50, n_modules=3, module_sizes=[20, 5, 10], random_state=0)
    assert adata.var["module"].value_counts().to_dict() == {0: 20, -1: 15, 2: 10, 1: 5}
    adata = simulate_lineage(n_cells=60, n_genes=50, n_modules=2, module_sizes=(25, 25), random_state=0)
    assert not adata.var["is_flat"].any()


def test_deterministic():
    one, two, other = (simulate_lineage(n_cells=200, n_genes=40, random_state=seed) for seed in (5, 5, 6))
    generator = simulate_lineage(n_cells=200, n_genes=40, random_state=np.random.default_rng(5))
    for same in (two, generator):
        assert (one.X != same.X).nnz == 0
        assert (one.layers["counts"] != same.layers["counts"]).nnz == 0
        pd.testing.assert_frame_equal(one.obs, same.obs)
        pd.testing.assert_frame_equal(one.var, same.var)
        pd.testing.assert_frame_equal(one.obsm["fate_probabilities"], same.obsm["fate_probabilities"])
    assert (one.layers["counts"] != other.layers["counts"]).nnz > 0


def test_global_random_state_is_left_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    simulate_lineage(n_cells=20, n_genes=20, n_modules=2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_depth_controls_the_zeros():
    shares = [
        simulate_lineage(n_cells=500, n_genes=200, depth=depth, random_state=0).layers["counts"].nnz / 1e5
        for depth in (1_500, 10_000, 30_000)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.15
    assert shares[1] == pytest.approx(0.4, abs=0.06)
    assert shares[2] > 0.55


@pytest.mark.slow
def test_amplitude_scale_and_shift():
    adata = simulate_lineage(n_cells=20, n_genes=400, amplitude=1.5, scale=0.0, shift=0.0, random_state=0)
    varying = adata.var[~adata.var["is_flat"]]
    assert (varying["amplitude"] == 1.5).all()
    assert (varying["shift"] == 0).all()
    adata = simulate_lineage(n_cells=20, n_genes=2000, amplitude=1.5, scale=0.5, shift=0.05, random_state=0)
    varying = adata.var[~adata.var["is_flat"]]
    assert np.log(varying["amplitude"]).std() == pytest.approx(0.5, abs=0.03)
    assert varying["amplitude"].median() == pytest.approx(1.5, abs=0.1)
    assert varying["shift"].abs().max() == pytest.approx(0.1)


@pytest.mark.parametrize("n_modules", [0, 8])
def test_round_trip(tmp_path, n_modules):
    adata = simulate_lineage(n_cells=50, n_genes=30, n_modules=n_modules, random_state=0)
    adata.write_h5ad(tmp_path / "simulated.h5ad")
    read = read_h5ad(tmp_path / "simulated.h5ad")
    assert (read.layers["counts"] != adata.layers["counts"]).nnz == 0
    pd.testing.assert_frame_equal(read.var, adata.var)
    pd.testing.assert_frame_equal(read.obs, adata.obs)
    pd.testing.assert_frame_equal(read.obsm["fate_probabilities"], adata.obsm["fate_probabilities"])
    np.testing.assert_array_equal(read.varm["true_trend"], adata.varm["true_trend"])
    for key, value in adata.uns["simulation"].items():
        np.testing.assert_array_equal(read.uns["simulation"][key], value)


@pytest.mark.slow
def test_large_data_takes_seconds():
    start = time.perf_counter()
    adata = simulate_lineage(n_cells=10_000, n_genes=1_000, random_state=0)
    assert adata.shape == (10_000, 1_000)
    assert time.perf_counter() - start < 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cells": 3}, "n_cells must be an integer of at least 10; got 3"),
        ({"n_cells": 100.0}, "n_cells must be an integer"),
        ({"n_genes": 0}, "n_genes must be an integer of at least 1"),
        ({"n_modules": 99}, "n_modules must be an integer from 0 to 14; got 99"),
        ({"n_modules": -1}, "n_modules"),
        ({"n_lineages": 0}, "n_lineages"),
        ({"n_lineages": True}, "n_lineages"),
        ({"flat_fraction": 1.5}, "flat_fraction must be a number between 0 and 1; got 1.5"),
        ({"flat_fraction": "half"}, "flat_fraction"),
        ({"flat_fraction": 1.0}, "pass n_modules=0"),
        ({"n_genes": 9, "n_modules": 8}, "n_genes=9 with flat_fraction=0.3 leaves 6. Lower flat_fraction"),
        ({"depth": 0}, "depth must be a number above 0 and at most 1e.12; got 0"),
        ({"depth": np.nan}, "depth"),
        ({"dispersion": -0.1}, "dispersion must be a finite number of at least 0"),
        ({"dispersion": np.inf}, "dispersion"),
        ({"amplitude": 0}, "amplitude"),
        ({"shift": -1}, "shift"),
        ({"scale": -1}, "scale"),
        ({"module_sizes": [3, 4]}, "n_modules=8 modules"),
        ({"n_modules": 2, "module_sizes": [3, 0]}, "integers of 1 or more"),
        ({"n_modules": 2, "module_sizes": [3.5, 2.5]}, "integers of 1 or more"),
        ({"n_modules": 2, "module_sizes": [300, 100]}, "add up to 400 genes, but n_genes=200"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_lineage(**arguments)
