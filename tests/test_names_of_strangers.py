"""Names that are formulas, mathematics or too long: shown and written unchanged, without overwriting or evaluation."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.cli.analysing import result_files
from lineage_clust.io.spreadsheets import write_csv
from lineage_clust.plotting.drivers import plot_drivers
from lineage_clust.plotting.parts.labels import fit_text, plain
from lineage_clust.utils.atomic import replace_all

from .fits import QUICK

SETTINGS = {"clusterer": QUICK, "n_points": 30, "alpha": None, "random_state": 0}

MATHS = [r"$\badcmd$", "$x$", "a$b", "$$", r"\$", "$^$_$", r"$\frac{1}{$", "x_$i$ and $\\sqrt"]
FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(A1:A9)", "\t=1", '=HYPERLINK("http://x")', "-Klf1"]


@pytest.fixture
def adata(make_adata):
    made = make_adata(n_cells=120, n_genes=24, kind="dense")
    names = [*MATHS, *FORMULAS]
    made.var_names = [*names, *made.var_names[len(names) :]]
    made.obsm["palantir_fate_probabilities"].columns = [r"$\badlineage$", "a/b"]
    made.obs[r"$\badcolumn$"] = pd.Categorical(np.where(np.arange(120) % 2, r"$\badlevel$", "plain"))
    return made


@pytest.fixture
def fitted(adata):
    clusterer = lc.GraphClusterer(5, n_clusters=3)
    return lc.TrendClusterer(alpha=None, n_points=40, random_state=0, clusterer=clusterer).fit(
        adata, lineage=[r"$\badlineage$", "a/b"]
    )


def drawn_texts(figure):
    figure.canvas.draw()
    return [text for text in figure.findobj(plt.Text) if text.get_text()]


@pytest.mark.parametrize(
    "view",
    [
        lambda tc, adata: tc.plot(adata=adata, covariate_key=r"$\badcolumn$"),
        lambda tc, adata: tc.plot_heatmap(adata=adata, covariate_key=r"$\badcolumn$", label_genes=MATHS),
        lambda tc, adata: tc.plot_genes(MATHS[:4], adata=adata),
        lambda tc, adata: tc.plot_tree(),
        lambda tc, adata: tc.plot_graph(label_hubs=MATHS),
        lambda tc, adata: tc.models_[MATHS[0]][r"$\badlineage$"].plot(),
        lambda tc, adata: plot_drivers(lc.lineage_drivers(adata, r"$\badlineage$"), r"$\badlineage$"),
    ],
    ids=["panels", "heatmap", "genes", "tree", "graph", "gene", "drivers"],
)
@pytest.mark.first(2)
def test_a_dollar_in_a_name_is_a_dollar(view, fitted, adata):
    made = view(fitted, adata)
    figure = made if hasattr(made, "findobj") and hasattr(made, "canvas") else made.figure
    texts = drawn_texts(figure)  # a name that is taken for mathematics raises here
    dollars = [text for text in texts if "$" in text.get_text()]
    assert dollars
    for text in dollars:
        assert not text._preprocess_math(text.get_text())[1], text.get_text()


@pytest.mark.slow
def test_a_cut_name_keeps_its_dollars():
    figure = plt.figure(figsize=(3, 1))
    text = figure.text(0, 0.5, plain("$" * 60))
    fit_text(text, 100)
    shown, is_math = text._preprocess_math(text.get_text())
    assert not is_math
    assert set(shown) == {"$", "…"}
    assert shown.count("…") == 1
    plt.close(figure)


@pytest.mark.slow
def test_the_files_of_the_command_line_hold_text_where_names_are_formulas(fitted, adata, tmp_path):
    replace_all(result_files(fitted, tmp_path, adata))
    (genes,) = tmp_path.glob("genes_*.csv")
    table = pd.read_csv(genes, index_col=0)
    assert set(table.index) >= {f"'{name}" for name in FORMULAS}
    assert not any(str(name).startswith(("=", "+", "-", "@", "\t")) for name in table.index)
    np.testing.assert_allclose(table["edf_a/b"], fitted.gene_table_["edf_a/b"])
    assert len(list(tmp_path.iterdir())) == 5


def test_numbers_in_a_table_stay_numbers(tmp_path):
    table = pd.DataFrame({"a": [-1.5, 2.0], "b": ["-1.5", None], "c": ["=1", "x"]}, index=["+g", "h"])
    write_csv(table, tmp_path / "file.csv")
    assert (tmp_path / "file.csv").read_text() == ",a,b,c\n'+g,-1.5,'-1.5,'=1\nh,2.0,,x\n"
    assert list(table.index) == ["+g", "h"]


@pytest.mark.slow
def test_lineages_whose_keys_are_alike_do_not_overwrite_each_other(adata, tmp_path):
    adata.obsm["palantir_fate_probabilities"].columns = ["a/b", "a_b"]
    fits = [lc.TrendClusterer(**SETTINGS).fit(adata, lineage=name) for name in ("a/b", "a_b")]
    keys = [tc.write_to(adata) for tc in fits]
    assert len(set(keys)) == 2
    assert len({path for tc in fits for path in result_files(tc, tmp_path)}) == 10
    joint = lc.TrendClusterer(**SETTINGS).fit(adata, lineage=["a/b", "a_b"])
    columns = joint.to_anndata().obs.columns
    assert columns.is_unique
    joint.to_anndata().write_h5ad(tmp_path / "joint.h5ad")


@pytest.mark.slow
def test_a_lineage_with_a_very_long_name_can_be_written(adata, tmp_path):
    adata.obsm["palantir_fate_probabilities"].columns = ["x" * 300, "other"]
    tc = lc.TrendClusterer(**SETTINGS).fit(adata, lineage="x" * 300)
    replace_all(result_files(tc, tmp_path))
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("what", ["gene", "lineage"])
def test_a_name_with_nul_is_one_sentence(what, adata, tmp_path):
    lineage = "a/b"
    if what == "gene":
        adata.var_names = ["bad\0gene", *adata.var_names[1:]]
    else:
        lineage = "bad\0lineage"
        adata.obsm["palantir_fate_probabilities"].columns = [lineage, "other"]
    tc = lc.TrendClusterer(**SETTINGS).fit(adata, lineage=lineage)
    for write in (tc.to_anndata, lambda: tc.write_to(adata)):
        with pytest.raises(ValueError, match=r"contains the character NUL, which files do not support. Rename it"):
            write()
