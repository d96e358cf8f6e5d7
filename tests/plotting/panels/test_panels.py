"""Figure with one panel per cluster: curves, limits of the axes, titles, and choice of clusters."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from lineage_clust.plotting import cluster_colors, plot_clusters
from lineage_clust.plotting.panels.panels import check_clusters
from lineage_clust.plotting.panels.parts import limits, n_beyond
from lineage_clust.plotting.parts.captions import Caption
from lineage_clust.plotting.parts.strips import Strip

from ..colour_vision import contrast

GRID = np.linspace(0.2, 0.9, 30)
LABELS = np.array([0, 0, 1, -1, 2, 2, 2, 3])
SCALED = np.random.default_rng(0).normal(size=(8, 30)).cumsum(axis=1)
GENES = [f"Gene{index}" for index in range(8)]


def draw(**arguments):
    figure = plot_clusters(SCALED, LABELS, GRID, **arguments)
    figure.canvas.draw()
    return figure


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def of_kind(ax, gid):
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def numbers(ax):
    return of_kind(ax, "numbers")[0]


def gene_curves(ax):
    return [path for drawn in ax.collections if drawn.get_gid() == "gene" for path in drawn.get_segments()]


def lines_like(ax, values):
    drawn = [line.get_ydata() for line in ax.lines] + [path[:, 1] for path in gene_curves(ax)]
    return [y for y in drawn if len(y) == len(values) and np.allclose(y, values)]


def test_one_panel_a_cluster():
    figure = draw()
    assert isinstance(figure, Figure)
    assert titles(figure) == ["cluster 0", "cluster 1", "cluster 2", "cluster 3"]
    assert [numbers(ax).split(" · ")[0] for ax in figure.axes] == ["2 genes", "1 gene", "3 genes", "1 gene"]


def test_a_panel_shows_each_trend_the_mean_and_a_band_over_pseudotime():
    figure = draw()
    for cluster, ax in enumerate(figure.axes):
        members = SCALED[LABELS == cluster]
        for trend in [*members, members.mean(axis=0)]:
            assert lines_like(ax, trend)
        assert all(np.allclose(line.get_xdata(), GRID) for line in ax.lines if len(line.get_xdata()) > 1)
        assert all(np.allclose(path[:, 0], GRID) for path in gene_curves(ax))
        if len(members) > 1:
            band = ax.collections[1].get_paths()[0].vertices
            assert band[:, 1].max() == pytest.approx(np.quantile(members, 0.9, axis=0).max())
            assert band[:, 1].min() == pytest.approx(np.quantile(members, 0.1, axis=0).min())
        assert ax.get_xlim() == pytest.approx((0.2, 0.9))


def test_axes_are_labelled():
    figure = draw(ylabel="z", ncols=3)
    written = [text.get_text() for text in figure.findobj(Text)]
    assert written.count("pseudotime") == 1
    assert written.count("z") == 1
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("pseudotime", "z")
    for ax in figure.axes[-3:]:  # also above an empty place
        assert any(label.get_visible() and label.get_text() for label in ax.get_xticklabels())


def test_the_most_important_genes_are_named_first():
    figure = draw(genes=GENES, importance=np.array([0.1, 0.9, 0, 0, np.nan, 0.2, 0.8, 0]), n_named=2)
    texts = [of_kind(ax, "genes") for ax in figure.axes]
    assert texts == [["Gene1, Gene0"], ["Gene2"], ["Gene6, Gene5"], ["Gene7"]]


def test_long_names_are_cut():
    figure = plot_clusters(SCALED[:2], LABELS[:2], GRID, genes=["x" * 30, "y" * 30])
    (text,) = of_kind(figure.axes[0], "genes")
    assert text == "x" * 30 + ", …"


@settings(max_examples=8)
@given(st.permutations([0, 1, 2, 3]), st.integers(1, 6))
def test_chosen_clusters_come_in_the_order_given(order, ncols):
    chosen = order[: 1 + order[0]]
    figure = plot_clusters(SCALED, LABELS, GRID, clusters=chosen, ncols=ncols)
    assert titles(figure) == [f"cluster {cluster}" for cluster in chosen]
    columns = {round(ax.get_position().x0, 3) for ax in figure.axes}
    assert len(columns) == min(ncols, len(chosen))
    plt.close(figure)


def test_a_cluster_keeps_its_colour():
    colors = cluster_colors(4)
    whole, part = draw(), draw(clusters=[2])
    for ax in (whole.axes[2], part.axes[0]):
        means = [line for line in ax.lines if line.get_gid() == "mean"]
        assert {to_hex(line.get_color()).upper() for line in means} == {colors[2]}


def test_genes_that_are_not_assigned_can_be_drawn():
    figure = draw(clusters=[-1])
    assert titles(figure) == ["not assigned"]
    assert lines_like(figure.axes[0], SCALED[3])


def test_very_many_trends_are_thinned_but_the_mean_is_of_all():
    rng = np.random.default_rng(1)
    many = rng.normal(size=(1500, 30))
    ax = plot_clusters(many, np.zeros(1500, dtype=int), GRID).axes[0]
    assert 100 < len(gene_curves(ax)) < 450
    assert lines_like(ax, many.mean(axis=0))
    assert numbers(ax).startswith("1,500 genes")


def test_several_lineages_lie_side_by_side():
    grid = np.r_[np.linspace(0, 0.7, 15), np.linspace(0, 1, 15)]
    names = np.array(["Ery"] * 15 + ["Neu"] * 15, dtype=object)
    figure = plot_clusters(SCALED, LABELS, grid, grid_lineage=names)
    figure.canvas.draw()
    ax = figure.axes[0]
    assert ax.get_xlim() == pytest.approx((0, 1.7))
    assert of_kind(ax, "lineage") == ["Ery", "Neu"]
    ends = figure.axes[-1].get_xticklabels()[-2:]  # the lowest in its column
    assert [label.get_text() for label in ends] == ["0.7 | 0", "1"]
    assert [label.get_position()[0] for label in ends] == pytest.approx([0.7, 1.7])
    for text in (text for text in ax.texts if text.get_gid() == "lineage"):  # where no trend is
        assert text.get_window_extent().y1 < ax.get_window_extent().y0
    drawn = np.concatenate([line.get_xdata() for line in ax.lines if line.get_gid() == "mean"])
    assert np.allclose(drawn, np.r_[grid[:15], 0.7 + grid[15:]])


@pytest.mark.parametrize("name", ["day", "W" * 18, "a name of a covariate that is long"])
def test_the_label_of_the_y_axis_is_beside_names_of_covariates(name, overlaps, left_out):
    figure = draw(strips=[Strip(name, np.ones((30, 4)), {}, (0.0, 1.0), "viridis")])
    [label] = [text for text in figure.texts if text.get_text() == "scaled expression"]
    names = [text for ax in figure.axes for text in ax.texts if text.get_text() and text.get_fontsize() == 7]
    assert names
    assert not overlaps(figure, [label, *names])
    assert not left_out(figure, [label, *names])
    gap = min(text.get_window_extent().x0 for text in names) - label.get_window_extent().x1
    assert gap < 0.35 * figure.dpi


def test_captions_of_several_lineages_are_written_in_full():
    said = ["several turns in branch2, three dips in branch3", "dip in fate0 and fate2, down-up-down in fate1"] * 2
    figure = draw(captions=[Caption(str(number), words, 3) for number, words in enumerate(said)])
    assert not any("…" in title for title in titles(figure))


@pytest.mark.parametrize("n_strips", [0, 1])
@pytest.mark.slow
def test_names_of_many_lineages_do_not_overlap(overlaps, left_out, n_strips):
    lineages = ["Erythroid progenitors", "B", "Monocytes", "cDC", "Megakaryocytes"]
    grid, names = np.tile(np.linspace(0, 1, 8), 5), np.repeat(lineages, 8)
    labels = np.arange(5)
    strip = Strip("depth", np.ones((40, 4)), {}, (0.0, 1.0), "viridis")
    figure = plot_clusters(
        np.random.default_rng(0).normal(size=(5, 40)), labels, grid, grid_lineage=names, strips=[strip] * n_strips
    )
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    shown = [text for text in texts if text.get_gid() == "lineage"]
    assert len(shown) == 25
    assert not overlaps(figure, shown)
    assert not left_out(figure, shown)
    for ax in figure.axes:
        ticks = [label for label in ax.get_xticklabels() if label.get_visible() and label.get_text()]
        assert not overlaps(figure, [*ticks, *(text for text in ax.texts if text.get_gid() == "lineage")])
    titles = [title for ax in figure.axes for title in (ax._left_title, ax._right_title)]
    assert not overlaps(figure, [*shown, *titles, *figure.texts])


@pytest.mark.slow
def test_size_resolution_and_shared_axes_are_the_user_s():
    figure = draw(figsize=(5, 4), dpi=50, sharey=True)
    assert figure.get_size_inches().tolist() == [5, 4]
    assert figure.dpi == 50
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert len({ax.get_ylim() for ax in draw(sharey=False).axes}) == 4
    rows = [ax.get_ylim() for ax in draw(sharey="row", ncols=2).axes]
    assert rows[0] == rows[1] != rows[2] == rows[3]


def test_nothing_is_shown_or_changed(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    before = SCALED.copy(), plt.rcParams.copy()
    draw()
    np.testing.assert_array_equal(SCALED, before[0])
    assert plt.rcParams == before[1]


@pytest.mark.parametrize("clusters", [None, [2, 0], 1, "1", np.array([3]), ["0", "2"]])
def test_forms_of_clusters(clusters):
    expected = {None: [0, 1, 2, 3]}.get(clusters) if clusters is None else [int(one) for one in np.atleast_1d(clusters)]
    assert check_clusters(clusters, LABELS) == expected


@pytest.mark.parametrize(
    ("clusters", "labels", "message"),
    [
        ([7], LABELS, r"There is no cluster 7; the clusters are \[0, 1, 2, 3\]"),
        (["first"], LABELS, "There is no cluster 'first'"),
        ([-1], np.array([0, 1]), "There is no cluster -1"),
        ([], LABELS, "clusters is empty"),
        (None, np.array([-1, -1]), "There is no cluster to draw: no gene is assigned"),
    ],
)
def test_wrong_clusters(clusters, labels, message):
    with pytest.raises(ValueError, match=message):
        check_clusters(clusters, labels)


def clusters_of(n_genes, n_clusters, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_genes) % n_clusters
    scaled = np.sin(4 * GRID + labels[:, None]) + rng.normal(0, 0.1, (n_genes, 1))
    return scaled, labels


def test_the_scale_is_of_the_central_curves_and_panels_say_how_many_leave_it():
    scaled, labels = clusters_of(400, 2)
    scaled[0, -1] = 50.0
    figure = plot_clusters(scaled, labels, GRID)
    assert all(ax.get_ylim()[1] < 2 for ax in figure.axes)
    low, high = (limit for limit in limits([scaled[labels == 0], scaled[labels == 1]]))
    for cluster, ax in enumerate(figure.axes):
        n_outside = n_beyond(scaled[labels == cluster], low, high)
        assert n_outside <= 8
        assert f"· {n_outside} beyond the scale" in numbers(ax) if n_outside else "beyond" not in numbers(ax)
    assert "beyond the scale" in numbers(figure.axes[0])
    alone = plot_clusters(scaled[:20], labels[:20], GRID).axes[0]
    assert alone.get_ylim()[1] > 2  # one of ten curves is no outlier


def test_a_small_cluster_is_never_cut_by_the_scale_of_a_large_one():
    scaled, labels = clusters_of(1000, 1)
    scaled[:5] = 30 * np.exp(-((GRID - 0.5) ** 2) / 0.01) + np.linspace(0, 0.1, 5)[:, None]
    labels[:5] = 1
    low, high = plot_clusters(scaled, labels, GRID).axes[1].get_ylim()
    assert low < scaled[:5].mean(axis=0).min()
    assert high > scaled[:5].mean(axis=0).max()


def test_cells_are_drawn_at_the_foot_and_curves_fade_where_there_are_none():
    scaled, labels = clusters_of(20, 1)
    density = np.where(GRID < 0.6, 10.0, 0.0)
    ax = plot_clusters(scaled, labels, GRID, density=density).axes[0]
    (veil,) = ax.images
    alpha = veil.get_array()[0, :, 3]
    assert alpha[:12].max() == 0
    assert alpha[-5:].min() > 0.5
    height = max(
        path.vertices[:, 1].max() for part in ax.collections if part.get_gid() == "cells" for path in part.get_paths()
    )
    lowest = ax.transAxes.inverted().transform(ax.transData.transform((0.5, np.quantile(scaled, 0.1, axis=0).min())))[1]
    assert height < lowest  # below the curves
    assert not plot_clusters(scaled, labels, GRID, density=np.full(30, 5.0)).axes[0].images


def test_half_of_the_change_is_marked_where_it_is():
    scaled = np.array([1 / (1 + np.exp(-(GRID - 0.6) / 0.03))] * 3)
    ax = plot_clusters(scaled, np.zeros(3, dtype=int), GRID).axes[0]
    (mark,) = [line for line in ax.lines if line.get_gid() == "half"]
    assert mark.get_xdata()[0] == pytest.approx(0.6, abs=0.01)
    assert mark.get_ydata()[0] == pytest.approx(0.5, abs=0.02)


def test_titles_say_what_is_known_and_low_confidence_is_dashed():
    scaled, labels = clusters_of(20, 2)
    said = [Caption("2.1", "late rise", 10, 0.84), Caption("2.2", "early fall", 10, 0.3)]
    figure = plot_clusters(scaled, labels, GRID, captions=said)
    sure, unsure = figure.axes
    assert sure.get_title(loc="left") == "2.1 · late rise"
    assert numbers(sure).startswith("10 genes · confidence .84")
    assert unsure.get_title(loc="left") == "2.2 · early fall"
    means = [next(line for line in ax.lines if line.get_gid() == "mean") for ax in (sure, unsure)]
    assert [to_hex(mean.get_color()).upper() for mean in means] == cluster_colors(2)
    assert [mean.get_linestyle() for mean in means] == ["-", "--"]
    assert "dashed: conf. < 0.6" in next(text.get_text() for text in figure.texts if text.get_gid() == "key")
    assert not any("dashed" in text.get_text() for text in plot_clusters(scaled, labels, GRID).texts)


def test_names_and_colours_are_the_user_s():
    scaled, labels = clusters_of(20, 2)
    figure = plot_clusters(scaled, labels, GRID, names={1: "haem"}, palette=["red", "blue"])
    assert titles(figure) == ["0", "haem"]
    for ax, color in zip(figure.axes, ["#ff0000", "#0000ff"], strict=True):
        (curves,) = [drawn for drawn in ax.collections if drawn.get_gid() == "gene"]
        (mean,) = [line for line in ax.lines if line.get_gid() == "mean"]
        assert to_hex(mean.get_color()) == to_hex(curves.get_color()[0]) == color
    with pytest.raises(ValueError, match="palette has 1 colours for 2 clusters"):
        plot_clusters(scaled, labels, GRID, palette=["red"])
    with pytest.raises(ValueError, match="labels has an unknown cluster '7'"):
        plot_clusters(scaled, labels, GRID, names={7: "x"})


@pytest.mark.parametrize(
    ("n_clusters", "style"),
    [
        (5, "dark_background"),
        pytest.param(1, "default", marks=pytest.mark.slow),
        pytest.param(14, "default", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_it_is_readable_at_the_width_of_a_column(overlaps, left_out, n_clusters, style):
    scaled, labels = clusters_of(60, n_clusters)
    said = [Caption(f"2.1.{k}", "steady rise", 1234, 0.5 + k / 40) for k in range(n_clusters)]
    with plt.style.context(style):
        figure = plot_clusters(
            scaled,
            labels,
            GRID,
            captions=said,
            genes=[f"Gene{k}" for k in range(60)],
            figsize=(3.5, 5),
            density=np.ones(30),
        )
        texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        drawn = [text for text in texts if text.get_gid() or text in figure.texts or text in [
            ax._left_title for ax in figure.axes
        ]]  # fmt: skip
        assert not left_out(figure, drawn)
        assert not [pair for pair in overlaps(figure, drawn) if "beyond" not in "".join(pair)]
        assert all(text.get_fontsize() >= 4.9 for text in drawn)
        backgrounds = figure.get_facecolor()
        assert all(contrast(text.get_color(), backgrounds) >= 3 for text in drawn)
