"""Names of CellRank's lineages from its terminal states, because files store fate probabilities without names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import quoted

_MEMBERSHIPS = "_memberships"  # obsm["term_states_fwd_memberships"] goes with obs["term_states_fwd"]
_STATE_KEYS = {
    "lineages_fwd": ("term_states_fwd", "terminal_states"),
    "to_terminal_states": ("terminal_states", "term_states_fwd"),
    "lineages_bwd": ("term_states_bwd", "init_states_bwd", "init_states_fwd", "initial_states"),
    "from_initial_states": ("initial_states", "term_states_bwd"),
}


def state_names(adata: AnnData, key: str, n_lineages: int, column: Callable[[int], np.ndarray]) -> list[str] | None:
    """Return the categories of the states that belong to `adata.obsm[key]`, or `None` if their number does not match.

    `column` returns a column `(n_obs,)` of that matrix.

    CellRank relies only on the order of these categories. Reordered categories would exchange lineages. Therefore the
    cells of each state must have, on average, their highest probability in the column that the state would name.
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
