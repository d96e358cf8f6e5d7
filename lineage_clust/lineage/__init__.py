"""Reading a lineage of an AnnData: pseudotime, weights, time range, covariates, offset and expression.

`lineage.py` reads: :class:`.Reader` has the settings and :class:`.Lineage` what is found, as arrays. Behind it:

- **Pseudotime**: `pseudotime.py` (keys of common tools), `time_draws.py` (several draws).
- **Weights**: `lineage_keys.py` finds them, in a matrix (`lineage_matrices.py`, named after `cellrank_states.py`), in columns
  of obs (`obs_columns.py`), or as branches (`branches.py`, `scfates.py`), each a `LineageSource`; `weights.py` clips them.
- **End of the lineage**: `time_range.py`, the range given by the user; `automatic_end.py`, the end derived from the weights.
- **Further terms**: `covariates.py`, `confounding.py` (can they be told from time?), `offsets.py`, `donors.py`,
  `conditions.py`; `columns.py` makes numbers or categories of a column.
- **Expression**: `expression.py`, and `gene_names.py` for its columns.
- **Advice**: `value_checks.py` (counts or logs? another layer?), `depth.py` (does depth change along the lineage?).
- **For others**: `annotations.py` (for plots), `labels_of_cells.py` (scikit-learn's `y`).
"""

from .lineage import Lineage, check_anndata, read_lineage, resolve_genes

__all__ = ["Lineage", "check_anndata", "read_lineage", "resolve_genes"]
