"""Reuse of a result stored in an AnnData if it has the same provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anndata import AnnData

from ..errors import quoted, warn
from . import provenance


def stored_result(adata: AnnData, key: str, source: dict) -> AnnData | None:
    """Return the result in `uns[key]` if it has the same provenance; otherwise warn of the differences.

    adata : Data from which it was computed.
    key : Key of `uns`.
    source : Required provenance, see :func:`lineage_clust.io.provenance.describe`.
    """
    stored = adata.uns.get(key)
    if stored is None:
        return None
    text = _source_of(stored)
    if text is None:
        reason = "it was not written by this function"
    else:
        differing = provenance.differences(text, source)
        if not differing:
            return stored
        reason = f"it was computed from other {quoted(differing)}"
    warn(
        f"adata.uns[{key!r}] is recomputed: {reason}. Pass recompute=True to avoid this warning, or another key to keep both."
    )
    return None


def with_source(result: AnnData, source: dict) -> AnnData:
    """Add the provenance to a result."""
    result.uns["lineage_clust"]["source"] = provenance.to_json(source)
    return result


def _source_of(stored: Any) -> str | None:
    """Return the provenance of a stored result, or `None` if it was not written by us, or is incomplete."""
    whole = isinstance(stored, AnnData) and stored.X is not None
    whole = whole and "clusters" in stored.obs and {"x_test", "lineage"} <= set(stored.var)
    source = stored.uns.get("lineage_clust") if whole else None
    return source.get("source") if isinstance(source, Mapping) else None
