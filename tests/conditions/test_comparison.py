"""ConditionComparison: tables, methods and figures."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lineage_clust import TrendClusterer
from lineage_clust.errors import UnknownNameError
from lineage_clust.io.files import persistence

from ..io.files.hostile import hostile


def test_it_cannot_be_changed(found):
    with pytest.raises(AttributeError):
        found.alpha = 0.1


def test_trends_of_donors_are_around_those_of_their_condition(found):
    own = found.sample_trends("gene10")
    assert own.shape == (8, 40)
    control = (found.samples["condition"] == "control").to_numpy()
    np.testing.assert_allclose(own[control].mean(axis=0), found.trends[0, 10], atol=0.15)
    assert np.ptp(own[control].mean(axis=1)) > 0.1


def test_wider_levels_are_wider(found):
    narrow, wide = (np.subtract(*found.difference_band("gene0", level=level)[::-1]) for level in (0.8, 0.99))
    assert np.all(wide > narrow)


@pytest.mark.parametrize(("gene", "hint"), [("gene99", "was not compared"), ("Gene1", "Did you mean 'gene1'")])
def test_unknown_genes_are_named(found, gene, hint):
    with pytest.raises(UnknownNameError, match=hint):
        found.difference_band([gene])


def test_an_unknown_condition_is_named(found):
    with pytest.raises(UnknownNameError, match="compared with 'control'"):
        found.plot_heatmap("drug")


@pytest.mark.slow
def test_every_picture_says_what_was_replicated(found, without_donors):
    for result, words in ((found, "8 donors"), (without_donors, "Cells were taken")):
        for figure in (result.plot_genes(["gene0", "gene5"]), result.plot_heatmap(), result.plot_volcano().figure):
            assert figure.get_supxlabel().replace("\n", " ").startswith(words)


def test_genes_are_drawn_with_a_line_a_donor(found, without_donors):
    upper, lower = found.plot_genes("gene5").axes
    thin = [line for line in upper.lines if line.get_linewidth() < 1]
    assert len(thin) == 8
    assert "shape" in upper.texts[0].get_text()
    assert len(lower.collections) == 1
    assert not [line for line in without_donors.plot_genes("gene5").axes[0].lines if line.get_linewidth() < 1]


def test_the_heatmap_has_the_genes_that_differ_by_cluster(found):
    ax = found.plot_heatmap().axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    shown = found.table.loc[names, "cluster"].to_numpy()
    assert len(names) == (found.labels >= 0).sum()
    assert np.all(np.diff(shown) >= 0)
    assert np.abs(ax.images[0].get_array()).max() == pytest.approx(1.0)


def test_a_condition_that_hardly_differs_is_pale_in_its_heatmap(found):
    both = replace(
        found, conditions=[*found.conditions, "mock"], sample_key=None,
        differences=np.concatenate([found.differences, 0.1 * found.differences]),
    )  # fmt: skip
    strong, pale = (both.plot_heatmap(name).axes[0].images[0].get_array() for name in both.conditions[1:])
    np.testing.assert_allclose(pale, 0.1 * strong)
    assert np.abs(strong).max() == pytest.approx(1.0)
    assert both.plot_heatmap("mock").axes[1].get_xlabel() == "difference / its largest value in any condition"


def test_the_volcano_has_every_gene(found):
    ax = found.plot_volcano(n_names=3)
    points = np.vstack([part.get_offsets() for part in ax.collections if len(part.get_offsets()) > 0])
    assert len(points) == len(found.genes)
    assert 0 < len(ax.texts) <= 3


def test_the_volcano_leaves_out_genes_without_a_test(found):
    table = found.table.copy()
    table.loc["gene9", "qvalue_both"] = np.nan
    ax = replace(found, table=table).plot_volcano()
    assert np.isfinite(ax.get_ylim()).all()


def test_q_values_of_zero_are_not_written_as_zero(found):
    table = found.table.assign(qvalue_level=0.0, qvalue_both=0.0)
    found = replace(found, table=table)
    assert "level < 1e-300" in found.plot_genes("gene5").axes[0].texts[0].get_text()
    ax = found.plot_volcano()
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_yticklabels() if "≥" in label.get_text()] == ["≥ 100"]


def test_a_file_gives_the_same_back(found, tmp_path):
    found.save(tmp_path / "found.lclust")
    again = type(found).load(tmp_path / "found.lclust")
    pd.testing.assert_frame_equal(again.table, found.table)
    pd.testing.assert_frame_equal(again.samples, found.samples)
    np.testing.assert_array_equal(again.difference_band()[0], found.difference_band()[0])
    np.testing.assert_array_equal(again.sample_trends("gene3"), found.sample_trends("gene3"))
    assert str(again) == str(found)
    again.plot_heatmap()


def test_files_that_are_no_comparisons_are_refused(found, tmp_path):
    (tmp_path / "none.lclust").write_bytes(b"PK not ours")
    with pytest.raises(ValueError, match=r"not a file of ConditionComparison\.save"):
        type(found).load(tmp_path / "none.lclust")
    data = persistence.to_bytes(found)
    with pytest.raises(ValueError, match="cannot be read as a TrendClusterer"):
        persistence.from_bytes(data, TrendClusterer)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.first(5)
def test_hostile_files_are_refused_with_a_sentence_or_are_harmless(found, seed):
    what, data = hostile(persistence.to_bytes(found), seed)
    again = None
    with suppress(ValueError):  # and nothing else
        again = persistence.from_bytes(data, type(found))
    if again is None:
        return
    assert isinstance(str(again), str), what
    again.difference_band(again.genes[:1], again.conditions[1])


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.zeros(3, dtype=int)}, {"conditions": ["control"]}, {"alpha": "x"}, {"pseudotime": np.zeros(40)},
        {"details": {}}, {"gaps": pd.DataFrame({"condition": ["other"], "start": [0.0], "end": [1.0]})}, {"genes": [1] * 24},
    ],
)  # fmt: skip
def test_parts_that_do_not_go_together_are_refused(found, change):
    data = persistence.to_bytes(replace(found, **change))
    with pytest.raises(ValueError, match="cannot be read"):
        persistence.from_bytes(data, type(found))
