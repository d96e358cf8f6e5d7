"""The same seed gives the same clusters: for any number of jobs and threads, any process, and any order of genes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import SplineTransformer
from threadpoolctl import threadpool_limits

import lineage_clust as lc
from lineage_clust import GAM, GraphClusterer

WORK = """
import json, sys
import lineage_clust as lc
adata = lc.datasets.simulate_lineage(150, 40, 4, n_lineages=1, random_state=3)
tc = lc.TrendClusterer(n_points=40, random_state=1, clusterer=lc.GraphClusterer(8)).fit(adata)
print(json.dumps([tc.labels_.tolist(), tc.trends_.tolist()]))
"""


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(150, 40, 4, n_lineages=1, random_state=3)


@pytest.fixture(scope="module")
def labels(adata):
    return fit(adata).labels_


def fit(adata, **parameters):
    defaults = {"n_points": 40, "random_state": 1, "clusterer": GraphClusterer(8)}
    return lc.TrendClusterer(**{**defaults, **parameters}).fit(adata)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"},
    ],
    ids=["one thread", "four threads"],
)
@pytest.mark.slow
def test_processes_agree(environment, adata):
    found = subprocess.run(
        [sys.executable, "-c", WORK], env={**os.environ, **environment}, capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    labels, trends = json.loads(found.stdout)
    here = fit(adata)
    assert labels == here.labels_.tolist()
    np.testing.assert_allclose(trends, here.trends_, rtol=1e-8, atol=1e-10)


def test_there_is_something_to_agree_on(labels):
    assert 2 <= labels.max() + 1 < 10
    assert (labels >= 0).mean() > 0.4


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.first(1)
def test_threads_of_linear_algebra_do_not_matter(n_threads, adata, labels):
    with threadpool_limits(n_threads):
        np.testing.assert_array_equal(fit(adata).labels_, labels)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.first(1)
def test_the_order_of_genes_does_not_matter(seed, adata, labels):
    order = np.random.default_rng(seed).permutation(adata.n_vars)
    np.testing.assert_array_equal(fit(adata[:, order].copy()).labels_, labels[order])
    named = list(adata.var_names[order])
    np.testing.assert_array_equal(fit(adata, genes=named).labels_, labels[order])


def test_noise_in_the_last_digits_does_not_matter(adata, labels):
    """Other machines round otherwise: relative changes of 1e-12 stand for that."""
    noisy = adata.copy()
    noisy.X = adata.X.astype(float)
    noisy.X.data *= 1 + 1e-12 * np.random.default_rng(0).standard_normal(len(noisy.X.data))
    np.testing.assert_array_equal(fit(noisy).labels_, labels)


@pytest.mark.slow
def test_fits_in_threads_at_the_same_time_do_not_disturb_each_other(adata, labels):
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: fit(adata).labels_, range(6)):
            np.testing.assert_array_equal(found, labels)


def test_generators_of_others_do_not_matter_and_are_left_alone(adata, labels):
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    np.testing.assert_array_equal(fit(adata).labels_, labels)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_generator_is_used_and_the_same_one_again_gives_another_draw(adata):
    generator = np.random.RandomState(0)
    first = fit(adata, random_state=generator, clusterer=GraphClusterer(8, resolution=1.0)).labels_
    again = fit(adata, random_state=np.random.RandomState(0), clusterer=GraphClusterer(8, resolution=1.0)).labels_
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("model", [GAM("poisson", max_iter=15), Ridge()], ids=["batches of genes", "gene by gene"])
@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
@pytest.mark.slow
def test_jobs_and_backends_do_not_matter(model, adata):
    smoother = None if isinstance(model, GAM) else SplineTransformer(6)
    common = {"model": model, "smoother": smoother, "layer": "counts", "genes": list(adata.var_names[:20])}
    expected = fit(adata, **common)
    for n_jobs, backend in ((2, "threading"), (2, "loky"), (3, "sequential")):
        found = fit(adata, **common, n_jobs=n_jobs, backend=backend)
        np.testing.assert_array_equal(found.labels_, expected.labels_)
        np.testing.assert_array_equal(found.trends_, expected.trends_)


@pytest.mark.parametrize("kind", ["csr", "csc", "dense", "float64", "view"])
@pytest.mark.first(3)
def test_how_the_data_are_stored_does_not_matter(kind, adata, labels):
    stored = adata.copy()
    stored.X = {
        "csr": lambda X: X.tocsr(),
        "csc": lambda X: X.tocsc(),
        "dense": lambda X: X.toarray(),
        "float64": lambda X: X.astype(np.float64),
        "view": lambda X: X,
    }[kind](adata.X)
    np.testing.assert_array_equal(fit(stored[:, :] if kind == "view" else stored).labels_, labels)


@pytest.mark.parametrize(("method", "backend"), [("leiden", "igraph"), ("louvain", "igraph"), ("leiden", "leidenalg")])
@pytest.mark.first(2)
def test_every_algorithm_repeats_itself(method, backend, adata):
    clusterer = GraphClusterer(8, method=method, backend=backend, resolution=1.0, n_iterations=2)
    runs = [fit(adata, clusterer=clusterer).labels_.tolist() for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
