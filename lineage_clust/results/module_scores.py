"""Scores of cells: the mean standardised expression of each cluster's genes."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..errors import UnknownNameError, counted, quoted
from ..expression.sums.sums import column_moments
from ..lineage.genes.expression import expression_of, take
from ..lineage.genes.names import gene_names
from ..lineage.lineage import Lineage, Reader, check_anndata
from ..utils.matrices import dense
from .result import FitResult


def moments(lineage: Lineage, genes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each gene over all cells of the AnnData of a lineage, `(n_genes,)`.

    Those of expression in a file are known from the fit.
    """
    whole, columns = lineage.whole.matrix, lineage.whole.columns
    position = dict(zip(lineage.genes, columns, strict=True))
    matrix = take(whole, np.arange(whole.shape[0]), np.array([position[gene] for gene in genes], dtype=int))
    means, squares = column_moments(matrix)
    return means, np.sqrt(np.where(squares > 0, squares / matrix.shape[0], 0.0))


def transform(result: FitResult, adata) -> np.ndarray:
    """Return a score per cell and cluster, see :meth:`lineage_clust.TrendClusterer.transform`."""
    check_anndata(adata)
    if result.n_clusters == 0:
        table, gate = result.gene_table, result.gate
        reason = "no gene is in one. See gene_table_." if gate.passes(table).any() else gate.why_none(table)
        raise ValueError(f"There is no cluster to score: {reason}")
    return score(adata, result.genes, result.labels, result.gene_means, result.gene_stds, result.reader)


def score(
    adata, genes: list[str], labels: np.ndarray, means: np.ndarray, stds: np.ndarray, reader: Reader
) -> np.ndarray:
    """Return `(n_cells, n_clusters)` means of standardised expression; a gene without variance counts 0."""
    assigned = np.flatnonzero(labels >= 0)
    names = [genes[index] for index in assigned]
    symbols = reader.gene_symbols
    known = set(gene_names(adata, reader.use_raw and adata.raw is not None, symbols))
    missing = [name for name in names if name not in known]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UnknownNameError(
            f"{len(missing)} of the {counted(len(names), 'clustered gene')} {verb} not in adata ({quoted(missing, 5)}). "
            "transform needs the genes that were clustered in fit."
        )
    matrix = expression_of(adata, names, reader.layer, reader.use_raw, reader.memory_budget, symbols)
    clusters = labels[assigned]
    inverse = np.divide(1.0, stds[assigned], out=np.zeros(len(assigned)), where=stds[assigned] > 0)
    inverse /= np.bincount(clusters)[clusters]
    membership = np.zeros((len(assigned), clusters.max() + 1))
    membership[np.arange(len(assigned)), clusters] = inverse
    with np.errstate(invalid="ignore"):
        product = matrix @ membership
    if not np.isfinite(product.data if sparse.issparse(product) else product).all():
        product = matrix @ sparse.csr_array(membership)  # 0 times NaN is NaN also in clusters without the gene
    product = dense(product)
    return product - means[assigned] @ membership
