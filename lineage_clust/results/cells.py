"""Cells beside the trends: module scores, expression at offset 0 and in bins of pseudotime, and deviance explained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import UnknownNameError, counted, quoted
from ..expression.sums.moments import weighted_products
from ..expression.sums.sums import column_moments
from ..lineage.genes.expression import expression_of, gene_names, take
from ..lineage.lineage import Lineage, Reader, check_anndata
from ..models.mapping import by_gene
from ..trends.pairing import families
from ..trends.preparing import column_values
from ..utils.matrices import dense
from .result import FitResult

if TYPE_CHECKING:
    from anndata import AnnData


def moments(lineage: Lineage, genes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each gene over all cells of the AnnData of a lineage, `(n_genes,)`."""
    whole, columns = lineage.whole.matrix, lineage.whole.columns
    position = dict(zip(lineage.genes, columns, strict=True))
    matrix = take(whole, np.arange(whole.shape[0]), np.array([position[gene] for gene in genes], dtype=int))
    means, squares = column_moments(matrix)
    return means, np.sqrt(np.where(squares > 0, squares / matrix.shape[0], 0.0))


def module_scores(result: FitResult, adata) -> np.ndarray:
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


def genes_by_scale(model: Any, lineage: Lineage) -> Iterator[tuple[bool | None, np.ndarray]]:
    """Yield the columns of genes by what an offset is: added to their mean (True), its log (False), neither (`None`)."""
    if lineage.offset is None:
        yield None, np.arange(len(lineage.genes))
        return
    links = [families(one)[0][1] for one in by_gene(model, lineage.genes, lineage.name)]
    for link in sorted(set(links), key=str):
        columns = np.flatnonzero([one == link for one in links])
        yield {"identity": True, "log": False}.get(str(link)), columns


def at_offset_zero(model: Any, lineage: Lineage) -> Lineage:
    """Return a lineage whose cells in `whole` have the expression that they would have at offset 0, as the trends."""
    if lineage.offset is None:
        return lineage
    whole = lineage.whole
    values = np.column_stack([column_values(whole.matrix, column) for column in whole.columns])
    for linear, columns in genes_by_scale(model, lineage):
        own, offset = np.ix_(lineage.cells, columns), lineage.offset[:, None]
        if linear is not None:
            values[own] = values[own] - offset if linear else values[own] / np.exp(offset)
    return replace(lineage, whole=whole._replace(matrix=values, columns=np.arange(len(lineage.genes))))


@dataclass(frozen=True)
class Bins:
    """Mean expression `(n_genes, n_bins)` in the bins of one lineage, NaN without cells, and the weight of their cells."""

    name: str | None
    edges: np.ndarray
    means: np.ndarray
    weight: np.ndarray


def binned_cells(result: FitResult, adata: Any, genes: Sequence[str], n_bins: int) -> list[Bins]:
    """Return the weighted mean expression of genes at offset 0, as trends are, in bins of equal width, for each lineage."""
    found = []
    for lineage in result.of_cells(adata, genes):
        edges = np.linspace(lineage.start, lineage.end, n_bins + 1)
        means = np.full((len(lineage.genes), n_bins), np.nan)
        for part in result.fitter.prepare(lineage)[0]:
            position = pd.Index(lineage.genes).get_indexer(part.genes)
            for linear, columns in genes_by_scale(result.fitter.model, part):
                means[position[columns]] = _means(part, columns, edges, linear)
        found.append(Bins(lineage.name, edges, means, lineage.weights @ _inside(lineage.pseudotime, edges)))
    return found


def _means(lineage: Lineage, columns: np.ndarray, edges: np.ndarray, linear: bool | None) -> np.ndarray:
    """Return the means `(n_columns, n_bins)` of some genes of a lineage; the last bin has its right edge."""
    weights, offset = lineage.weights, lineage.offset
    inside = _inside(lineage.pseudotime, edges)
    sums, _ = weighted_products(inside, lineage.expression[:, columns], weights)
    weight = weights @ inside
    with np.errstate(invalid="ignore", divide="ignore"):
        if offset is None or linear is None:
            means = sums.T / weight
        elif linear:
            means = sums.T / weight - (weights * offset) @ inside / weight
        else:
            means = sums.T / ((weights * np.exp(offset)) @ inside)
    return np.where(weight > 0, means, np.nan)


def _inside(times: np.ndarray, edges: np.ndarray) -> np.ndarray:
    number = np.minimum(np.searchsorted(edges, times, side="right") - 1, len(edges) - 2)
    return (number[:, None] == np.arange(len(edges) - 1)).astype(float)


def held_out_deviance(result: FitResult, adata: AnnData) -> float:
    """Return the proportion of held-out deviance explained by cluster mean trends; see `scoring.trend_deviance`."""
    explained = np.zeros(len(result.genes))
    position = pd.Index(result.genes)
    for name in result.names:
        lineage = result.held_out(adata, name)
        inside = result.grid_lineage == ("" if name is None else name)
        grid, centres = result.pseudotime[inside], result.centers[:, inside]
        for part in result.fitter.prepare(lineage)[0]:
            for linear, columns in genes_by_scale(result.fitter.model, part):
                rows = position.get_indexer([part.genes[column] for column in columns])
                clustered = result.labels[rows] >= 0
                if not clustered.any():
                    continue
                rows = rows[clustered]
                curves = np.column_stack([np.interp(part.pseudotime, grid, centre) for centre in centres])
                explained[rows] += _explained(curves, result, rows, part, columns[clustered], linear)
    return float(explained.sum() / (len(result.names) * len(result.genes)))


def _explained(curves, result: FitResult, rows: np.ndarray, part: Lineage, genes: np.ndarray, linear) -> np.ndarray:
    """Return `1 - RSS / TSS` of each gene, from products of the expression with the curves.

    A cell is predicted by `factor * (location + spread * curve) + shift`, of which factor and shift are those of its offset.
    `rows` are positions of the genes in the result, and `genes` in a part of the lineage.
    """
    labels, location, spread = result.labels[rows], result.location[rows], result.spread[rows]
    weights, offset = part.weights, np.zeros(len(curves)) if part.offset is None else part.offset
    factor = np.exp(offset) if linear is False else np.ones(len(curves))
    shift = offset if linear else np.zeros(len(curves))
    origin = location if linear is not False else np.zeros_like(location)  # a high level would cost precision
    columns = np.column_stack([curves * factor[:, None], factor, shift])
    products, squares = weighted_products(columns, part.expression[:, genes], weights, origin)
    products, squares = (
        products - ((weights * shift) @ columns)[:, None],
        squares - 2 * products[-1] + weights @ shift**2,
    )
    with_curve, with_factor, factors = products[labels, np.arange(len(labels))], products[-2], weights * factor**2
    total = squares - with_factor**2 / factors.sum()
    level = location - origin
    rss = (
        squares
        - 2 * (level * with_factor + spread * with_curve)
        + level**2 * factors.sum()
        + 2 * level * spread * (factors @ curves)[labels]
        + spread**2 * (factors @ curves**2)[labels]
    )
    varies = total > 1e-12 * squares + 1e-28 * location**2 * weights.sum()
    return np.where(varies, 1 - rss / np.where(varies, total, 1.0), 0.0)
