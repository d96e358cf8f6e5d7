"""Joint clustering of lineages: equal influence of each, and independence of their order."""

from dataclasses import replace
from itertools import permutations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import lineage_clust as lc
from lineage_clust.results.result import result_of
from lineage_clust.trends import drawing

NAMES = ["Baso", "Ery", "Mono", "Neu"]
N_EACH = 12


def branches(n_cells, seed, ranges=(1.0, 1.0, 1.0, 1.0)):
    """Return cells of four branches with a pseudotime each; of each branch 12 genes that rise late there only, 12 early."""
    rng = np.random.default_rng(seed)
    branch = np.repeat(np.arange(4), n_cells)
    t = rng.random(len(branch))
    columns = []
    for number in range(4):
        rise = 1 / (1 + np.exp(-(t - rng.uniform(0.6, 0.7, (N_EACH, 1))) / 0.06))
        columns.append((branch == number) * rise)
    columns.append(1 / (1 + np.exp((t - rng.uniform(0.2, 0.3, (N_EACH, 1))) / 0.06)))
    expected = 2.0 * np.vstack(columns).T * rng.uniform(0.7, 1.4, 5 * N_EACH)
    adata = ad.AnnData(expected + rng.normal(0, 0.4, expected.shape))
    adata.var_names = [f"{name}{gene}" for name in [*NAMES, "all"] for gene in range(N_EACH)]
    adata.obsm["weights"] = pd.DataFrame(np.eye(4)[branch], adata.obs_names, NAMES)
    times = pd.DataFrame(t[:, None] * np.asarray(ranges), adata.obs_names, NAMES)
    adata.obsm["times"] = times
    return adata


def fit(adata, lineages, **options):
    settings = {"lineage_key": "weights", "time_key": "times"} if "times" in adata.obsm else {}
    return lc.TrendClusterer(lineage=list(lineages), random_state=0, **(settings | options)).fit(adata)


def assert_the_same(found, expected):
    np.testing.assert_array_equal(found.labels_, expected.labels_)
    assert found.genes_ == expected.genes_
    assert found.failed_ == expected.failed_
    pd.testing.assert_frame_equal(found.gene_table_, expected.gene_table_, check_like=True, check_exact=True)
    pd.testing.assert_frame_equal(found.cluster_table_, expected.cluster_table_, check_like=True, check_exact=True)
    for name in expected.lineage_:
        ours, theirs = found.grid_lineage_ == name, expected.grid_lineage_ == name
        for values in ("trends_", "scaled_trends_", "cluster_centers_"):
            np.testing.assert_array_equal(getattr(found, values)[:, ours], getattr(expected, values)[:, theirs])


@pytest.fixture(scope="module")
def uneven():
    """Lineages of very different numbers of cells and ranges of time."""
    full = branches(300, seed=5, ranges=(1.0, 0.2, 5.0, 1.0))
    keep = np.r_[0:60, 300:600, 600:700, 900:1200]
    return full[keep].copy()


def test_the_order_of_the_lineages_changes_nothing(uneven):
    orders = [list(order) for order in permutations(NAMES[:3])][::3]
    expected = fit(uneven, NAMES[:3], n_points=40)
    assert expected.n_clusters_ > 1
    for order in orders[1:]:
        found = fit(uneven, order, n_points=40)
        assert found.lineage_ == order
        assert_the_same(found, expected)
        np.testing.assert_array_equal(found.predict(uneven), expected.predict(uneven))
        if hasattr(expected.clusterer_, "tree_"):
            np.testing.assert_array_equal(found.cut(n_clusters=2).labels_, expected.cut(n_clusters=2).labels_)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": "minmax", "clusterer": lc.GraphClusterer(resolution=1.0)},
        {"clusterer": KMeans(4, n_init=2, random_state=0)},
        {"clusterer": lc.GraphClusterer(n_clusters=3, n_components=3)},
        {"scale": None, "alpha": None, "clusterer": lc.GraphClusterer(n_clusters=3)},
    ],
    ids=["minmax", "k-means", "components", "unscaled"],
)
@pytest.mark.first(1)
def test_nor_does_it_with_other_settings(uneven, options):
    one, other = (fit(uneven, order, n_points=30, **options) for order in (["Ery", "Mono"], ["Mono", "Ery"]))
    assert_the_same(other, one)
    np.testing.assert_array_equal(other.predict(uneven), one.predict(uneven))


@pytest.mark.slow
@pytest.mark.parametrize("form", [tuple, np.array, pd.Index, pd.Series])
def test_names_of_lineages_and_draws_come_in_any_sequence(form, tmp_path):
    adata = lc.datasets.bone_marrow()[::4]
    names = adata.obsm["palantir_fate_probabilities"].columns
    adata.obs["other_time"] = adata.obs["palantir_pseudotime"] ** 1.1
    times = ["palantir_pseudotime", "other_time", "other_time"]
    settings = {"genes": form(["Klf1", "Mpo"]), "lineage": form(list(names)), "time_key": form(times)}
    found = lc.TrendClusterer(**settings, random_state=0).fit(adata)
    expected = lc.TrendClusterer(genes=["Klf1", "Mpo"], lineage=list(names), time_key=times, random_state=0).fit(adata)
    np.testing.assert_array_equal(found.trends_, expected.trends_)
    assert found.lineage_ == list(names)
    found.save(tmp_path / "fit")
    found.to_anndata().write_h5ad(tmp_path / "fit.h5ad")
    np.testing.assert_array_equal(lc.TrendClusterer.load(tmp_path / "fit").predict(adata), expected.predict(adata))


