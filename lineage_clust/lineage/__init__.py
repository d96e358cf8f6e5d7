"""Reading a lineage of an AnnData: pseudotime, weights, time range, covariates, offset and expression."""

from .lineage import Lineage, check_anndata, read_lineage, resolve_genes

__all__ = ["Lineage", "check_anndata", "read_lineage", "resolve_genes"]
