"""Typed use of the public API, checked by mypy and never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import lineage_clust as lc


def trends_and_clusters() -> None:
    adata = lc.datasets.bone_marrow()
    tc = lc.TrendClusterer(
        lc.GAM("negative_binomial", smoothing=1.5, dispersion="gene"),
        lc.BSplineSmoother(n_splines=15, domain=(0.0, 1.0)),
        lc.GraphClusterer(resolution="auto", random_state=np.random.RandomState(0)),
        lineage=["Ery", "Mono"],
        time_range=(None, 0.8),
        weight_threshold=0.01,
        offset="size_factors",
    )
    assert_type(tc, lc.TrendClusterer)
    assert_type(tc.fit(adata, genes=["Klf1", "Mpo"]), lc.TrendClusterer)
    assert_type(tc.transform(adata), np.ndarray)
    assert_type(tc.fit_predict(adata, lineage="Ery"), np.ndarray)
    assert_type(tc.score(adata), float)
    assert_type(tc.trends_for(adata, ["Gata1"]), lc.Trends)
    assert_type(tc.plot(clusters=[0, 1], covariate_key="celltype"), Figure)
    assert_type(tc.write_to(adata), str)
    assert_type(tc.genes_by_cluster(), dict[int, list[str]])
    assert_type(tc.genes_by_cluster(names=True), dict[str, list[str]])
    tc.save("fitted.lclust")
    assert_type(lc.TrendClusterer.load("fitted.lclust"), lc.TrendClusterer)


def trend_of_a_gene(trend: lc.GeneTrend) -> None:
    assert_type(trend.prepare(time_range=0.9, n_points=50).fit(), lc.GeneTrend)
    assert_type(trend.predict([0.1, 0.5]), np.ndarray)
    assert_type(trend.confidence_interval(level=0.9), np.ndarray | None)
    assert_type(trend.plot(), Axes)


def components(x: np.ndarray, y: np.ndarray) -> None:
    smoother = lc.CubicSplineSmoother(n_splines=8).fit(x)
    assert_type(smoother, lc.CubicSplineSmoother)
    gam = lc.GAM().fit(smoother.transform(x), y)
    assert_type(gam, lc.GAM)
    assert_type(gam.confidence_interval(x, level=0.9), tuple[np.ndarray, np.ndarray])
    assert_type(lc.GraphClusterer(n_neighbors=5).fit(y.T).predict(y.T), np.ndarray)
    for train, test in lc.PseudotimeKFold(3).split(x):
        assert_type((train, test), tuple[np.ndarray, np.ndarray])


def contracts() -> None:
    """What is assigned keeps to the contract, or is an error."""
    smoother: lc.contracts.PenalisedSmoother = lc.BSplineSmoother()
    model: lc.contracts.SelectiveModel = lc.GAM()
    of_time: lc.contracts.DesignModel = lc.PyGAM()
    clusterer: lc.contracts.DrawnClusterer = lc.GraphClusterer()
    plain: tuple[lc.contracts.Smoother, lc.contracts.Model, lc.contracts.Clusterer] = (smoother, model, clusterer)
    no_model: lc.contracts.Model = smoother  # type: ignore[assignment]
    lc.TrendClusterer(of_time, smoother, plain[2] or no_model)


def as_cellrank() -> None:
    found = lc.cluster_lineage(lc.datasets.bone_marrow(), lc.GAM(), ["Klf1"], "Ery", return_models=True)
    assert_type(found, Mapping[str, Mapping[str, lc.GeneTrend | lc.FailedTrend]] | None)


def mistakes() -> None:
    """Each of them is an error: mypy complains about a comment to ignore one that is none."""
    lc.TrendClusterer(n_points="many")  # type: ignore[arg-type]
    lc.TrendClusterer(weigth_threshold=0.1)  # type: ignore[call-arg]
    lc.TrendClusterer().fit(lc.datasets.bone_marrow(), genes=5)  # type: ignore[arg-type]
    lc.GraphClusterer(n_neighbors="few")  # type: ignore[arg-type]
    lc.GeneTrend("Klf1", "Ery").confidence_interval() + 1  # type: ignore[operator]
