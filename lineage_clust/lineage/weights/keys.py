"""Find the weights of a lineage in an AnnData under the keys used by common tools."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import UnknownNameError, did_you_mean, quoted, warn
from ...utils.checking import check_key, shortened
from ...utils.types import Names
from ..genes.expression import with_annotations
from .branches import TREE_KEYS, branch_sources, tree_source
from .matrices import columns_of_matrix, matrix_source
from .source import LineageSource, column_source, columns_source, is_one_lineage, not_there

_log = logging.getLogger(__name__)

_MASKS = "branch_masks"
_ENDINGS = "lower", "upper", "flank", "confidence", "share"  # of columns of tables, such as peak_lower
# CellRank 2 and 1, Palantir, slingshot, tradeSeq
FORWARD_KEYS = (
    "lineages_fwd", "to_terminal_states", "palantir_fate_probabilities", "fate_probabilities", "slingshot_cell_weights",
    "cell_weights", "cellWeights", _MASKS,
)  # fmt: skip
BACKWARD_KEYS = ("lineages_bwd", "from_initial_states")


def find_weights(
    adata: AnnData, lineage: str | None, lineage_key: Names, backward: bool
) -> tuple[str | None, object, np.ndarray]:
    """Return the name of the lineage, the key of its weights, and the weights `(n_obs,)`; "A, B" is A and B together.

    If no lineage is named and there are no weights, all cells form one trajectory with the name `None`.
    """
    check_one_lineage(lineage)
    lineage = None if lineage is None else str(lineage)
    found = find_source(with_annotations(adata), lineage, lineage_key, backward)
    if found is None:
        return None, None, np.ones(adata.n_obs)
    source, members = found
    if source.note:
        warn(f"Lineages are numbered. {source.note}")
    name = members[0] if lineage is None else lineage
    _log.debug("Weights of lineage %r are read from %r.", name, source.key)
    return name, source.key, source.weights(members)


def check_one_lineage(lineage: Any) -> None:
    """Raise a TypeError if `lineage` is not one name. An array may be meant for a parameter that accepts a list."""
    if lineage is not None and np.ndim(lineage) > 0:
        others = "" if isinstance(lineage, (list, tuple)) else ", or a list of names where several are accepted"
        raise TypeError(f"A lineage must be one name; got {shortened(lineage)}. Pass one of them{others}.")


def find_source(
    adata: AnnData, lineage: str | None, lineage_key: Names, backward: bool
) -> tuple[LineageSource, list[str]] | None:
    """Return where the weights of a lineage are stored, and its names there; `None` if all cells are one lineage."""
    sources = [_named(adata, lineage_key, lineage)] if lineage_key is not None else _stored(adata, backward)
    if lineage is None:
        every = [(source, [name]) for source in sources for name in source.names]
        if sources and len(every) != 1:
            listed = "; ".join(f"{source.key!r}: {quoted(source.names)}" for source in sources)
            notes = "".join(f" {source.note}" for source in sources if source.note)
            raise ValueError(f"adata contains several lineages ({listed}). Choose one with lineage=...{notes}")
        return every[0] if sources else None
    if lineage_key is None and not any(source.members(lineage) for source in sources):
        sources = [*sources, *branch_sources(adata)]
    if not sources:
        raise _no_weights(adata, lineage, backward)
    found = [(source, members) for source in sources if (members := source.members(lineage))]
    if not found:
        raise not_there(lineage, sources)
    if len(found) > 1:
        keys = quoted(source.key for source, _ in found)
        raise ValueError(f"Lineage {lineage!r} is stored under several keys: {keys}. Choose one with lineage_key=...")
    return found[0]


def available_lineages(adata: AnnData, lineage_key: Names = None, backward: bool = False) -> list[str]:
    """Return the names of all lineages of one key."""
    if lineage_key is not None:
        return _named(adata, lineage_key).names
    sources = _stored(adata, backward) or branch_sources(adata)
    if not sources:
        known = BACKWARD_KEYS if backward else FORWARD_KEYS
        raise UnknownNameError(
            f"adata.obsm contains no lineage weights (none of {quoted(known, len(known))}). Pass their key as "
            f"lineage_key=..."
        )
    if len(sources) > 1:
        keys = quoted(source.key for source in sources)
        raise ValueError(
            f"Several keys contain lineages: {keys}. Choose one with lineage_key=..., or name the lineages."
        )
    return sources[0].names


def unknown_lineage(
    adata: AnnData, names: Sequence[str], read: Sequence[str | None], lineage_key: Names
) -> UnknownNameError | None:
    """Return the error for the first name that is no lineage, or union of lineages, under any key; `None` if all are.

    read : Names of the lineages that are read from `lineage_key`. A column of obs with the weights of one lineage accepts any
        name, and lists of columns may be others in another fit.
    """
    adata = with_annotations(adata)
    if not names or (isinstance(lineage_key, str) and is_one_lineage(adata, lineage_key, read)):
        return None
    sources = [*_stored(adata, False), *_stored(adata, True), *branch_sources(adata)]
    columns: list[str] = []
    if lineage_key is not None:
        sources.append(_named(adata, lineage_key, read[0]))
        columns = [] if isinstance(lineage_key, str) else list(adata.obs.columns)
    for name in names:
        known = isinstance(name, str) and (name in columns or any(source.members(name) for source in sources))
        if not known:
            return not_there(name, sources)
    return None


def as_names(value: Any) -> Any:
    """Return an array, Index or Series of strings as a list, and other values unchanged."""
    if isinstance(value, (np.ndarray, pd.Index, pd.Series)) and value.ndim == 1:
        return [str(name) for name in value] if all(isinstance(name, str) for name in value) else value
    return value


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names of several lineages as a list; raise an error if they are not unique."""
    if not names:
        raise ValueError("lineage is an empty list. Name at least one lineage.")
    nested = [name for name in names if np.ndim(name) > 0]
    if nested:
        raise TypeError(f"lineage must be a name or a list of names; it contains {nested[0]!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"lineage contains duplicates: {list(names)}. Pass each name once.")
    endings = {f"{end}_{name}" for end in _ENDINGS for name in names} | set(_ENDINGS[:3])
    alike = [name for name in names if len(names) > 1 and name in endings]
    if alike:  # columns of the tables have the names of the lineages as suffix
        raise ValueError(
            f"In the tables, columns of lineage {alike[0]!r} would have the same names as other columns. Rename the lineage."
        )
    return list(names)


def check_distinct(adata: AnnData, lineages: Sequence, lineage_key: object) -> None:
    """Raise a ValueError if several lineages would be read from one column of weights, which accepts any name."""
    if len(lineages) < 2 or not isinstance(lineage_key, str):
        return
    if is_one_lineage(with_annotations(adata), lineage_key, lineages):
        raise ValueError(
            f"lineage_key={lineage_key!r} is a column of obs with the weights of one lineage, but {len(lineages)} "
            "lineages are requested. Pass one column per lineage and use the names of the columns, e.g. "
            f"lineage_key=[{lineage_key!r}, ...], lineage=[{lineage_key!r}, ...]."
        )


def _named(adata: AnnData, key: object, lineage: str | None = None) -> LineageSource:
    """Return the lineages stored under a key given by the user."""
    if isinstance(key, (list, tuple, np.ndarray, pd.Index, pd.Series)):
        if isinstance(key, pd.Series) or not all(isinstance(name, str) for name in key):
            raise TypeError(
                "lineage_key must be a name or a list of names, not the weights. Store the weights in obs, "
                "adata.obs['my_lineage'] = ..., and pass lineage_key='my_lineage'."
            )
        if len(key) == 0:
            raise TypeError(f"lineage_key must be one name; got {key!r} of type {type(key).__name__}.")
        return columns_source(adata, list(key), {name: name for name in key})
    check_key("lineage_key", key)
    key = cast("str", key)
    if key in TREE_KEYS and key not in adata.obsm and (tree := tree_source(adata, key)) is not None:
        return tree
    if key in adata.obs and key not in adata.obsm:
        return column_source(adata, key, lineage)
    matrix = matrix_source(adata, key)
    if matrix is None:
        raise UnknownNameError(
            f"lineage_key {key!r} is neither in adata.obsm nor in adata.obs."
            f"{did_you_mean(key, [*adata.obsm, *adata.obs.columns])}"
        )
    return matrix


def _stored(adata: AnnData, backward: bool) -> list[LineageSource]:
    """Return the matrices of weights under known keys, except masks derived from one of them."""
    present = set(adata.obsm)  # looked up once: anndata compares the names of all cells every time
    known = [
        key for key in (BACKWARD_KEYS if backward else FORWARD_KEYS) if key in present or columns_of_matrix(adata, key)
    ]
    sources = {key: source for key in known if (source := matrix_source(adata, key))}
    masks = sources.pop(_MASKS, None)
    whole = [source for source in sources.values() if masks and set(masks.names) <= set(source.names)]
    if whole:
        _log.info("Weights are taken from %r, not from the masks %r made from them.", whole[0].key, _MASKS)
    return [*sources.values(), *([masks] if masks and not whole else [])]


def _no_weights(adata: AnnData, lineage: str, backward: bool) -> UnknownNameError:
    keys = BACKWARD_KEYS if backward else FORWARD_KEYS
    column = (
        f" adata.obs has a column {lineage!r}: pass lineage_key={lineage!r}, or a list of such columns as lineage_key "
        "for several lineages."
        if lineage in adata.obs
        else ""
    )
    return UnknownNameError(
        f"Lineage {lineage!r} is requested, but adata.obsm contains no lineage weights (none of "
        f"{quoted(keys, len(keys))}; found {quoted(adata.obsm) or 'nothing'}).{column} Pass their key as "
        f"lineage_key=..., or omit lineage to take all cells as one trajectory."
    )