def test_weights_are_not_names_of_lineages():
    adata = lc.datasets.bone_marrow()
    with pytest.raises(TypeError, match="A lineage must be one name; got .* Pass one of them"):
        lc.TrendClusterer().fit(adata, lineage=adata.obsm["palantir_fate_probabilities"]["Ery"])


def test_nor_does_it_on_the_bundled_data():
    adata = lc.datasets.bone_marrow()
    assert_the_same(fit(adata, ["Myeloid", "Ery"], n_points=50), fit(adata, ["Ery", "Myeloid"], n_points=50))


@pytest.mark.slow
def test_saved_and_loaded_they_predict_the_same(uneven, tmp_path):
    fitted = fit(uneven, ["Neu", "Ery"], n_points=30)
    fitted.save(tmp_path / "joint.lclust")
    loaded = lc.TrendClusterer.load(tmp_path / "joint.lclust")
    np.testing.assert_array_equal(loaded.predict(uneven), fitted.predict(uneven))
    np.testing.assert_array_equal(loaded.cut(n_clusters=2).labels_, fitted.cut(n_clusters=2).labels_)
    pd.testing.assert_frame_equal(loaded.cut(n_clusters=2).cluster_table_, fitted.cut(n_clusters=2).cluster_table_)


@pytest.mark.slow
def test_clusterers_of_older_files_keep_the_order_that_they_saw(uneven, tmp_path):
    old = fit(uneven, ["Neu", "Ery"], n_points=30, clusterer=lc.GraphClusterer(n_clusters=3))
    result = result_of(old)
    clusterer = clone(result.clusterer).fit(result.scaled[result.grouped])
    old._result = replace(result, arranged_by_name=False).with_clusterer(clusterer)
    old.save(tmp_path / "old.lclust")
    loaded = lc.TrendClusterer.load(tmp_path / "old.lclust")
    np.testing.assert_array_equal(loaded.predict(uneven), old.labels_)
    pd.testing.assert_frame_equal(loaded.cut(n_clusters=2).gene_table_, old.cut(n_clusters=2).gene_table_)
    confidence = loaded.gene_table_["confidence"].dropna()
    assert len(confidence) == len(result.grouped)
    assert confidence.mean() > 0.8


@pytest.mark.slow
def test_draws_of_a_lineage_do_not_depend_on_its_place(uneven):
    one, other = (fit(uneven, order, n_points=20).models_.fits for order in (["Ery", "Neu"], ["Neu", "Ery"]))
    genes = list(uneven.var_names[:5])
    for first, second in zip(
        drawing.posterior_draws(one, genes, 3), drawing.posterior_draws(other, genes, 3), strict=True
    ):
        np.testing.assert_array_equal(first, np.roll(second, 20, axis=1))
        assert np.abs(first[:, :20] - first[:, 20:]).max() > 0


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.first(1)
def test_late_genes_of_different_lineages_are_not_one_cluster(seed):
    adata = branches(200, seed)
    fitted = fit(adata, NAMES, n_points=40)
    truth = np.repeat([*NAMES, "all"], N_EACH)
    kept = fitted.labels_ >= 0
    assert kept.mean() > 0.9
    assert adjusted_rand_score(truth[kept], fitted.labels_[kept]) > 0.9
    words = fitted.cluster_table_["specificity"]
    for name in NAMES:
        (cluster,) = np.unique(fitted.labels_[kept & (truth == name)])
        assert words[cluster] == f"only {name}"


def test_each_lineage_counts_alike_whatever_its_range_and_number_of_cells(uneven):
    """The rare lineage, the short and the long one have a cluster of their own, as have the others."""
    fitted = fit(uneven, NAMES, n_points=40)
    truth = np.repeat([*NAMES, "all"], N_EACH)
    kept = fitted.labels_ >= 0
    assert adjusted_rand_score(truth[kept], fitted.labels_[kept]) > 0.9
    assert set(fitted.cluster_table_["specificity"]) >= {f"only {name}" for name in NAMES}


@pytest.mark.slow
def test_the_unit_of_a_lineages_time_does_not_matter():
    one, other = branches(150, 3), branches(150, 3, ranges=(1.0, 8.0, 0.25, 1.0))
    first, second = fit(one, NAMES, n_points=40), fit(other, NAMES, n_points=40)
    np.testing.assert_array_equal(first.labels_ >= 0, second.labels_ >= 0)
    assert adjusted_rand_score(first.labels_, second.labels_) == 1.0
    table = second.gene_table_
    np.testing.assert_allclose(table["half_max_Ery"], 8 * first.gene_table_["half_max_Ery"], rtol=1e-4, atol=1e-4)
