"""Expression of cells at offset 0, to which trends refer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..lineage.lineage import Lineage
from ..models.mapping import by_gene
from ..trends.pairing import families
from ..trends.preparing import column_values


def genes_by_scale(model: Any, lineage: Lineage) -> Iterator[tuple[bool | None, np.ndarray]]:
    """Yield the columns of genes by what an offset does to their mean: it is added to it (True), or is its log (False).

    `None` = not known, or neither.
    """
    if lineage.offset is None:
        yield None, np.arange(len(lineage.genes))
        return
    links = [families(one)[0][1] for one in by_gene(model, lineage.genes, lineage.name)]
    for link in sorted(set(links), key=str):
        columns = np.flatnonzero([one == link for one in links])
        yield {"identity": True, "log": False}.get(str(link)), columns


def at_offset_zero(model: Any, lineage: Lineage) -> Lineage:
    """Return a lineage whose cells in `whole` have the expression that is comparable with the trends.

    Expression is divided by the exponential of the offset under a log link, and the offset is subtracted under the
    identity link.
    """
    if lineage.offset is None:
        return lineage
    whole = lineage.whole
    values = np.column_stack([column_values(whole.matrix, column) for column in whole.columns])
    for linear, columns in genes_by_scale(model, lineage):
        own, offset = np.ix_(lineage.cells, columns), lineage.offset[:, None]
        if linear is not None:
            values[own] = values[own] - offset if linear else values[own] / np.exp(offset)
    return replace(lineage, whole=whole._replace(matrix=values, columns=np.arange(len(lineage.genes))))
