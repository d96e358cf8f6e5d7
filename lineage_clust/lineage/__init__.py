"""Reading of lineages from an AnnData: pseudotime, weights, time range, covariates, offset and expression.

:class:`.Reader` in `lineage.py` has the settings, and returns each lineage as arrays, a :class:`.Lineage`. It uses:

- `time`: pseudotime under the keys of common tools (`pseudotime.py`), several draws of it (`time_draws.py`), and the range
  of a lineage, given by the user (`time_range.py`) or derived from the weights (`automatic_end.py`).
- `weights`: `keys.py` finds the weights in a matrix (`matrices.py`, with names from `cellrank_states.py`), in columns
  of obs (`obs_columns.py`) or as branches (`branches.py`, `scfates.py`), each a `LineageSource` (`source.py`);
  `values.py` clips them.
- `cells`: covariates, and whether their effects are identifiable (`confounding.py`); offsets, donors, conditions, and
  scikit-learn's `y` (`labels.py`).
- `genes`: `names.py` and `expression.py`. `value_checks.py` checks whether values suit the model, counts or logs, and
  `depth.py` whether sequencing depth changes along the lineage.

`columns.py` converts columns of obs to numbers or categories. `annotations.py` reads covariates and colours for plots.
`mappings.py` checks the genes and lineages in mappings of models.
"""

from .lineage import Lineage, check_anndata, read_lineage, resolve_genes

__all__ = ["Lineage", "check_anndata", "read_lineage", "resolve_genes"]
