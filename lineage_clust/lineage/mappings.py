"""Mappings by gene and lineage, such as models: their keys must be genes and lineages of the AnnData."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anndata import AnnData

from ..contracts.capabilities import WILDCARD
from ..errors import UnknownNameError
from .genes.expression import names_by_key, not_there
from .lineage import Reader
from .weights.keys import unknown_lineage


def by_gene_name(spec: Any, adata: AnnData, reader: Reader, lineages: Sequence[str | None], what: str) -> Any:
    """Return a mapping by the names of genes, which may be given as entries of `var_names`; other values are unchanged.

    An error is raised if a key is no gene or lineage of the AnnData. Those that are not fitted are accepted, so that
    several fits can share a mapping. `lineages` are read; `what` names an entry in messages.
    """
    if not isinstance(spec, Mapping):
        return spec
    names = {WILDCARD: WILDCARD, **names_by_key(adata, reader.use_raw, reader.gene_symbols)}
    unknown = [gene for gene in spec if gene not in names]
    if unknown:
        problem = not_there(adata, unknown, list(names.values()), reader.use_raw, reader.gene_symbols)
        raise UnknownNameError(f"The mapping of {what}s names an unknown gene. {problem}")
    nested = [name for entry in spec.values() if isinstance(entry, Mapping) for name in entry]
    others = [name for name in dict.fromkeys(nested) if name not in (WILDCARD, "", *lineages)]
    error = unknown_lineage(adata, others, lineages, reader.lineage_key)
    if error is not None:
        raise UnknownNameError(f"The mapping of {what}s names an unknown lineage. {error}")
    return {names[gene]: entry for gene, entry in spec.items()}
