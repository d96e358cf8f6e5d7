"""Reading of lineages from an AnnData: pseudotime, weights, time range, covariates, offset and expression.

:class:`.Reader` in `lineage.py` has the settings, and returns each lineage as arrays, a :class:`.Lineage`. It uses:

- `time`: pseudotime under the keys of common tools, or several draws of it (`pseudotime.py`), and the range of a lineage,
  given by the user or derived from the weights (`time_range.py`).
- `weights`: `keys.py` finds the weights in a matrix (`matrices.py`), in columns of obs or as branches (`branches.py`),
  each a `LineageSource` (`source.py`), and clips them.
- `cells`: covariates, whose effects must be identifiable, and offset (`covariates.py`); donors and conditions
  (`samples.py`), and scikit-learn's `y` (`labels.py`).
- `genes`: names and values (`expression.py`), and whether these suit the model, counts or logs, and sequencing depth changes
  along the lineage (`value_checks.py`).

`columns.py` converts columns of obs to numbers or categories. `annotations.py` reads covariates and colours for plots.
`mappings.py` checks the genes and lineages in mappings of models.
"""
