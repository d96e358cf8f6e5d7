import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.lineage import Reader
from lineage_clust.results.cells import moments, score

from ..fits import dense

GENES = ["rise0", "fall1", "peak2", "rise3", "flat0"]
LABELS = np.array([1, 0, -1, 1, 0])
kinds = pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
sources = pytest.mark.parametrize("source", [(None, False), ("counts", False), (None, True)])


def reader_of(source=(None, False)) -> Reader:
    return Reader(layer=source[0], use_raw=source[1])


def moments_of(adata, source=(None, False)):
    return moments(reader_of(source).read(adata, "A", GENES), GENES)


def values_of(adata, source):
    adata = adata[:, GENES]
    return dense(adata.X if source[0] is None else adata.layers[source[0]]).astype(float)


@kinds
@sources
def test_moments_are_those_of_all_cells(make_adata, kind, source):
    adata = make_adata(kind=kind)
    means, stds = moments_of(adata, source)
    values = values_of(adata, source)
    np.testing.assert_allclose(means, values.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(stds, values.std(axis=0), rtol=1e-6)


@kinds
@sources
def test_scores_are_means_of_standardised_expression(make_adata, kind, source):
    adata = make_adata(kind=kind)
    scores = score(adata, GENES, LABELS, *moments_of(adata, source), reader_of(source))
    standardised = StandardScaler().fit_transform(values_of(adata, source))
    expected = np.column_stack([standardised[:, LABELS == cluster].mean(axis=1) for cluster in (0, 1)])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert type(scores) is np.ndarray


@kinds
def test_scores_at_a_high_level_are_those_without_it(make_adata, kind):
    adata = make_adata(kind="dense")
    values = np.round(100 * dense(adata.X).astype(float))
    adata.X = values
    expected = score(adata, GENES, LABELS, *moments_of(adata), reader_of())
    adata.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind](values + 1e9)
    scores = score(adata, GENES, LABELS, *moments_of(adata), reader_of())
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_other_cells_are_measured_with_the_old_cells_moments(make_adata):
    adata = make_adata()
    fitted = moments_of(adata)
    whole = score(adata, GENES, LABELS, *fitted, reader_of())
    np.testing.assert_allclose(score(adata[50:60], GENES, LABELS, *fitted, reader_of()), whole[50:60], atol=1e-6)


def test_a_gene_without_variance_counts_zero(make_adata):
    adata = make_adata(kind="dense")
    adata.X[:, adata.var_names.get_loc("rise0")] = 0.1  # a float32 whose square is rounded
    means, stds = moments_of(adata)
    assert stds[0] == 0
    scores = score(adata, GENES, LABELS, means, stds, reader_of())
    expected = StandardScaler().fit_transform(values_of(adata, (None, False)))[:, 3] / 2
    np.testing.assert_allclose(scores[:, 1], expected, atol=1e-5)


@kinds
def test_a_missing_value_is_missing_in_the_cluster_of_its_gene_only(make_adata, kind):
    adata = make_adata(kind=kind)
    fitted = moments_of(adata)
    whole = score(adata, GENES, LABELS, *fitted, reader_of())
    values = dense(adata.X)
    values[7, adata.var_names.get_loc("fall1")] = np.nan
    adata.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind](values)
    scores = score(adata, GENES, LABELS, *fitted, reader_of())
    assert np.isnan(scores[7, 0])
    whole[7, 0] = scores[7, 0] = 0
    np.testing.assert_allclose(scores, whole, atol=1e-6)


def test_missing_genes_are_named(make_adata):
    adata = make_adata()
    fitted = moments_of(adata)
    without = adata[:, [name for name in adata.var_names if name not in ("rise0", "flat0")]]
    with pytest.raises(UnknownNameError, match=r"2 of the 4 clustered genes are not in adata .'rise0', 'flat0'."):
        score(without, GENES, LABELS, *fitted, reader_of())
    unassigned = adata[:, [name for name in adata.var_names if name != "peak2"]]
    assert score(unassigned, GENES, LABELS, *fitted, reader_of()).shape == (200, 2)
