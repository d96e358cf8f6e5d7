"""Cells x lineages matrices of weights or pseudotimes, in obsm or as columns of obs, and the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import quoted
from ...utils.checking import as_numbers
from ...utils.matrices import dense
from ..columns import numbers_in
from .source import LineageSource, columns_source

TIME_MATRIX_KEYS = ("slingshot_pseudotime", "pseudotime")  # cells x lineages in obsm
SLINGSHOT_TIMES = "slingPseudotime"  # slingshot's columns of colData: slingPseudotime_1, slingPseudotime_2, ...
_NUMBERED = re.compile(r"(?:Lineage|curve|V)(\d+)")  # lineage names of slingshot, of its old versions, and of R
_MEMBERSHIPS = "_memberships"  # obsm["term_states_fwd_memberships"] goes with obs["term_states_fwd"]
_STATE_KEYS = {
    "lineages_fwd": ("term_states_fwd", "terminal_states"),
    "to_terminal_states": ("terminal_states", "term_states_fwd"),
    "lineages_bwd": ("term_states_bwd", "init_states_bwd", "init_states_fwd", "initial_states"),
    "from_initial_states": ("initial_states", "term_states_bwd"),
}


def matrix_source(adata: AnnData, key: str) -> LineageSource | None:
    """Return the lineages of a matrix in obsm, or stored as columns of obs; `None` if there is none.

    Names of a matrix are those of a DataFrame or of CellRank's Lineage object, in `uns` (`{key}_names`, `{key}_columns`),
    or those of CellRank's terminal states in obs; otherwise they are "0", "1", ...
    """
    if key in adata.obsm:
        names = _names(adata, key)
        numbered = names == [str(index) for index in range(len(names))]
        note = lost_names(adata, key, len(names)) if numbered else ""
        return LineageSource(key, names, partial(_column, adata, key), note)
    columns = columns_of_matrix(adata, key)
    return columns_source(adata, key, columns) if columns else None


def _names(adata: AnnData, key: str) -> list[str]:
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        return [str(name) for name in values.columns]
    n_lineages = 1 if values.ndim == 1 else values.shape[1]
    candidates = [getattr(values, "names", None)]
    in_uns = (f"{key}_names", f"{key}_columns", f"{key}_colnames")
    candidates += [adata.uns[name] for name in in_uns if name in adata.uns]
    candidates = [names for names in candidates if names is not None and len(names) == n_lineages]
    names = candidates[0] if candidates else state_names(adata, key, n_lineages, partial(_column, adata, key))
    return [str(name) for name in (range(n_lineages) if names is None else names)]


def _column(adata: AnnData, key: str, column: int) -> np.ndarray:
    """Return one column of `adata.obsm[key]` as a float array `(n_obs,)`."""
    values = adata.obsm[key]
    if not isinstance(values, pd.DataFrame):
        values = dense(values)
        if values.ndim > 2:
            raise ValueError(f"adata.obsm[{key!r}] must have one or two dimensions; its shape is {values.shape}.")
        values = pd.DataFrame(values)
    numbers = numbers_in(values.iloc[:, column], booleans=True)
    return as_numbers(f"adata.obsm[{key!r}], column {column},", values.iloc[:, column]) if numbers is None else numbers


def columns_of_matrix(adata: AnnData, key: str) -> dict[str, str]:
    """Return the columns of obs that contain the matrix of this key, as {name of the lineage: name of the column}.

    R's `data.frame` (and with it zellkonverter) names the columns of a matrix `cellWeights.Lineage1`; slingshot writes
    its pseudotimes to `slingPseudotime_1`, which belongs to `Lineage1`.

    >>> import anndata
    >>> obs = pd.DataFrame({"slingPseudotime_1": [0.0], "cellWeights.Lineage1": [1.0]}, index=["cell"])
    >>> adata = anndata.AnnData(np.zeros((1, 1)), obs=obs)
    >>> columns_of_matrix(adata, "slingPseudotime"), columns_of_matrix(adata, "cellWeights")
    ({'Lineage1': 'slingPseudotime_1'}, {'Lineage1': 'cellWeights.Lineage1'})
    """
    columns = [column for column in adata.obs.columns if isinstance(column, str)]
    if key == SLINGSHOT_TIMES:
        found = [(re.fullmatch(rf"{key}_(\d+)", column), column) for column in columns]
        return {f"Lineage{match[1]}": column for match, column in found if match}
    return {column[len(key) + 1 :]: column for column in columns if column.startswith(f"{key}.")}


def like(lineage: str, names: list[str]) -> list[str]:
    """Return the names that may mean a lineage: the same or the one with its number; all if it has neither.

    >>> like("curve2", ["Lineage1", "Lineage2"]), like("Lineage3", ["Lineage1"]), like("Ery", ["Lineage1", "Lineage2"])
    (['Lineage2'], [], ['Lineage1', 'Lineage2'])
    """
    number = _NUMBERED.fullmatch(lineage)
    if lineage in names or number is None:
        return [lineage] if lineage in names else names
    return [name for name in names if (match := _NUMBERED.fullmatch(name)) and match[1] == number[1]]


def state_names(adata: AnnData, key: str, n_lineages: int, column: Callable[[int], np.ndarray]) -> list[str] | None:
    """Return the categories of the states that belong to `adata.obsm[key]`, or `None` if their number does not match.

    CellRank relies only on the order of these categories. Reordered categories would exchange lineages. Therefore the
    cells of each state must have, on average, their highest probability in the `column` that the state would name.
    """
    for state in states_of(adata, key):
        names = [str(name) for name in adata.obs[state].cat.categories]
        if len(names) == n_lineages:
            _check_order(adata, key, state, names, column)
            return names
    return None


def lost_names(adata: AnnData, key: str, n_lineages: int) -> str:
    """Return a message about names lost by taking a subset of cells, or "" if there are no states.

    anndata drops the categories of states without cells, which are the only record of the names.
    """
    states = states_of(adata, key)
    if not states:
        return ""
    names = [str(name) for name in adata.obs[states[0]].cat.categories]
    subset = ", as after taking a subset of the cells" if len(names) < n_lineages else ""
    return (
        f"The names of the {n_lineages} columns of adata.obsm[{key!r}] are lost: CellRank stores them as the "
        f"categories of adata.obs[{states[0]!r}], of which {len(names)} remain ({quoted(names) or 'none'}){subset}. "
        f"Set adata.uns['{key}_names'] to the list of all {n_lineages} names, in the order of the columns: that of the "
        "categories when the probabilities were computed."
    )


def states_of(adata: AnnData, key: str) -> list[str]:
    """Return the columns of obs with the terminal or initial states that may belong to `adata.obsm[key]`."""
    keys = (key.removesuffix(_MEMBERSHIPS),) if key.endswith(_MEMBERSHIPS) else _STATE_KEYS.get(key, ())
    return [key for key in keys if key in adata.obs and isinstance(adata.obs[key].dtype, pd.CategoricalDtype)]


def _check_order(adata: AnnData, key: str, state: str, names: list[str], column: Callable) -> None:
    if len(names) < 2:
        return
    codes = adata.obs[state].cat.codes.to_numpy()
    in_state = codes >= 0
    codes = codes[in_state]
    fates = np.column_stack([column(position)[in_state] for position in range(len(names))])
    means = pd.DataFrame(fates).groupby(codes).mean().dropna()
    own = np.array([means.loc[code, code] for code in means.index])
    wrong = np.flatnonzero(own < means.max(axis=1).to_numpy())
    if not len(wrong):
        return
    at = means.index[wrong[0]]
    best = int(means.loc[at].idxmax())
    order = {int(means.loc[code].idxmax()): names[code] for code in means.index}
    right = [order[column] for column in range(len(names))] if len(order) == len(names) else None
    advice = f"{right}, as the cells show," if right else "the list of names in the order of the columns"
    raise ValueError(
        f"The columns of adata.obsm[{key!r}] cannot be named after the categories of adata.obs[{state!r}], {names}: "
        f"the cells of {names[at]!r} have the highest mean in column {best} ({means.loc[at, best]:.3g}; "
        f"{own[wrong[0]]:.3g} in column {at}). The categories were reordered after the probabilities were computed. "
        f"Set adata.uns['{key}_names'] to {advice} or restore the order of the categories."
    )
