"""Provenance of a result, so that a stored one is reused only for the same data and parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
from anndata import AnnData
from scipy import sparse
from sklearn.base import BaseEstimator

from ..errors import quoted, warn
from ..expression.storage.blocks import BlockedExpression
from ..expression.sums.sums import column_totals
from ..lineage.genes.expression import expression_of
from ..lineage.time.pseudotime import read_times
from ..lineage.weights.keys import find_weights

# parameters that do not affect results
_IRRELEVANT = ("n_jobs", "backend", "show_progress_bar", "memory_budget", "genes")


def describe(fitter, adata: AnnData, genes: list[str], lineage: str) -> dict[str, object]:
    """Return all that the results of an unfitted TrendClusterer depend on: parameters and fingerprints of the data."""
    parameters = {name: value for name, value in fitter.get_params(deep=False).items() if name not in _IRRELEVANT}
    name, _, weights = find_weights(adata, lineage, fitter.lineage_key, fitter.backward)
    expression = expression_of(adata, genes, fitter.layer, fitter.use_raw, gene_symbols=fitter.gene_symbols)
    data = {
        "genes": list(genes),
        "pseudotime values": fingerprint(read_times(adata, fitter.time_key, name, weights).mean),
        "lineage weights": fingerprint(weights),
        "expression": fingerprint(expression),
    }
    return {**{name: _plain(value) for name, value in parameters.items()}, **data}


def stored_result(adata: AnnData, key: str, source: dict) -> AnnData | None:
    """Return the result in `uns[key]` if its provenance is `source`, see `describe`; otherwise warn of the differences."""
    stored = adata.uns.get(key)
    if stored is None:
        return None
    text = _source_of(stored)
    if text is None:
        reason = "it was not written by this function"
    else:
        differing = differences(text, source)
        if not differing:
            return stored
        reason = f"it was computed from other {quoted(differing)}"
    warn(
        f"adata.uns[{key!r}] is recomputed: {reason}. Pass recompute=True to avoid this warning, or another key to keep both."
    )
    return None


def _source_of(stored: Any) -> str | None:
    """Return the provenance of a stored result, or `None` if it was not written by us, or is incomplete."""
    whole = isinstance(stored, AnnData) and stored.X is not None
    whole = whole and "clusters" in stored.obs and {"x_test", "lineage"} <= set(stored.var)
    source = stored.uns.get("lineage_clust") if whole else None
    return source.get("source") if isinstance(source, Mapping) else None


def to_json(source: Mapping) -> str:
    """Return the description as reproducible text."""
    return json.dumps(source, sort_keys=True)


def differences(text: str, source: Mapping) -> list[str]:
    """Return the names of the entries in which a stored description differs from another."""
    try:
        stored = json.loads(text)
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        return ["parameters"]
    wanted = json.loads(to_json(source))
    return [name for name in sorted({*stored, *wanted}) if stored.get(name) != wanted.get(name)]


def fingerprint(values) -> str:
    """Return a hash of the shape and values of an array or sparse matrix."""
    if isinstance(values, BlockedExpression):  # for expression in a file, the sums of each gene replace the values
        values = values.to_memory() if values.in_memory else np.array(column_totals(values))
    digest = blake2b(digest_size=16)
    digest.update(str(values.shape).encode())
    parts = (values.indptr, values.indices, values.data) if sparse.issparse(values) else (values,)
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _plain(value: object) -> object:
    """Return a value as JSON types that distinguish it from others."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, BaseEstimator):
        parameters = {name: _plain(entry) for name, entry in value.get_params(deep=False).items()}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **parameters}
    if isinstance(value, np.ndarray):
        return fingerprint(value)
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, partial):
        return [_plain(value.func), _plain(value.args), _plain(value.keywords)]
    if callable(value):
        code = getattr(value, "__code__", None)
        body = "" if code is None else blake2b(code.co_code + repr(code.co_consts).encode()).hexdigest()[:16]
        name = getattr(
            value, "__qualname__", getattr(value, "__name__", repr(type(value)))
        )  # ufuncs of NumPy 1: the latter
        return f"{getattr(value, '__module__', '')}.{name}:{body}"
    return repr(value)
