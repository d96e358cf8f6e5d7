"""Saved TrendClusterers: loaded bit for bit, written whole or not at all, and never silently changed."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

import lineage_clust as lc
from lineage_clust.io.files import persistence
from lineage_clust.models.pygam.pygam import PyGAM

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "persistence"
VARIANTS = {
    "gaussian": {},
    "bayes": {"model": lc.GAM(covariance="bayes")},
    "fixed_smoothing": {"model": lc.GAM(smoothing=np.float64(0.5))},
    "negative_binomial": {
        "model": lc.GAM("negative_binomial"), "layer": "counts", "offset": "size_factors", "alpha": None,
    },
    "poisson": {"model": lc.GAM("poisson"), "layer": "counts", "covariates": ["batch", "depth"]},
    "several_lineages": {"lineage": ["A", "B"]},
    "quantile_knots": {"smoother": lc.BSplineSmoother(knots="quantile", n_splines=12)},
    "cubic": {"smoother": lc.CubicSplineSmoother()},
    "cyclic": {"smoother": lc.CyclicSplineSmoother()},
    "gaussian_process": {"smoother": lc.GaussianProcessSmoother(0.4, n_landmarks=30)},
    "groups": {"filter_cells": 0.0, "weight_threshold": 0.02},
    "models_by_gene": {"model": {"rise0": lc.GAM(smoothing=2.0), "*": {"A": lc.GAM(), "*": lc.GAM(smoothing=9.0)}}},
    "use_raw": {"use_raw": True, "genes": ["rise0", "fall1", "peak0", "rise1", "fall0"], "scale": None},
    "minmax_range": {"scale": "minmax", "time_range": (0.1, 0.9), "endpoint": "argmax", "n_points": 31},
    "random_state": {"random_state": np.random.RandomState(3)},
    "graph": {
        "clusterer": lc.GraphClusterer(4, resolution=1.0, n_components=3, weights="jaccard", min_cluster_size=2),
    },
    "auto_resolution": {"clusterer": lc.GraphClusterer(5, resolution="auto")},
    "no_cluster": {"genes": ["flat0", "flat1", "flat2"], "alpha": 1e-12},
}  # fmt: skip


def fitted(adata, **parameters):
    defaults = {"lineage": "A", "clusterer": lc.GraphClusterer(5, resolution=1.0), "n_points": 40, "random_state": 0}
    return lc.TrendClusterer(**{**defaults, **parameters}).fit(adata)


@pytest.fixture(scope="module")
def adata(make_adata):
    made = make_adata(200, 20, kind="dense")
    made.X[:, list(made.var_names).index("flat3")] = np.nan  # a gene that fails
    return made


@pytest.fixture(scope="module")
def ordinary(adata):
    return fitted(adata)


def assert_same(value, other, where="") -> None:
    """Compare everything that an object is made of, to the last bit."""
    assert type(value) is type(other), where
    if isinstance(value, np.ndarray):
        assert value.dtype == other.dtype, where
        assert value.flags["F_CONTIGUOUS"] == other.flags["F_CONTIGUOUS"], where
        assert value.tobytes() == other.tobytes() or value.dtype == object, where
        np.testing.assert_array_equal(value, other, where)
    elif isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(value, other, check_exact=True)
    elif isinstance(value, dict):
        assert list(value) == list(other), where
        for key in value:
            assert_same(value[key], other[key], f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        assert len(value) == len(other), where
        for place, items in enumerate(zip(value, other, strict=True)):
            assert_same(*items, f"{where}[{place}]")
    elif type(value).__name__ == "Graph":
        assert value.get_edgelist() == other.get_edgelist(), where
        assert value.ecount() == 0 or value.es["weight"] == other.es["weight"], where
    elif hasattr(value, "tocsr"):
        for part in ("data", "indices", "indptr"):
            assert_same(getattr(value, part), getattr(other, part), f"{where}.{part}")
    elif isinstance(value, np.random.RandomState):
        assert_same(value.get_state(legacy=False), other.get_state(legacy=False), where)
    elif hasattr(value, "__dict__"):
        assert_same(vars(value), vars(other), where)
    else:
        assert value == other or value != value, where


@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
@pytest.mark.parametrize(
    "variant",
    ["gaussian", *(pytest.param(variant, marks=pytest.mark.slow) for variant in VARIANTS if variant != "gaussian")],
)
def test_a_loaded_clusterer_is_the_saved_one_to_the_last_bit(variant, adata, make_adata, tmp_path):
    tc = fitted(adata, **VARIANTS[variant])
    tc.save(tmp_path / "file")
    loaded = lc.TrendClusterer.load(tmp_path / "file")
    assert_same(vars(tc), vars(loaded))
    others = make_adata(150, 20, seed=5)
    for cells in (adata, others)[variant != "gaussian" :]:
        for ours, theirs in zip(tc.predict(cells, None, True), loaded.predict(cells, None, True), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        if tc.n_clusters_:
            np.testing.assert_array_equal(tc.transform(cells), loaded.transform(cells))
        assert tc.score(cells) == loaded.score(cells)
    genes = None if variant == "use_raw" else ["rise2", "peak3", "flat4"]
    assert_same(tc.trends_for(others, genes), loaded.trends_for(others, genes))
    times = np.linspace(-0.1, 1.1, 17)
    for gene in ["rise0", "flat2", "flat3"]:
        if gene not in tc.models_:
            continue
        for lineage, trend in tc.models_[gene].items():
            same = loaded.models_[gene][lineage]
            assert bool(trend) == bool(same)
            if trend:
                np.testing.assert_array_equal(trend.predict(times), same.predict(times))
                np.testing.assert_array_equal(
                    trend.confidence_interval(times, 0.8), same.confidence_interval(times, 0.8)
                )
                assert_same(trend.to_frame(), same.to_frame())
            else:
                assert trend.reason == same.reason
    assert loaded.to_anndata().shape == tc.to_anndata().shape


def test_a_loaded_clusterer_can_be_fitted_cloned_and_saved_again(adata, ordinary, tmp_path):
    ordinary.save(tmp_path / "first")
    loaded = lc.TrendClusterer.load(tmp_path / "first")
    loaded.save(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    np.testing.assert_array_equal(loaded.fit(adata).labels_, ordinary.labels_)


@pytest.mark.slow
def test_a_loaded_clusterer_draws_the_same_picture(adata, ordinary, tmp_path):
    ordinary.save(tmp_path / "file")
    loaded = lc.TrendClusterer.load(tmp_path / "file")
    figures = [tc.plot(adata=adata, covariate_key="depth") for tc in (ordinary, loaded)]
    drawn = [[line.get_ydata().tolist() for axes in figure.axes for line in axes.lines] for figure in figures]
    assert drawn[0] == drawn[1]


def test_models_that_are_one_object_stay_one(adata, tmp_path):
    model = lc.GAM(smoothing=3.0)
    fitted(adata, model={"rise0": model, "*": model}).save(tmp_path / "file")
    loaded = lc.TrendClusterer.load(tmp_path / "file")
    assert loaded.model["rise0"] is loaded.model["*"]
    assert loaded.models_.fits[0].groups[0].model is loaded.model_


def test_set_output_is_kept(adata, tmp_path):
    tc = fitted(adata).set_output(transform="pandas")
    tc.save(tmp_path / "file")
    pd.testing.assert_frame_equal(lc.TrendClusterer.load(tmp_path / "file").transform(adata), tc.transform(adata))


def test_names_of_genes_may_be_any_sequence(adata, tmp_path):
    for genes in (adata.var_names[:9], np.arange(adata.n_vars) < 9, pd.Series(list(adata.var_names[:9])), ("rise0",)):
        tc = fitted(adata, genes=genes, alpha=None)
        tc.save(tmp_path / "file")
        loaded = lc.TrendClusterer.load(tmp_path / "file")
        assert type(loaded.genes) is type(genes)
        assert loaded.fit(adata).genes_ == tc.genes_


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"clusterer": KMeans(2, n_init=1)}, "clusterer is a KMeans"),
        ({"model": make_pipeline(SplineTransformer(), LinearRegression())}, "model is a Pipeline"),
        ({"smoother": SplineTransformer()}, "smoother is a SplineTransformer"),
        ({"scale": StandardScaler()}, "scale is a StandardScaler"),
        ({"model": PyGAM()}, "model is a PyGAM"),
        ({"callback": lambda trend, gene, lineage, **kw: trend.prepare(**kw)}, "callback is the function"),
        (
            {"clusterer": lc.GraphClusterer(neighbors=KNeighborsTransformer(n_neighbors=3), resolution=1.0)},
            "clusterer.neighbors is a KNeighborsTransformer",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
def test_what_is_not_ours_is_refused_with_advice(parameters, word, adata, tmp_path):
    tc = fitted(adata, genes=["rise0", "fall0", "peak0", "rise1", "peak1"], alpha=None, **parameters)
    with pytest.raises(TypeError, match=word) as caught:
        tc.save(tmp_path / "file")
    assert "joblib.dump" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unfitted_clusterer_cannot_be_saved(tmp_path):
    with pytest.raises(NotFittedError):
        lc.TrendClusterer().save(tmp_path / "file")


def test_a_changed_byte_is_found_wherever_it_is(ordinary):
    data = persistence.to_bytes(ordinary)
    rng = np.random.default_rng(0)
    places = [*rng.integers(0, len(data), 50), *range(0, 60, 7), *range(len(data) - 100, len(data), 9)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        with pytest.raises(ValueError, match=r"damaged|not a file of|newer release"):
            persistence.from_bytes(bytes(changed), lc.TrendClusterer)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(share, ordinary, tmp_path):
    data = persistence.to_bytes(ordinary)
    (tmp_path / "short").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"short' is (damaged|not a file of)"):
        lc.TrendClusterer.load(tmp_path / "short")


def test_bytes_behind_the_end_are_found(ordinary):
    with pytest.raises(ValueError, match="damaged"):
        persistence.from_bytes(persistence.to_bytes(ordinary) + b"\0", lc.TrendClusterer)


def test_foreign_files_are_refused(ordinary, tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.arange(3))
    joblib.dump(ordinary, tmp_path / "pickled.joblib")
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").touch()
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=r"is not a file of TrendClusterer\.save"):
            lc.TrendClusterer.load(path)
    with pytest.raises(FileNotFoundError):
        lc.TrendClusterer.load(tmp_path / "missing")


def test_a_newer_format_is_refused_and_an_older_one_is_brought_up_to_date(ordinary, monkeypatch):
    data = persistence.to_bytes(ordinary)
    monkeypatch.setattr(persistence, "FORMAT_VERSION", 5)
    newer = persistence.to_bytes(ordinary)

    def rename(manifest):
        assert "estimator" in manifest
        return {**manifest, "old": manifest["estimator"], "estimator": None}

    def rename_back(manifest):
        return {**manifest, "estimator": manifest["old"]}

    monkeypatch.setattr(persistence, "UPGRADES", {3: rename, 4: rename_back})
    assert_same(vars(persistence.from_bytes(data, lc.TrendClusterer)), vars(ordinary))
    monkeypatch.setattr(persistence, "FORMAT_VERSION", 3)
    with pytest.raises(ValueError, match=r"has format 5, of a newer release .* Update lineage_clust"):
        persistence.from_bytes(newer, lc.TrendClusterer)


def test_a_file_of_the_first_format_still_opens():
    """The file was written by `python tests/golden/persistence/make.py`; it is replaced only before a first release."""
    tc = lc.TrendClusterer.load(GOLDEN / "format_1.lclust")
    expected = json.loads((GOLDEN / "format_1.json").read_text())
    assert tc.labels_.tolist() == expected["labels"]
    assert tc.genes_ == expected["genes"]
    times = np.array(expected["times"])
    for gene, values in expected["trends"].items():
        np.testing.assert_allclose(tc.models_[gene]["lineage_1"].predict(times), values, rtol=1e-9)
    assert tc.predict(expected_cells(), genes=tc.genes_).tolist() == expected["predicted"]


def expected_cells():
    return lc.datasets.simulate_lineage(150, 12, 3, n_lineages=1, random_state=8)


def test_a_crafted_manifest_gives_a_sentence_and_runs_nothing(ordinary):
    """Even with right checksums, a file can name only what is in the table of classes."""
    for change in (
        {"kind": "object", "class": "Popen", "number": 0, "parameters": {"args": "true"}, "state": {}},
        {"kind": "eval", "value": "1"},
        {"kind": "object", "class": "TrendClusterer", "number": 0, "parameters": {"nonsense": 1}, "state": {}},
        {"kind": "array", "member": "nowhere"},
        ["not", "a", "clusterer"],
    ):
        with pytest.raises(ValueError, match="cannot be read as a TrendClusterer"):
            persistence.from_bytes(forged(persistence.to_bytes(ordinary), change), lc.TrendClusterer)


def forged(data: bytes, tree: object) -> bytes:
    """Return a file with another tree of values and right checksums."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        contents = {name: archive.read(name) for name in manifest["members"]}
    manifest["estimator"] = tree
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.comment = b"x" * persistence._SEAL_LENGTH
    body = buffer.getvalue()[: -persistence._SEAL_LENGTH]
    return body + persistence._SEAL.format(1, persistence.digest_of(body)).encode()


