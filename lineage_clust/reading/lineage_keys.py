"""Under which names the field's tools write pseudotime and lineage weights, and finding them in an AnnData."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ..errors import UnknownNameError, did_you_mean, quoted
from ..utils.checking import as_numbers, check_key

_log = logging.getLogger(__name__)

# Palantir, scanpy, scVelo, CellRank, slingshot, monocle, scFates
TIME_KEYS = (
    "palantir_pseudotime",
    "dpt_pseudotime",
    "latent_time",
    "velocity_pseudotime",
    "ct_pseudotime",
    "slingshot_pseudotime",
    "monocle3_pseudotime",
    "pseudotime",
    "Pseudotime",
    "t",
)
TIME_MATRIX_KEYS = ("slingshot_pseudotime", "pseudotime")
# CellRank 2 and 1, Palantir, slingshot, tradeSeq
FORWARD_KEYS = (
    "lineages_fwd",
    "to_terminal_states",
    "palantir_fate_probabilities",
    "fate_probabilities",
    "slingshot_cell_weights",
    "cell_weights",
    "cellWeights",
    "branch_masks",
)
BACKWARD_KEYS = ("lineages_bwd", "from_initial_states")
# where CellRank keeps the names of the columns of an array of fate probabilities
_STATE_KEYS = {
    "lineages_fwd": ("term_states_fwd", "terminal_states"),
    "to_terminal_states": ("terminal_states", "term_states_fwd"),
    "lineages_bwd": ("term_states_bwd", "init_states_bwd", "init_states_fwd", "initial_states"),
    "from_initial_states": ("initial_states", "term_states_bwd"),
}


def find_weights(
    adata: AnnData, lineage: str | None, lineage_key: str | None, backward: bool
) -> tuple[str | None, str | None, np.ndarray]:
    """Return the lineage's name, the key its weights were read from, and the weights `(n_obs,)`.

    Raises
    ------
    UnknownNameError
        If the key or the lineage is not there, or lineage data is missing although a lineage is named.
    ValueError
        If several lineages or several keys fit.
    """
    if lineage is not None and np.ndim(lineage) > 0:
        raise TypeError(f"A lineage must be one name; got {lineage!r}. Several are a list of names.")
    check_key("lineage_key", lineage_key)
    if lineage_key is not None:
        if lineage_key in adata.obs and lineage_key not in adata.obsm:
            return _weights_from_obs(adata, lineage, lineage_key)
        if lineage_key not in adata.obsm:
            raise UnknownNameError(
                f"lineage_key {lineage_key!r} is neither in adata.obsm nor in adata.obs."
                f"{did_you_mean(lineage_key, [*adata.obsm, *adata.obs.columns])}"
            )
        keys = [lineage_key]
    else:
        present = set(adata.obsm)  # looked up once: anndata compares the names of all cells every time
        keys = [key for key in (BACKWARD_KEYS if backward else FORWARD_KEYS) if key in present]
    if not keys:
        return _single_trajectory(adata, lineage, backward)
    names = {key: lineage_names(adata, key) for key in keys}
    if lineage is None:
        found = [(key, name) for key in keys for name in names[key]]
        if len(found) > 1:
            listed = "; ".join(f"{key!r}: {quoted(names[key])}" for key in keys)
            raise ValueError(f"adata holds several lineages ({listed}). Choose one with lineage=...")
    else:
        found = [(key, name) for key in keys for name in names[key] if name == str(lineage)]
        if not found:
            listed = "; ".join(f"{key!r} holds {quoted(names[key]) or 'no lineage'}" for key in keys)
            every = [name for key in keys for name in names[key]]
            raise UnknownNameError(f"Lineage {str(lineage)!r} is not there: {listed}.{did_you_mean(lineage, every)}")
        if len(found) > 1 and len({key for key, _ in found}) == 1:
            raise ValueError(
                f"{found[0][0]!r} has {len(found)} columns named {str(lineage)!r}. Give its columns names of their own."
            )
        if len(found) > 1:
            raise ValueError(
                f"Lineage {str(lineage)!r} is in {quoted(key for key, _ in found)}. Choose one with lineage_key=..."
            )
    key, name = found[0]
    return name, key, _column(adata, key, names[key].index(name))


def available_lineages(adata: AnnData, lineage_key: str | None = None, backward: bool = False) -> list[str]:
    """Return the names of all lineages of one key.

    Raises
    ------
    UnknownNameError
        If there is no lineage data.
    ValueError
        If several keys hold lineages.
    """
    if lineage_key is not None and lineage_key not in adata.obsm and lineage_key in adata.obs:
        return [lineage_key]
    known = BACKWARD_KEYS if backward else FORWARD_KEYS
    present = set(adata.obsm)
    keys = [key for key in known if key in present] if lineage_key is None else [lineage_key]
    if not keys or keys[0] not in present:
        raise UnknownNameError(
            f"adata.obsm holds no lineage weights (looked for {quoted(keys or known, len(known))}). Name them with "
            "lineage_key=..."
        )
    if len(keys) > 1:
        raise ValueError(f"Lineages are in {quoted(keys)}. Choose with lineage_key=..., or name the lineages.")
    return lineage_names(adata, keys[0])


def find_pseudotime(adata: AnnData, time_key: str | None, lineage: str | None) -> np.ndarray:
    """Return pseudotime `(n_obs,)` from obs, or from a matrix in obsm that has a column for the lineage.

    Raises
    ------
    UnknownNameError
        If `time_key` or every known name is missing.
    ValueError
        If several known names are there.
    TypeError
        If the values are not numbers.
    """
    check_key("time_key", time_key)
    if time_key is None:
        in_obs = [key for key in TIME_KEYS if key in adata.obs]
        present = set(adata.obsm)
        in_obsm = [
            key
            for key in TIME_MATRIX_KEYS
            if key in present and lineage is not None and lineage in lineage_names(adata, key)
        ]
        found = list(dict.fromkeys([*in_obs, *in_obsm]))
        if not found:
            numeric = [key for key in adata.obs if pd.api.types.is_float_dtype(adata.obs[key])]
            raise UnknownNameError(
                f"No pseudotime was found: none of {quoted(TIME_KEYS, len(TIME_KEYS))} is in adata.obs. Name it with "
                f"time_key=...; columns of obs that hold numbers: {quoted(numeric) or 'none'}."
            )
        if len(found) > 1:
            raise ValueError(f"adata holds several pseudotimes: {quoted(found)}. Choose one with time_key=...")
        time_key = found[0]
    _log.debug("Pseudotime of lineage %r is read from %r.", lineage, time_key)
    if time_key in adata.obs:
        values = adata.obs[time_key]
        is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values)
        if not is_number or pd.api.types.is_bool_dtype(values):
            raise TypeError(
                f"Pseudotime adata.obs[{time_key!r}] must be numeric; its dtype is {values.dtype}. "
                "Convert it, e.g. with .astype(float)."
            )
        return values.to_numpy(dtype=float, na_value=np.nan)
    if time_key in adata.obsm:
        names = lineage_names(adata, time_key)
        if lineage is None and len(names) == 1:
            lineage = names[0]
        if lineage not in names:
            raise UnknownNameError(
                f"adata.obsm[{time_key!r}] has no pseudotime for lineage {lineage!r}; its columns are {quoted(names)}."
            )
        return _column(adata, time_key, names.index(lineage))
    raise UnknownNameError(
        f"time_key {time_key!r} is neither in adata.obs nor in adata.obsm."
        f"{did_you_mean(time_key, [*adata.obs.columns, *adata.obsm])}"
    )


def lineage_names(adata: AnnData, key: str) -> list[str]:
    """Return the names of the lineages in `adata.obsm[key]`, in the order of its columns.

    They are taken from the columns of a DataFrame, from the `names` of CellRank's own Lineage object, from `uns`
    (`{key}_names`, `{key}_columns`) or from CellRank's terminal states in obs; otherwise they are "0", "1", ...
    """
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        return [str(name) for name in values.columns]
    n_lineages = 1 if values.ndim == 1 else values.shape[1]
    candidates = [getattr(values, "names", None)]
    in_uns = (f"{key}_names", f"{key}_columns", f"{key}_colnames")
    candidates += [adata.uns[name] for name in in_uns if name in adata.uns]
    candidates += [
        adata.obs[state].cat.categories
        for state in _STATE_KEYS.get(key, ())
        if state in adata.obs and isinstance(adata.obs[state].dtype, pd.CategoricalDtype)
    ]
    for names in candidates:
        if names is not None and len(names) == n_lineages:
            return [str(name) for name in names]
    return [str(index) for index in range(n_lineages)]


def _weights_from_obs(adata: AnnData, lineage: str | None, key: str) -> tuple[str, str, np.ndarray]:
    values = adata.obs[key]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_complex_dtype(values):  # bool is a branch mask
        raise TypeError(
            f"Lineage weights adata.obs[{key!r}] must be numbers or booleans; the dtype is {values.dtype}. For a "
            f"categorical branch, pass e.g. a column (adata.obs[{key!r}] == name)."
        )
    name = key if lineage is None else str(lineage)
    return name, key, values.to_numpy(dtype=float, na_value=np.nan)


def _single_trajectory(adata: AnnData, lineage: str | None, backward: bool) -> tuple[None, None, np.ndarray]:
    if lineage is not None:
        keys = BACKWARD_KEYS if backward else FORWARD_KEYS
        raise UnknownNameError(
            f"Lineage {str(lineage)!r} is asked for, but adata.obsm holds no lineage weights (none of "
            f"{quoted(keys, len(keys))}; found {quoted(adata.obsm) or 'nothing'}). Name them with lineage_key=..., or "
            "leave lineage out to take all cells as one trajectory."
        )
    return None, None, np.ones(adata.n_obs)


def _column(adata: AnnData, key: str, column: int) -> np.ndarray:
    """Return one column of `adata.obsm[key]` as a float array `(n_obs,)`."""
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        chosen = values.iloc[:, column]
        missing_as_nan = pd.api.types.is_numeric_dtype(chosen) and pd.api.types.is_extension_array_dtype(chosen)
        chosen = chosen.to_numpy(dtype=float, na_value=np.nan) if missing_as_nan else chosen.to_numpy()
    elif sparse.issparse(values):
        chosen = values.toarray()[:, column]
    else:
        values = np.asarray(values)
        if values.ndim > 2:
            raise ValueError(f"adata.obsm[{key!r}] must have one or two dimensions; its shape is {values.shape}.")
        chosen = values if values.ndim == 1 else values[:, column]
    return as_numbers(f"adata.obsm[{key!r}], column {column},", chosen)
