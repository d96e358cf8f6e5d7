"""Hints for objects that are not an AnnData, such as a MuData with several modalities."""

from __future__ import annotations

from collections.abc import Mapping

from anndata import AnnData

from ..errors import quoted


def how_to_pass(found: object) -> str:
    """Return a hint on how to obtain an AnnData from the object.

    MuData is recognised by its attribute `mod`, a mapping of AnnData, so that it need not be installed.

    Examples
    --------
    >>> how_to_pass([[1.0]])
    'Wrap a matrix with anndata.AnnData(X, obs=..., var=...).'
    """
    modalities = getattr(found, "mod", None)
    if not isinstance(modalities, Mapping) or not any(isinstance(one, AnnData) for one in modalities.values()):
        return "Wrap a matrix with anndata.AnnData(X, obs=..., var=...)."
    names = [str(name) for name, one in modalities.items() if isinstance(one, AnnData)]
    best = next((name for name in names if name.lower() in ("rna", "gex", "gene expression")), names[0])
    others = "" if len(names) == 1 else f" It contains {quoted(names)}."
    return f"Pass mdata[{best!r}], the AnnData of one modality.{others}"