def test_pickled_arrays_are_not_opened(ordinary):
    data = persistence.to_bytes(ordinary)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                np.load(BytesIO(archive.read(name)), allow_pickle=False)
            else:
                json.loads(archive.read(name), parse_constant=pytest.fail)  # strict JSON: no NaN or Infinity


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_failure_while_writing_leaves_the_old_file(failing, adata, ordinary, tmp_path, monkeypatch):
    path = tmp_path / "file"
    ordinary.save(path)
    old = path.read_bytes()

    def fail(*_args, **_kwargs):
        raise OSError("no space left on device")

    if failing == "write":
        monkeypatch.setattr(persistence, "to_bytes", lambda _clusterer: "text is not bytes")
    else:
        monkeypatch.setattr(os, failing, fail)
    with pytest.raises((OSError, TypeError)):
        fitted(adata, alpha=None).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_saving_replaces_a_file_and_follows_links(adata, ordinary, tmp_path):
    (tmp_path / "file").write_text("old")
    os.symlink(tmp_path / "file", tmp_path / "link")
    ordinary.save(str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert lc.TrendClusterer.load(tmp_path / "file").genes_ == ordinary.genes_


@pytest.mark.parametrize("dump", ["pickle", "joblib"])
@pytest.mark.parametrize("clusterer", [lc.GraphClusterer(5, resolution=1.0), KMeans(3, n_init=1)])
@pytest.mark.first(1)
def test_pickle_and_joblib_work_too(dump, clusterer, adata, tmp_path):
    tc = fitted(adata, clusterer=clusterer)
    if dump == "pickle":
        copy = pickle.loads(pickle.dumps(tc))
    else:
        joblib.dump(tc, tmp_path / "file")
        copy = joblib.load(tmp_path / "file")
    np.testing.assert_array_equal(copy.predict(adata), tc.predict(adata))
    np.testing.assert_array_equal(copy.transform(adata), tc.transform(adata))
    times = np.linspace(0, 1, 9)
    np.testing.assert_array_equal(copy.models_["rise0"]["A"].predict(times), tc.models_["rise0"]["A"].predict(times))


@pytest.mark.parametrize(
    "variant",
    ["gaussian", "negative_binomial", "poisson", "several_lineages", "gaussian_process", "quantile_knots", "groups"],
)
@pytest.mark.slow
def test_the_size_does_not_depend_on_the_number_of_cells(variant, make_adata):
    few, many = (fitted(make_adata(n), **VARIANTS[variant]) for n in (300, 3000))
    assert len(persistence.to_bytes(many)) < 1.1 * len(persistence.to_bytes(few)) + 20_000
    assert len(pickle.dumps(many)) < 1.1 * len(pickle.dumps(few)) + 20_000


@pytest.mark.slow
def test_pickles_with_models_of_other_libraries_stay_small(make_adata):
    for parameters in ({"model": PyGAM()}, {"smoother": SplineTransformer(), "model": LinearRegression()}):
        few, many = (fitted(make_adata(n), alpha=None, **parameters) for n in (300, 3000))
        assert len(pickle.dumps(many)) < 1.1 * len(pickle.dumps(few)) + 20_000
