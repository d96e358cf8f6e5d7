"""Colours of lineages, from any of the keys used by common tools."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

import lineage_clust as lc
from lineage_clust.lineage.annotations import stored_colors
from lineage_clust.lineage.lineage import Reader

from ..fits import QUICK

KEY = "palantir_fate_probabilities"
CHOSEN = {"A": "tab:red", "B": "#00ff00"}


class Live(np.ndarray):
    names, colors = ["A", "B"], list(CHOSEN.values())


@pytest.fixture
def adata(make_adata):
    adata = make_adata(n_cells=60, n_genes=6, kind="dense")
    adata.obsm[KEY].columns = ["A", "B"]
    return adata


def beside_the_weights(adata):
    adata.uns[f"{KEY}_colors"] = list(CHOSEN.values())


def of_terminal_states(adata):
    fates = adata.obsm["lineages_fwd"] = adata.obsm.pop(KEY).to_numpy()
    states = np.where(fates.max(axis=1) < 0.8, None, np.array(["A", "B"])[fates.argmax(axis=1)])
    adata.obs["term_states_fwd"] = pd.Categorical(states, categories=["A", "B"])
    adata.uns["term_states_fwd_colors"] = np.array(list(CHOSEN.values()))


def of_a_live_lineage(adata):
    adata.obsm["lineages_fwd"] = adata.obsm.pop(KEY).to_numpy().view(Live)


@pytest.mark.parametrize("stored", [beside_the_weights, of_terminal_states, of_a_live_lineage])
def test_they_are_found_where_tools_put_them(stored, adata):
    stored(adata)
    assert stored_colors(adata, ["B", "A"], Reader()) == CHOSEN
    assert stored_colors(adata, ["A, B"], Reader()) == {}  # a combination has none


def test_too_few_are_none(adata):
    adata.uns[f"{KEY}_colors"] = ["red"]
    assert stored_colors(adata, ["A", "B"], Reader()) == {}
    del adata.obsm[KEY]
    assert stored_colors(adata, [None], Reader()) == {}


@pytest.mark.slow
def test_pictures_with_cells_have_them(adata):
    tc = lc.TrendClusterer(alpha=None, n_points=20, random_state=0, clusterer=QUICK).fit(adata, lineage=["B", "A"])

    def drawn(figure):
        lines = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
        return {name: lines[name] for name in ("A", "B")}

    ours = drawn(tc.plot_genes(tc.genes_[0], adata))
    beside_the_weights(adata)
    found = drawn(tc.plot_genes(tc.genes_[0], adata))
    assert all(same_color(found[name], CHOSEN[name]) for name in CHOSEN)
    assert not any(same_color(ours[name], CHOSEN[name]) for name in CHOSEN)
    for name, ax in zip(("B", "A"), tc.plot_lineage(adata), strict=True):
        rgb = ax.collections[0].get_facecolors()[:, :3]
        assert any(same_color(one, CHOSEN[name]) for one in rgb)
