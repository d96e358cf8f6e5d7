"""Scorers: against their definitions, and for the recovery of simulated clusters."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

import lineage_clust as lc
from lineage_clust import scoring


def clusterer(**parameters):
    defaults = {"lineage": "A", "clusterer": lc.GraphClusterer(5, resolution=1.0), "n_points": 50, "random_state": 0}
    return lc.TrendClusterer(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def halves(make_adata):
    adata = make_adata(500, 24)
    return adata[::2].copy(), adata[1::2].copy()


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("scale", ["zscore", "minmax", None])
@pytest.mark.first(3)
def test_trend_deviance_is_its_definition(kind, scale, make_adata):
    adata = make_adata(300, 16, kind=kind)
    tc = clusterer(scale=scale).fit(adata[::2])
    held = tc._result.held_out(adata[1::2], "A")
    Y = held.expression if kind == "dense" else held.expression.toarray()
    explained = []
    for gene in range(len(tc.genes_)):
        y, w, label = np.asarray(Y[:, gene], dtype=float), held.weights, tc.labels_[gene]
        if label < 0:
            explained.append(0.0)
            continue
        curve = np.interp(held.pseudotime, tc.pseudotime_, tc.cluster_centers_[label])
        predicted = tc.gene_location_[gene] + tc.gene_scale_[gene] * curve
        explained.append(
            1 - np.average((y - predicted) ** 2, weights=w) / np.average((y - np.average(y, weights=w)) ** 2, weights=w)
        )
    assert scoring.trend_deviance(tc, adata[1::2]) == pytest.approx(np.mean(explained), abs=1e-6)
    assert tc.score(adata[1::2]) == scoring.trend_deviance(tc, adata[1::2])


def without_zeros(trend, **settings):
    return trend.prepare(**{**settings, "filter_cells": 0.0})


@pytest.mark.parametrize("kind", ["csr", "dense"])
@pytest.mark.parametrize("chosen", [{"filter_cells": 0.0}, {"callback": without_zeros}])
@pytest.mark.first(2)
def test_trend_deviance_is_that_of_the_cells_on_which_a_gene_would_be_fitted(chosen, kind, make_adata):
    adata = make_adata(300, 12, kind=kind)
    tc = clusterer(alpha=None, **chosen).fit(adata[::2])
    held = tc._result.held_out(adata[1::2], "A")
    Y = held.expression if kind == "dense" else held.expression.toarray()
    explained = []
    for gene, label in enumerate(tc.labels_):
        kept = np.asarray(Y[:, gene]) > 0
        y, w = np.asarray(Y[kept, gene], dtype=float), held.weights[kept]
        curve = np.interp(held.pseudotime[kept], tc.pseudotime_, tc.cluster_centers_[label])
        predicted = tc.gene_location_[gene] + tc.gene_scale_[gene] * curve
        total = np.average((y - np.average(y, weights=w)) ** 2, weights=w)
        explained.append(1 - np.average((y - predicted) ** 2, weights=w) / total)
    assert 0 < np.mean(np.asarray(Y) == 0) < 0.9
    assert tc.score(adata[1::2]) == pytest.approx(np.mean(explained), abs=1e-6)


def counts_of_cells_that_deepen():
    rng = np.random.default_rng(0)
    n_cells, n_genes = 600, 20
    time, phase = rng.uniform(size=n_cells), rng.uniform(size=n_genes)
    log_depth = rng.normal(0, 0.5, n_cells) + 1.5 * time
    log_mean = 1 + np.sin(2 * np.pi * (0.7 * time[:, None] + phase)) + log_depth[:, None]
    obs = pd.DataFrame({"pseudotime": time, "log_depth": log_depth}, index=[f"cell{i}" for i in range(n_cells)])
    return ad.AnnData(rng.poisson(np.exp(log_mean)).astype(float), obs=obs)


@pytest.mark.parametrize("link", ["log", "identity"])
def test_trend_deviance_predicts_cells_at_their_offset(link):
    adata = counts_of_cells_that_deepen()
    if link == "identity":
        adata.X = adata.X + 20 * adata.obs[["log_depth"]].to_numpy()
    by_gene = KMeans(4, random_state=0, n_init=1)
    model = lc.GAM("poisson") if link == "log" else lc.GAM()
    tc = lc.TrendClusterer(model, clusterer=by_gene, offset="log_depth", alpha=None).fit(adata[::2])
    test = adata[1::2]
    inside = test.obs["pseudotime"].between(*tc.pseudotime_[[0, -1]]).to_numpy()
    time, offset = test.obs["pseudotime"].to_numpy()[inside], test.obs["log_depth"].to_numpy()[inside]
    factor, shift = (np.exp(offset), 0.0) if link == "log" else (np.ones(len(time)), offset)
    explained = []
    for gene, label in enumerate(tc.labels_):
        y = test.X[inside, gene]
        curve = np.interp(time, tc.pseudotime_, tc.cluster_centers_[label])
        predicted = factor * (tc.gene_location_[gene] + tc.gene_scale_[gene] * curve) + shift
        level = factor @ (y - shift) / (factor @ factor)
        explained.append(1 - np.sum((y - predicted) ** 2) / np.sum((y - level * factor - shift) ** 2))
    assert tc.score(test) == pytest.approx(np.mean(explained), abs=1e-6)


def test_trend_deviance_prefers_the_offset_of_counts_whose_depth_changes_along_the_lineage():
    adata = counts_of_cells_that_deepen()
    tc = lc.TrendClusterer(lc.GAM("poisson"), clusterer=KMeans(4, random_state=0, n_init=1), alpha=None)
    without, known, estimated = (
        tc.set_params(offset=offset).fit(adata[::2]).score(adata[1::2])
        for offset in (None, "log_depth", "size_factors")
    )
    assert without + 0.1 < min(known, estimated)


def test_trend_deviance_does_not_depend_on_the_level_of_expression(make_adata):
    adata = make_adata(200, 8, kind="dense")
    low, high = adata.copy(), adata.copy()
    low.X, high.X = adata.X.astype(float), adata.X.astype(float) + 1e7
    scores = [clusterer(clusterer=KMeans(3, random_state=0)).fit(one[::2]).score(one[1::2]) for one in (low, high)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-6)


def test_trend_deviance_ranks_smoothness(halves):
    train, test = halves
    one_by_one = KMeans(9, n_init=1, random_state=0)  # clusters average the noise away that smoothing would
    scores = {
        smoothing: clusterer(model=lc.GAM(smoothing=smoothing), clusterer=one_by_one).fit(train).score(test)
        for smoothing in (0, "reml", 1e9)
    }
    assert scores["reml"] > scores[0] + 0.005
    assert scores["reml"] > scores[1e9] + 0.05


def test_several_lineages_are_averaged(halves):
    train, test = halves
    both = clusterer(lineage=["A", "B"]).fit(train)
    assert 0 < both.score(test) < 1


@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
def test_without_clusters_scores_are_the_least(halves):
    train, test = halves
    nothing = clusterer(genes=["flat0", "flat1", "flat2"], alpha=1e-12).fit(train)
    assert nothing.n_clusters_ == 0
    assert scoring.trend_deviance(nothing, test) == 0
    assert scoring.prediction_strength(nothing, test) == 0
    assert scoring.cluster_stability(nothing, test) == 0
    assert scoring.silhouette(nothing, test) == -1
    assert scoring.modularity(nothing, test) == 0


def test_one_cluster_gets_no_credit(halves):
    train, test = halves
    one = clusterer(clusterer=KMeans(1, n_init=1)).fit(train)
    assert scoring.prediction_strength(one, test) == scoring.cluster_stability(one, test) == 0
    assert scoring.silhouette(one) == -1


def test_held_out_clusters_are_compared_by_their_definitions(halves):
    train, test = halves
    tc = clusterer(clusterer=KMeans(5, n_init=3, random_state=0)).fit(train)
    assigned = [gene for gene, label in zip(tc.genes_, tc.labels_, strict=True) if label >= 0]
    span = float(tc.pseudotime_[0]), float(tc.pseudotime_[-1])
    other = clusterer(clusterer=KMeans(5, n_init=3, random_state=0), time_range=span).fit(test, genes=assigned)
    both = [gene for gene, label in zip(other.genes_, other.labels_, strict=True) if label >= 0]
    ours = tc.gene_table_.loc[both, "cluster"].to_numpy()
    theirs = other.gene_table_.loc[both, "cluster"].to_numpy()
    strengths = []
    for cluster in np.unique(theirs):
        members = ours[theirs == cluster]
        pairs = [a == b for i, a in enumerate(members) for b in members[i + 1 :]]
        strengths += [np.mean(pairs)] if pairs else []
    assert scoring.prediction_strength(tc, test) == pytest.approx(min(strengths))
    assert scoring.cluster_stability(tc, test) == pytest.approx(adjusted_rand_score(ours, theirs))


def test_modularity_needs_a_graph(halves):
    train, _ = halves
    assert scoring.modularity(clusterer().fit(train)) > 0.3
    with pytest.raises(ValueError, match="KMeans has no modularity"):
        scoring.modularity(clusterer(clusterer=KMeans(3, n_init=1)).fit(train))


def test_scorers_work_with_models_and_smoothers_of_scikit_learn(halves):
    train, test = halves
    tc = clusterer(model=LinearRegression(), smoother=SplineTransformer(5), clusterer=KMeans(3, n_init=1))
    tc.fit(train)
    assert scoring.trend_deviance(tc, test) > 0.1
    assert scoring.cluster_stability(tc, test) > 0.3


def test_scorers_by_name_are_a_multi_metric_scoring(halves):
    found = cross_validate(clusterer(), halves[0], cv=lc.PseudotimeKFold(2), scoring=dict(scoring.SCORERS))
    for name in ("trend_deviance", "prediction_strength", "cluster_stability", "silhouette", "modularity"):
        assert np.isfinite(found[f"test_{name}"]).all()


def test_scoring_changes_nothing(halves):
    train, test = halves
    tc = clusterer().fit(train)
    before = tc.labels_.copy(), tc.get_params(deep=False)
    for scorer in scoring.SCORERS.values():
        scorer(tc, test)
    np.testing.assert_array_equal(tc.labels_, before[0])
    assert tc.get_params(deep=False) == before[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "n_modules"), [(0, 4), *(pytest.param(*one, marks=pytest.mark.slow) for one in [(2, 6), (4, 8)])]
)
def test_a_search_over_resolutions_finds_the_planted_number_of_modules(seed, n_modules):
    """By the best score of both scorers of reproducibility, and by the one-standard-error rule with every scorer."""
    adata = lc.datasets.simulate_lineage(1000, 120, n_modules, n_lineages=1, random_state=seed)
    tc = clusterer(lineage="lineage_1", clusterer=lc.GraphClusterer())
    names = ("trend_deviance", "prediction_strength", "cluster_stability")
    grid = {"clusterer__resolution": [0.05, 0.3, 1.0, 4.0]}
    scorers = {name: scoring.SCORERS[name] for name in names}
    search = GridSearchCV(tc, grid, cv=lc.PseudotimeKFold(2), scoring=scorers, refit=False).fit(adata)
    results = search.cv_results_
    chosen = {scoring.one_standard_error(metric=name)(results) for name in names}
    chosen |= {int(np.argmax(results[f"mean_test_{name}"])) for name in names[1:]}
    for candidate in chosen:
        assert tc.set_params(**results["params"][candidate]).fit(adata).n_clusters_ == n_modules


@pytest.mark.parametrize("scorer", [scoring.prediction_strength, scoring.cluster_stability])
@pytest.mark.first(1)
def test_a_scorer_and_a_rule_can_be_given_to_a_search(scorer):
    adata = lc.datasets.simulate_lineage(600, 80, 4, n_lineages=1, random_state=0)
    search = GridSearchCV(
        clusterer(lineage="lineage_1", clusterer=lc.GraphClusterer()),
        {"clusterer__resolution": [0.3, 4.0]},
        cv=lc.PseudotimeKFold(2),
        scoring=scorer,
        refit=scoring.one_standard_error(),
    ).fit(adata)
    assert search.best_estimator_.n_clusters_ == 4


@pytest.mark.slow
def test_held_out_deviance_rises_with_ever_finer_clusters_unless_one_standard_error_is_allowed_for():
    adata = lc.datasets.simulate_lineage(1000, 120, 4, n_lineages=1, random_state=0)
    tc = clusterer(lineage="lineage_1", clusterer=KMeans(n_init=3, random_state=0))
    grid = {"clusterer__n_clusters": [2, 4, 5, 24]}
    search = GridSearchCV(
        tc, grid, cv=lc.PseudotimeKFold(4), refit=scoring.one_standard_error("clusterer__n_clusters")
    ).fit(adata)
    assert np.argmax(search.cv_results_["mean_test_score"]) == 3
    assert search.best_params_ == {"clusterer__n_clusters": 4}


def results_of(means, errors, costs, metric="score"):
    return {
        f"mean_test_{metric}": np.array(means),
        f"std_test_{metric}": np.array(errors),  # of two splits, equal to the standard error of their mean
        f"split0_test_{metric}": 0,
        f"split1_test_{metric}": 0,
        "params": [{"clusterer__resolution": cost} for cost in costs],
    }


def test_one_standard_error_takes_the_simplest_candidate_that_is_good_enough():
    choose = scoring.one_standard_error()
    assert choose(results_of([0.5, 0.59, 0.6], [0.02, 0.02, 0.02], [0.1, 0.5, 1.0])) == 1
    assert choose(results_of([0.5, 0.59, 0.6], [0.2, 0.2, 0.005], [0.1, 0.5, 1.0])) == 2
    assert choose(results_of([0.6, np.nan, 0.59], [0.02, np.nan, 0.02], [1.0, 0.1, 0.5])) == 2
    # of equally simple ones, the best
    assert choose(results_of([0.58, 0.6, 0.59], [0.1, 0.1, 0.1], [0.5, 0.5, 0.5])) == 1


def test_the_standard_error_is_that_of_the_mean_of_the_splits():
    """`std_test_score` of a search is divided by the number of splits, not by one less."""
    scores = np.array([0.56, 0.58, 0.64])
    for below, chosen in ((0.99 * stats.sem(scores), 0), (1.01 * stats.sem(scores), 1)):
        mean, std = scores.mean(), scores.std()
        results = {"mean_test_score": [mean - below, mean], "std_test_score": [std, std]}
        results |= {f"split{split}_test_score": [0.0, scores[split]] for split in range(3)}
        results["params"] = [{"clusterer__n_clusters": 2}, {"clusterer__n_clusters": 3}]
        assert scoring.one_standard_error(results) == chosen


@pytest.mark.parametrize(
    "name", ["clusterer__n_clusters", "trendclusterer__clusterer__n_clusters", "t__clusterer__resolution"]
)
def test_one_standard_error_finds_the_parameter_of_the_search(name):
    results = results_of([0.5, 0.59, 0.6], [0.02, 0.02, 0.02], [2, 5, 9])
    results["params"] = [{name: params["clusterer__resolution"], "alpha": 0.01} for params in results["params"]]
    assert scoring.one_standard_error()(results) == scoring.one_standard_error(results) == 1


def test_one_standard_error_by_a_function_and_of_one_of_several_metrics():
    finest_first = scoring.one_standard_error(lambda params: -params["clusterer__resolution"], metric="modularity")
    assert finest_first(results_of([0.6, 0.6], [0.1, 0.1], [0.1, 2.0], "modularity")) == 1


def test_one_standard_error_says_what_is_missing():
    results = results_of([0.5], [0.1], ["auto"])
    with pytest.raises(ValueError, match="must be a number in every candidate; got 'auto'"):
        scoring.one_standard_error()(results)
    with pytest.raises(ValueError, match="no parameter 'smoother__n_splines', only 'clusterer__resolution'"):
        scoring.one_standard_error("smoother__n_splines")(results)
    with pytest.raises(ValueError, match="Every candidate failed"):
        scoring.one_standard_error()(results_of([np.nan], [np.nan], [1.0]))


@pytest.mark.parametrize("steps", [[], [lc.DriverSelector("A", n_genes=16, alpha=None)]])
@pytest.mark.first(1)
def test_scores_of_a_pipeline_are_those_of_its_last_step(halves, steps):
    train, test = halves
    pipeline = make_pipeline(*steps, clusterer()).fit(train)
    seen = pipeline[:-1].transform(test) if steps else test
    for scorer in scoring.SCORERS.values():
        assert scorer(pipeline, test) == scorer(pipeline[-1], seen)


def test_no_warning_leaves_a_scorer(halves):
    train, test = halves
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scorer in scoring.SCORERS.values():
            scorer(clusterer().fit(train), test)


@pytest.mark.parametrize("scorer", [scoring.trend_deviance, scoring.prediction_strength, scoring.silhouette])
def test_scorers_take_a_fitted_clusterer_of_ours(scorer, halves):
    with pytest.raises(TypeError, match="Scorers require a fitted TrendClusterer; got KMeans"):
        scorer(KMeans(), halves[1])
    with pytest.raises(NotFittedError, match="not fitted"):
        scorer(clusterer(), halves[1])


def test_held_out_cells_without_any_trend_confirm_no_cluster(halves):
    train, test = halves
    tc = clusterer(model=lc.GAM("poisson"), layer="counts", offset=None).fit(train)
    silent = test.copy()
    silent.layers["counts"] = silent.layers["counts"] * 0
    assert tc.n_clusters_ > 1
    assert scoring.prediction_strength(tc, silent) == 0
    assert scoring.cluster_stability(tc, silent) == 0


def test_one_standard_error_of_a_score_that_the_search_has_not():
    results = {"mean_test_silhouette": [0.1], "std_test_silhouette": [0.1], "params": [{}]}
    with pytest.raises(ValueError, match="The search has no score 'modularity'; it has 'silhouette'. Pass metric="):
        scoring.one_standard_error(metric="modularity")(results)


def test_one_standard_error_when_every_candidate_failed():
    results = {"mean_test_score": [np.nan], "std_test_score": [np.nan], "params": [{"clusterer__resolution": 1}]}
    with pytest.raises(ValueError, match="Every candidate failed.*error_score='raise'"):
        scoring.one_standard_error()(results)
