"""Concerns about the data and the fit that are shown first."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

from ..errors import LineageClustWarning, counted
from ..lineage.genes.value_checks import check_values
from ..results.result import FitResult
from ..trends.pairing import families

_MANY_FAILED, _MANY_UNCONVERGED, _FEW_CELLS = 0.1, 0.05, 100


def concerns(result: FitResult, adata: Any = None) -> list[str]:
    """Return concerns as sentences, the most important first, with the warnings of reading the cells if they are given."""
    return [*dict.fromkeys([*([] if adata is None else _of_cells(result, adata)), *_of_fit(result)])]


def _of_cells(result: FitResult, adata: Any) -> list[str]:
    reader = result.reader
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lineages = result.read(adata, result.genes)
        modelled = families(result.fitter.model)
        check_values(adata, lineages, modelled, layer=reader.layer, use_raw=reader.use_raw, offset=reader.offset)
    return [str(one.message) for one in caught if issubclass(one.category, LineageClustWarning)]


def _of_fit(result: FitResult) -> list[str]:
    found = []
    n_fitted, n_failed = len(result.genes), len(result.failed)
    if n_failed > _MANY_FAILED * (n_fitted + n_failed):
        reason, number = Counter(result.failed.values()).most_common(1)[0]
        found.append(
            f"{counted(n_failed, 'gene', 'has', 'have', of=n_fitted + n_failed)} no trend; of {number:,} the reason "
            f"is: {reason}"
        )
    converged = result.gene_table["converged"]
    missed = int((converged == False).sum())  # noqa: E712
    if missed > _MANY_UNCONVERGED * n_fitted:
        found.append(f"The search for the smoothness did not converge for {missed:,} of {n_fitted:,} genes.")
    counts = result.n_cells if isinstance(result.n_cells, dict) else {"": result.n_cells}
    for name, n_cells in counts.items():
        if n_cells is not None and n_cells < _FEW_CELLS:
            found.append(
                f"{f'Lineage {name}' if name else 'The lineage'} has {counted(n_cells, 'cell')} only: trends are rough."
            )
    return found
