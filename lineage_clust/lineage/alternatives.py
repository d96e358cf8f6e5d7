"""Suggest the matrix of an AnnData that contains the required kind of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..expression.blocks import BlockedExpression
from ..expression.sampling import first_part, some_cells, some_values
from ..expression.sources import is_stored
from ..expression.value_kinds import COUNTS, LOG_COUNTS, are_integers, is_log_normalised, kind_of
from .expression import layer_names, stored_matrix

if TYPE_CHECKING:
    from anndata import AnnData

_MOST_LOG = 15.0  # the natural log of three million


def matrix_name(layer: str | None, use_raw: bool) -> str:
    """Return the name of a matrix for messages.

    Examples
    --------
    >>> matrix_name(None, False), matrix_name("counts", False)
    ('adata.X', "adata.layers['counts']")
    """
    return "adata.raw" if use_raw else "adata.X" if layer in (None, "X") else f"adata.layers[{layer!r}]"


def suggestion(adata: AnnData, layer: str | None, use_raw: bool, counts: bool) -> str:
    """Return a hint that names another matrix with counts or with logs of normalised counts; "" if there is none.

    Parameters
    ----------
    adata
        Cells x genes.
    layer, use_raw
        The unsuitable matrix.
    counts
        Whether counts are required.
    """
    current = (None if layer == "X" else layer, use_raw)
    places: list[tuple[str | None, bool]] = [] if adata.X is None else [(None, False)]
    places += [(name, False) for name in layer_names(adata)] + ([] if adata.raw is None else [(None, True)])
    found = [(_suits(adata, place, counts), place) for place in places if place != current]
    known = [(suits, place) for suits, place in found if suits is not None]
    if not known:
        return ""
    (_, what), (name, raw) = min(known, key=lambda one: one[0][0])
    call = "use_raw=True" if raw else "layer=None" if name is None else f"layer={name!r}"
    return f"{matrix_name(name, raw)} contains {what}: pass {call}."


def _suits(adata: AnnData, place: tuple[str | None, bool], counts: bool) -> tuple[int, str] | None:
    """Return how suitable a matrix is (0 is best) and what it contains, or `None` if it is unsuitable."""
    matrix = stored_matrix(adata, *place)
    matrix = BlockedExpression(matrix) if is_stored(matrix) else matrix
    first = first_part(matrix)
    values = some_values(matrix, first)
    kind = kind_of(values)
    if len(values) == 0 or counts != (kind == COUNTS):
        return None
    if counts:
        return 0, "counts"
    if kind == LOG_COUNTS:
        return 2, "logs of counts that are not normalised"
    if values.min() < 0 or values.max() > _MOST_LOG or are_integers(values):
        return None
    if is_log_normalised(some_cells(matrix, np.arange(matrix.shape[0]), first)[1]):
        return 0, "log-normalised values"
    return 1, "values that may be logs"
