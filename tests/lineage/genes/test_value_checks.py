"""Counts instead of log expression, and the reverse; changes of sequencing depth along a lineage."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.lineage.genes.value_checks import check_values, depth_change
from lineage_clust.models.pygam.pygam import PyGAM
from lineage_clust.trends.pairing import families
from tests.fits import read_lineage

from ...fits import QUICK

NB = lc.GAM("negative_binomial")


def flat_genes(n_cells=500, n_genes=100, seed=0, rise=1.0, kind=sparse.csr_matrix):
    """Genes that do not change, in cells whose depth rises by a factor of `1 + rise` along pseudotime."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.random(n_cells))
    depth = (1 + rise * t) * rng.lognormal(0, 0.2, n_cells)
    counts = rng.poisson(np.outer(depth, rng.lognormal(1, 0.5, n_genes))).astype(np.float32)
    obs = pd.DataFrame({"pseudotime": t}, index=[f"cell{cell}" for cell in range(n_cells)])
    adata = ad.AnnData(kind(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)), obs=obs)
    adata.layers["counts"] = kind(counts)
    adata.layers["log counts"] = kind(np.log1p(counts))
    adata.obs["log_depth"] = np.log(counts.sum(axis=1))
    return adata


def messages(adata, model=None, **parameters):
    """Return what is said of values and offset."""
    reading = {name: parameters[name] for name in ("layer", "use_raw", "offset") if name in parameters}
    lineage = read_lineage(adata, **parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_values(adata, [lineage], families(model), **reading)
    return [str(one.message) for one in caught]


# ---- counts under a Gaussian family


@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
def test_flat_genes_rise_with_the_depth_where_counts_are_taken_for_logs():
    """Why there is a warning: nearly all of these genes, which do not change, are clustered."""
    adata = flat_genes()
    wrong = lc.TrendClusterer(layer="counts", random_state=0, clusterer=QUICK).fit(adata)
    assert np.mean(wrong.labels_ >= 0) > 0.9
    right = lc.TrendClusterer(random_state=0, clusterer=QUICK).fit(adata)
    assert np.mean(right.labels_ >= 0) < 0.05


@pytest.mark.parametrize("model", [None, lc.GAM(), PyGAM(), {"0": NB, "*": lc.GAM()}])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.first(4)
def test_counts_under_a_gaussian_family(model, kind):
    (message,) = messages(flat_genes(kind=kind), model, layer="counts")
    assert "adata.layers['counts'] looks like counts (integers such as" in message
    assert "a Gaussian family is for log values; besides, the counts of a typical gene change 1." in message
    assert message.endswith("adata.X contains log-normalised values: pass layer=None.")


def test_the_warning_comes_from_fit_and_points_to_the_caller():
    with pytest.warns(LineageClustWarning, match="looks like counts") as caught:
        lc.TrendClusterer(layer="counts", clusterer=lc.GraphClusterer(resolution=1.0)).fit(flat_genes(n_genes=20))
    assert caught[0].filename == __file__


def test_where_the_logs_are():
    adata = flat_genes(rise=0.0)
    adata.raw = adata.copy()
    adata.X = adata.layers["counts"]
    assert messages(adata)[0].endswith("adata.raw contains log-normalised values: pass use_raw=True.")
    adata.layers["lognorm"] = adata.raw.X
    adata.raw = None
    assert messages(adata)[0].endswith("adata.layers['lognorm'] contains log-normalised values: pass layer='lognorm'.")
    adata.layers["lognorm"] = sparse.csr_matrix(adata.layers["lognorm"].toarray()[:, ::-1] * 0.9)
    assert messages(adata)[0].endswith(
        "adata.layers['lognorm'] contains values that may be logs: pass layer='lognorm'."
    )
    del adata.layers["lognorm"]
    assert "logs of counts that are not normalised: pass layer='log counts'" in messages(adata)[0]
    del adata.layers["log counts"]
    assert "Normalise and take logs (scanpy.pp.normalize_total, scanpy.pp.log1p), or fit counts" in messages(adata)[0]


# ---- logs under a family of counts


@pytest.mark.parametrize("model", [lc.GAM("poisson"), NB, PyGAM("poisson", "log"), {"0": NB, "*": lc.GAM()}])
def test_logs_under_a_family_of_counts_are_refused(model):
    adata = flat_genes()
    message = r"is for counts, but adata.X contains values that are not integers, such as \d.*{}"
    with pytest.raises(ValueError, match=message.format("adata.layers.'counts'. contains counts: pass layer='counts'")):
        lc.TrendClusterer(model, clusterer=QUICK).fit(adata)
    del adata.layers["counts"]
    with pytest.raises(ValueError, match=message.format("estimated counts, round them")):
        lc.TrendClusterer(model, clusterer=QUICK).fit(adata)


def test_a_few_values_that_are_no_integers_are_no_matter():
    """A gene of other values fails by itself, if it has to, and estimated counts are integers for the most part."""
    adata = flat_genes(rise=0.0)
    counts = adata.layers["counts"].toarray()
    counts[:, 3] = -0.5
    counts[::3] += 0.25
    adata.layers["counts"] = counts
    assert messages(adata, NB, layer="counts") == []


def test_integers_of_any_dtype_are_counts():
    adata = flat_genes(rise=0.0)
    adata.layers["counts"] = adata.layers["counts"].astype(np.uint16)
    assert messages(adata, NB, layer="counts") == []


# ---- depth


@pytest.mark.parametrize("model", [NB, lc.GAM("gamma", "log"), lc.GAM("gaussian", "log")])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.first(3)
def test_counts_without_offset_whose_depth_changes(model, kind):
    adata = flat_genes(kind=kind)
    (message,) = messages(adata, model, layer="counts")
    assert "In adata.layers['counts'] the counts of a typical gene change 1." in message
    assert message.endswith("Pass offset='size_factors', or normalise.")
    assert messages(adata, model, layer="counts", offset="size_factors") == []
    assert messages(adata, model, layer="counts", offset="log_depth") == []
    assert messages(adata, model, layer="counts", covariates=["log_depth"]) == []
    assert messages(flat_genes(kind=kind, rise=0.0), model, layer="counts") == []


@pytest.mark.parametrize(("layer", "name"), [("log counts", "logs"), ("roots", "square roots")])
def test_transformed_counts_that_were_not_normalised(layer, name):
    adata, even = flat_genes(), flat_genes(rise=0.0)
    for one in (adata, even):
        one.layers["roots"] = one.layers["counts"].sqrt()
    (message,) = messages(adata, layer=layer)
    assert f"In adata.layers['{layer}'] the counts of a typical gene change 1." in message
    assert message.endswith(f"Normalise before taking {name}.")
    assert messages(even, layer=layer) == []


def test_normalised_values_are_not_asked_for_their_depth():
    assert messages(flat_genes(rise=5.0)) == []


# ---- offsets


@pytest.mark.parametrize("offset", ["size_factors", "log_depth"])
def test_depth_as_offset_of_a_gaussian_family(offset):
    adata = flat_genes(rise=0.0)
    said = messages(adata, layer="counts", offset=offset)
    assert "which a Gaussian family with identity link would subtract from untransformed expression" in said[-1]
    assert messages(adata, lc.GAM("gaussian", "log"), layer="counts", offset=offset) == []


def test_another_offset_of_a_gaussian_family_is_nobodys_business():
    adata = flat_genes(rise=0.0)
    adata.obs["shift"] = np.random.default_rng(0).normal(size=adata.n_obs)
    assert messages(adata, offset="shift") == []


def test_an_offset_that_is_no_log():
    adata = flat_genes()
    adata.obs["depth"] = np.exp(adata.obs["log_depth"])
    with pytest.raises(ValueError, match=r"The offset spans \d+.* under a log link is a factor of exp.*Pass its log"):
        lc.TrendClusterer(NB, layer="counts", offset="depth", clusterer=QUICK).fit(adata)


# ---- files, and real data


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.first(1)
def test_files_are_looked_into_without_being_read_whole(kind, tmp_path, monkeypatch):
    adata = flat_genes(n_cells=4000, n_genes=60, kind=kind)
    adata = adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()
    adata.X, logs = adata.layers["counts"], adata.X
    paths = tmp_path / "counts.h5ad", tmp_path / "logs.h5ad"
    for path, values in zip(paths, (adata.X, logs), strict=True):
        adata.X = values
        adata.write_h5ad(path)
    counts, logs = (ad.read_h5ad(path, backed="r") for path in paths)
    loaded = []
    original = BlockedExpression._loaded
    monkeypatch.setattr(BlockedExpression, "_loaded", lambda self, *limit: loaded.append(1) or original(self, *limit))
    lineage = read_lineage(counts, memory_budget="900KB")
    assert isinstance(lineage.whole.matrix, BlockedExpression)
    assert not lineage.whole.matrix.in_memory
    with pytest.warns(LineageClustWarning, match="adata.X looks like counts"):
        check_values(counts, [lineage], families(None))
    if kind is not sparse.csc_matrix:  # whose first part holds too few genes
        with pytest.warns(LineageClustWarning, match="In adata.X the counts of a typical gene change 1"):
            check_values(counts, [lineage], families(NB))
    with pytest.raises(ValueError, match="adata.X contains values that are not integers.*pass layer='counts'"):
        check_values(logs, [read_lineage(logs, memory_budget="900KB")], families(NB))
    assert loaded == []
    counts.file.close()
    logs.file.close()


REAL = {
    "paul15_pypi_240genes.h5ad": ["Ery", "Myeloid"],
    "paul15_tradeseq.h5ad": ["Ery", "Mono", "Neu"],
    "worm_asg_awa.h5ad": ["ASG", "AWA"],
}


@pytest.mark.parametrize(("file", "names"), REAL.items())
@pytest.mark.first(1)
def test_ordinary_use_of_real_data_is_not_warned_of(file, names, data_dir):
    adata = ad.read_h5ad(data_dir / file)
    for name in names:
        keys = {"lineage": name, "time_key": "palantir_pseudotime", "lineage_key": "palantir_fate_probabilities"}
        assert messages(adata, **keys) == []
        assert messages(adata, NB, layer="counts", offset="size_factors", **keys) == []
        assert len(messages(adata, NB, layer="counts", **keys)) == 1  # RNA content falls along all of these
        assert len(messages(adata, layer="counts", **keys)) == 1


SHAPES = {
    "rising": lambda t: 1 + t,
    "falling": lambda t: 2 - t,
    "in the middle": lambda t: 1 + np.exp(-0.5 * ((t - 0.5) / 0.15) ** 2),
}


def cells(seed, depth, n_cells=600, n_genes=80, effect=None):
    rng = np.random.default_rng(seed)
    t = rng.random(n_cells)
    means = rng.lognormal(0, 1, n_genes) * np.outer(depth(t) * rng.lognormal(0, 0.4, n_cells), np.ones(n_genes))
    means *= 1 if effect is None else effect(t, n_genes)
    return rng.negative_binomial(2, 2 / (2 + means)).astype(float), t


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_a_change_of_depth_is_found_whatever_its_shape(shape, make):
    counts, t = cells(0, SHAPES[shape])
    assert 1.4 < depth_change(make(counts), t, np.ones(len(t))) < 2.2


def test_depth_that_varies_at_random_is_no_change():
    """The bound holds with a probability of 99 % in each set."""
    sets = [cells(seed, np.ones_like) for seed in range(60)]
    assert sum(depth_change(counts, t, np.ones(len(t))) is not None for counts, t in sets) <= 3


def test_genes_that_change_do_not_count_as_depth():
    """In a panel of which a quarter rises four-fold and a quarter falls, totals change, and the median gene does not."""

    def effect(t, n_genes):
        slope = np.zeros(n_genes)
        slope[: n_genes // 4], slope[-(n_genes // 4) :] = np.log(4), -np.log(4)
        return np.exp(np.outer(t, slope))

    sets = [cells(seed, np.ones_like, effect=effect) for seed in range(60)]
    assert sum(depth_change(counts, t, np.ones(len(t))) is not None for counts, t in sets) <= 3


def test_weights_say_which_cells_count():
    counts, t = cells(1, np.ones_like, n_cells=1200)
    counts[::2] = np.random.default_rng(2).poisson(counts[::2] * (1 + 3 * t[::2, None]))
    own = np.where(np.arange(len(t)) % 2, 1.0, 1e-3)
    assert depth_change(counts, t, np.ones(len(t))) > 1.3
    assert depth_change(counts, t, own) is None


@pytest.mark.parametrize("n_cells", [1, 3, 20])
def test_too_little_to_say(n_cells):
    counts, t = cells(0, lambda t: 1 + t, n_cells=n_cells)
    assert depth_change(counts / 100, t, np.ones(n_cells)) is None
