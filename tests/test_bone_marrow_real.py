"""Known biology of mouse bone marrow, from the full data of Paul et al.: 3,004 genes, three lineages."""

from itertools import chain

import anndata as ad
import numpy as np
import pytest

from lineage_clust import TrendClusterer
from tests.fits import read_lineage

pytestmark = pytest.mark.slow
FATE = "palantir_fate_probabilities"


@pytest.fixture(scope="module")
def marrow(data_dir):
    return ad.read_h5ad(data_dir / "paul15_tradeseq.h5ad")


@pytest.fixture(scope="module")
def fits(marrow):
    return {name: TrendClusterer(lineage=name, random_state=0).fit(marrow) for name in ("Ery", "Neu")}


def shape(curve):
    """Where a curve is highest and lowest, as shares of the time range, and by how much it ends above its start."""
    thirds = [part.mean() for part in np.array_split(curve, 3)]
    return curve.argmax() / (len(curve) - 1), curve.argmin() / (len(curve) - 1), thirds[2] - thirds[0]


def curves_of(fit, gene):
    """The scaled trend of a gene, and the mean of its cluster."""
    row = fit.genes_.index(gene)
    assert fit.labels_[row] >= 0, f"{gene} is not assigned to a cluster"
    return fit.scaled_trends_[row], fit.cluster_centers_[fit.labels_[row]]


@pytest.mark.parametrize(
    ("lineage", "gene"),
    [
        ("Ery", "Klf1"),
        ("Ery", "Car2"),
        ("Ery", "Epor"),
        ("Ery", "Hba-a2"),
        ("Neu", "Elane"),
        ("Neu", "Prtn3"),
        ("Neu", "Gstm1"),
    ],
)
def test_genes_of_the_mature_cells_are_in_late_rising_clusters(fits, lineage, gene):
    for curve in curves_of(fits[lineage], gene):
        highest, lowest, climb = shape(curve)
        assert highest > 0.75
        assert lowest < 0.5
        assert climb > 1  # standard deviations


@pytest.mark.parametrize("gene", ["Apoe", "Gata2"])
def test_genes_of_the_early_cells_fall_early_along_neu(fits, gene):
    for curve in curves_of(fits["Neu"], gene):
        highest, lowest, climb = shape(curve)
        assert highest < 0.1
        assert lowest > 0.75
        assert climb < -1
        half_way_down = np.argmax(curve < (curve.max() + curve.min()) / 2) / (len(curve) - 1)
        assert half_way_down < 0.5


@pytest.mark.parametrize("gene", ["Apoe", "Gata2"])
def test_genes_of_the_early_cells_fall_along_ery(fits, gene):
    own, mean = curves_of(fits["Ery"], gene)
    assert shape(own)[0] < 0.1  # Apoe's cluster has its maximum somewhat later
    assert shape(mean)[0] < 0.5
    for curve in (own, mean):
        assert shape(curve)[1] > 0.75
        assert shape(curve)[2] < -1


def test_clusters_of_mature_and_early_genes_are_different(fits):
    for lineage, mature in (("Ery", ["Klf1", "Car2", "Epor"]), ("Neu", ["Elane", "Prtn3"])):
        fit = fits[lineage]
        label = dict(zip(fit.genes_, fit.labels_, strict=True))
        assert max(label["Apoe"], label["Gata2"]) < min(label[gene] for gene in mature)  # numbered by peak time


def test_most_genes_change_and_all_are_fitted(fits):
    for fit in fits.values():
        assert len(fit.genes_) == 3004
        assert fit.failed_ == {}
        assert fit.gene_table_["converged"].all()
        assert 1500 < np.sum(fit.labels_ >= 0) < 2500
        assert 4 <= fit.n_clusters_ <= 30


def test_mono_ends_before_the_stretch_of_neu_alone(marrow):
    ends = {name: read_lineage(marrow, name).end for name in ("Mono", "Neu")}
    assert 0.7 < ends["Mono"] < 0.8
    assert ends["Neu"] == pytest.approx(1.0)
    fates = marrow.obs.join(marrow.obsm[FATE])
    late = fates[fates["palantir_pseudotime"] > 0.8]
    assert (late["Neu"] > late["Mono"]).mean() > 0.95


@pytest.mark.parametrize(("endpoint", "end", "lost"), [("plateau", 0.78, 0), ("argmax", 0.66, 627)])
def test_the_end_of_ery(marrow, endpoint, end, lost):
    lineage = read_lineage(marrow, "Ery", endpoint=endpoint)
    assert lineage.end == pytest.approx(end, abs=0.01)
    own = marrow.obsm[FATE]["Ery"].to_numpy() > 0.5
    assert own.sum() == 1164
    assert own.sum() - own[lineage.cells].sum() == lost


def test_slingshot_s_weights_and_pseudotime_are_read_as_well(marrow):
    lineage = read_lineage(marrow, "erythroid", time_key="slingshot_pseudotime", genes=["Klf1", "Apoe"])
    weights = marrow.obsm["slingshot_cell_weights"]["erythroid"].to_numpy(dtype=float)[lineage.cells]
    np.testing.assert_array_equal(lineage.weights, np.where(weights < 0.01, 0.01, weights))
    fit = TrendClusterer(
        lineage="erythroid", time_key="slingshot_pseudotime", genes=["Klf1", "Apoe"], random_state=0
    ).fit(marrow)
    assert shape(fit.trends_[0])[0] > 0.75
    assert shape(fit.trends_[1])[0] < 0.25


JOINT = {
    "only Ery": ["Klf1", "Hba-a2", "Car2", "Gata1", "Rhd", "Epor"],
    "Mono and Neu": ["Mpo", "Elane", "Prtn3", "Irf8", "Csf1r", "Gstm1"],
    "all": ["Apoe", "Gata2"],
}


@pytest.fixture(scope="module")
def joint(marrow):
    genes = sorted({*marrow.var_names[::15], *chain(*JOINT.values())})
    return {
        order: TrendClusterer(lineage=order.split(), genes=genes, n_points=50, random_state=0).fit(marrow)
        for order in ("Ery Mono Neu", "Neu Ery Mono")
    }


def test_jointly_the_words_of_the_clusters_are_those_of_their_genes(joint):
    one, other = joint.values()
    np.testing.assert_array_equal(one.labels_, other.labels_)
    labels = dict(zip(one.genes_, one.labels_, strict=True))
    words = one.cluster_table_["specificity"]
    for word, genes in JOINT.items():
        assert {words[labels[gene]] for gene in genes} == {word}, word


def test_jointly_times_are_of_the_lineage_that_a_gene_belongs_to(joint):
    for fit in joint.values():
        table = fit.gene_table_
        assert table.loc["Rhd", "moves_most_in"] == "Ery"
        assert table.loc["Rhd", "peak"] == table.loc["Rhd", "peak_Ery"] > 0.7
        assert table.loc["Elane", "onset"] == table.loc["Elane", "onset_Neu"]
