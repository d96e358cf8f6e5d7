"""Combined lineages (`lineage="Mono, Neu"`), from reading to files."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.__main__ import main
from lineage_clust.lineage.weights.keys import find_weights
from lineage_clust.scoring import trend_deviance

from .fits import QUICK

BOTH = "Mono, Neu"


@pytest.fixture(scope="module")
def cells():
    """Cells of three fates, two of which share a gene program."""
    rng = np.random.default_rng(0)
    t, fate = rng.random(400), rng.integers(3, size=400)
    shares = np.full((400, 3), 1 / 3)
    shares += np.outer(np.clip((t - 0.3) / 0.4, 0, 1), np.ones(3)) * (np.eye(3)[fate] - 1 / 3)
    rates = np.column_stack([4 * t * (fate > 0), 4 * t * (fate == 0), 4 * (1 - t), np.full(400, 2.0)] * 6)
    adata = ad.AnnData(
        np.log1p(rng.poisson(rates)),
        obs=pd.DataFrame(
            {"palantir_pseudotime": t, "batch": rng.choice(["x", "y"], 400)}, index=[f"c{i}" for i in range(400)]
        ),
        var=pd.DataFrame(index=[f"g{gene}" for gene in range(24)]),
    )
    adata.obsm["palantir_fate_probabilities"] = pd.DataFrame(
        shares, index=adata.obs_names, columns=["Ery", "Mono", "Neu"]
    )
    return adata


@pytest.fixture(scope="module")
def fitted(cells):
    return lc.TrendClusterer(lineage=BOTH, clusterer=QUICK, alpha=None, random_state=0).fit(cells)


def test_trends_are_those_of_the_summed_probabilities(cells, fitted):
    summed = cells.copy()
    fates = summed.obsm.pop("palantir_fate_probabilities")
    summed.obs["both"] = fates["Mono"] + fates["Neu"]
    by_hand = lc.TrendClusterer(lineage_key="both", clusterer=QUICK, alpha=None, random_state=0).fit(summed)
    np.testing.assert_allclose(fitted.trends_, by_hand.trends_, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(fitted.labels_, by_hand.labels_)
    assert fitted.lineage_ == BOTH


def test_a_column_of_that_name_is_the_lineage(cells):
    named = cells.copy()  # CellRank writes a combination of states as one column
    named.obsm["palantir_fate_probabilities"] = pd.DataFrame(
        {BOTH: np.linspace(0, 1, 400), "Mono": 0.5, "Neu": 0.1}, index=cells.obs_names
    )
    _, _, weights = find_weights(named, BOTH, None, False)
    np.testing.assert_array_equal(weights, np.linspace(0, 1, 400))


@pytest.mark.slow
def test_everything_that_reads_the_cells_again_finds_it(cells, fitted):
    assert fitted.predict(cells, ["g0", "g1"]).shape == (2,)
    assert trend_deviance(fitted, cells) > 0
    assert fitted.models_["g0"][BOTH]
    assert set(fitted.to_frame()["lineage"]) == {BOTH}
    fitted.plot(adata=cells, covariate_key="batch")
    fitted.plot_genes(["g0"], cells)


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2:UserWarning")
@pytest.mark.slow
def test_it_goes_into_files_and_back(cells, fitted, form, tmp_path):
    adata = cells.copy()
    fitted.write_to(adata)
    getattr(adata, f"write_{form}")(tmp_path / f"cells.{form}")
    back = getattr(ad, f"read_{form}")(tmp_path / f"cells.{form}")
    np.testing.assert_allclose(back.varm[f"trends_{BOTH}"], adata.varm[f"trends_{BOTH}"])
    getattr(fitted.to_anndata(), f"write_{form}")(tmp_path / f"trends.{form}")
    fitted.save(tmp_path / "fitted")
    loaded = lc.TrendClusterer.load(tmp_path / "fitted")
    assert loaded.lineage_ == BOTH
    np.testing.assert_array_equal(loaded.predict(cells, ["g0", "g1"]), fitted.predict(cells, ["g0", "g1"]))


def test_beside_another_lineage(cells):
    joint = lc.TrendClusterer(lineage=["Ery", BOTH], clusterer=QUICK, alpha=None, random_state=0).fit(cells)
    assert joint.lineage_ == ["Ery", BOTH]
    assert {f"pvalue_{BOTH}", "pvalue_Ery"} <= set(joint.gene_table_)
    joint.write_to(cells.copy())


@pytest.mark.slow
def test_as_in_cellrank_s_function(cells, tmp_path):
    adata = cells.copy()
    options = {"time_key": "palantir_pseudotime", "random_state": 0, "show_progress_bar": False}
    models = lc.cluster_lineage(
        adata,
        {"*": {BOTH: lc.GAM()}},
        list(adata.var_names),
        BOTH,
        covariate_key="batch",
        return_models=True,
        **options,
    )
    assert all(list(of_gene) == [BOTH] for of_gene in models.values())
    assert adata.uns[f"lineage_{BOTH}_trend"].shape == (24, 200)
    adata.write_h5ad(tmp_path / "cells.h5ad")


def test_drivers(cells):
    table = lc.lineage_drivers(cells, [BOTH, "Ery"])
    np.testing.assert_allclose(table[f"{BOTH}_corr"], -table["Ery_corr"], atol=1e-12)  # the three sum to 1
    chosen = lc.DriverSelector(BOTH, n_genes=3).fit(cells)
    assert chosen.drivers_.columns[0] == f"{BOTH}_corr"


@pytest.mark.slow
def test_from_the_command_line(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    assert main(["run", str(tmp_path / "cells.h5ad"), "--lineage", BOTH, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / f"genes_{BOTH}.csv").is_file()
