"""Third-party components: a smoother, a model and a clusterer, one short file each, and a search over all three."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import lineage_clust as lc
from lineage_clust import contracts

from .strangers.leaders import Leaders
from .strangers.ramps import Ramps
from .strangers.ridge import SharedRidge

FOLDER = Path(__file__).parent / "strangers"


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(150, 24, 3, n_lineages=1, random_state=4)


@pytest.fixture(scope="module")
def search(adata):
    trends = lc.TrendClusterer(SharedRidge(), Ramps(), Leaders(), n_points=30, alpha=None, random_state=0)
    grid = {"smoother__n_bends": [1, 6], "model__smoothing": [1e-3, 1e3], "clusterer__least_correlation": [0.8]}
    return GridSearchCV(trends, grid, cv=lc.PseudotimeKFold(2), error_score="raise").fit(adata)


@pytest.mark.parametrize("name", ["ramps", "ridge", "leaders"])
def test_files_are_short(name):
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize(
    ("component", "contract"),
    [
        (Ramps().fit([[0.0], [1.0]]), contracts.PenalisedSmoother),
        (SharedRidge(), contracts.PosteriorModel),
        (Leaders(), contracts.DrawnClusterer),
    ],
)
def test_they_keep_to_the_contracts(component, contract):
    assert isinstance(component, contract)


def test_a_search_prefers_curves_that_bend_to_straight_lines(search):
    assert search.best_params_["model__smoothing"] == 1e-3
    straight = np.array([one["model__smoothing"] == 1e3 for one in search.cv_results_["params"]])
    scores = search.cv_results_["mean_test_score"]
    assert scores[~straight].max() > scores[straight].max()


def test_the_best_one_does_all_that_ours_do(search, adata):
    best = search.best_estimator_
    assert isinstance(best.smoother_, Ramps)
    assert isinstance(best.model_, SharedRidge)
    assert isinstance(best.clusterer_, Leaders)
    assert tuple(best.smoother_.bends_[[0]]) == (best.pseudotime_[0],)
    assert best.n_clusters_ >= 2
    assert best.gene_table_.loc[best.labels_ >= 0, "confidence"].between(0, 1).all()
    assert best.gene_table_["peak_lower"].notna().all()  # from its posterior
    np.testing.assert_array_equal(best.predict(adata), best.labels_)
    assert best.transform(adata).shape == (adata.n_obs, best.n_clusters_)
    best.plot_heatmap()
    with pytest.raises(ValueError, match="Leaders has no graph of genes"):
        best.plot_graph()


@pytest.mark.slow
def test_the_best_one_has_a_report(search, tmp_path):
    search.best_estimator_.report(tmp_path / "report.html")
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
