"""What to pass instead of an object that is no AnnData, such as a MuData that holds several."""

from __future__ import annotations

from collections.abc import Mapping

from anndata import AnnData

from ..errors import quoted


def how_to_pass(found: object) -> str:
    """Return a sentence that says how to get an AnnData out of, or made from, what was found.

    MuData is known by what it has (`mod`, a mapping of AnnData), so that it need not be installed.

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
    others = "" if len(names) == 1 else f" It holds {quoted(names)}."
    return f"Pass mdata[{best!r}], the AnnData of one modality.{others}"
