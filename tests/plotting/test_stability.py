from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from lineage_clust.clusterers.distinctness import Bounds
from lineage_clust.clusterers.stability import StabilityCurve
from lineage_clust.plotting import plot_stability

DEFAULT = Bounds()
NUMBERS = np.arange(1, 9)
MEASURES = ("support", "connectivity", "correlation")


def some_curve(chosen=4, bounds=DEFAULT):
    return StabilityCurve(
        NUMBERS,
        np.array([1, 0.95, 0.9, 0.8, 0.45, 0.3, 0.2, -0.01]),
        np.array([0, 0.05, 0.1, 0.3, 0.6, 0.8, 1.2, 2.4]),
        np.array([-1, 0.1, 0.2, 0.6, 0.85, 0.91, 0.95, 0.99]),
        chosen,
        bounds,
    )


def labels_of(ax):
    return [text.get_text().replace("\n", " ") for text in ax.get_legend().get_texts()]


def lines_by_color(ax):
    """Return for each measure the line, the points that keep the bound, the points that do not, and the bound."""
    lines = [line for line in ax.lines if len(line.get_xdata())]
    colors = list(dict.fromkeys(line.get_color() for line in lines))
    return {
        name: [line for line in lines if line.get_color() == color]
        for name, color in zip(MEASURES, colors, strict=True)
    }


def test_the_three_measures_by_number_of_clusters():
    curve = some_curve()
    found = lines_by_color(plot_stability(curve))
    for name in MEASURES:
        line, kept, lost, bound = found[name]
        np.testing.assert_array_equal(line.get_xdata(), NUMBERS[1:])  # of one cluster there are no two
        np.testing.assert_array_equal(line.get_ydata(), np.minimum(getattr(curve, name)[1:], 1.5))
        np.testing.assert_array_equal(np.sort(np.r_[kept.get_xdata(), lost.get_xdata()]), NUMBERS[1:])
        assert set(bound.get_ydata()) == {getattr(curve.bounds, name)}


def test_points_beyond_their_bound_are_open():
    found = lines_by_color(plot_stability(some_curve(bounds=Bounds(connectivity=0.5, support=0.5, correlation=0.9))))
    for name, first_lost in zip(MEASURES, (5, 5, 6), strict=True):
        _, kept, lost, _ = found[name]
        assert kept.get_xdata().max() < first_lost == lost.get_xdata().min()
        assert kept.get_markerfacecolor() == kept.get_color()
        assert lost.get_markerfacecolor() != lost.get_color()


def test_bounds_of_the_fit_are_drawn_and_named():
    ax = plot_stability(some_curve(bounds=Bounds(connectivity=0.3, support=0.7, correlation=0.8)))
    assert [text.split(", ")[-1].replace("\N{NO-BREAK SPACE}", " ") for text in labels_of(ax)[:3]] == [
        "≥ 0.7",
        "≤ 0.3",
        "≤ 0.8",
    ]
    assert [set(lines_by_color(ax)[name][3].get_ydata()) for name in MEASURES] == [{0.7}, {0.3}, {0.8}]


@pytest.mark.parametrize("chosen, said", [(1, "chosen: 1 cluster"), (4, "chosen: 4 clusters")])
@pytest.mark.first(1)
def test_the_chosen_number_is_shaded(chosen, said):
    ax = plot_stability(some_curve(chosen))
    (band,) = ax.patches
    low, high = band.get_extents().transformed(ax.transData.inverted()).intervalx
    assert low < chosen < high
    assert high - low < 1
    assert labels_of(ax)[-1] == said
    assert ax.get_xlim()[0] < low


def test_a_curve_of_one_cluster_can_be_drawn():
    alone = StabilityCurve(np.array([1]), np.array([1.0]), np.array([0.0]), np.array([-1.0]), 1)
    ax = plot_stability(alone)
    ax.figure.canvas.draw()
    assert labels_of(ax)[-1] == "chosen: 1 cluster"
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


@pytest.mark.parametrize("width", [2.5, 5, 9])
@pytest.mark.first(1)
def test_no_text_lies_on_another(overlaps, left_out, width):
    ax = plot_stability(some_curve(), figsize=(width, 3.5))
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    bottom, top = ax.get_ylim()
    outside = [label for label in ax.get_xticklabels() if not low <= label.get_position()[0] <= high]
    outside += [label for label in ax.get_yticklabels() if not bottom <= label.get_position()[1] <= top]
    texts = [text for text in ax.figure.findobj(Text) if text.get_visible() and text not in outside]
    assert not overlaps(ax.figure, texts)
    assert width < 5 or not left_out(ax.figure, texts)


@pytest.mark.parametrize("n_axes", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4))])
def test_the_legend_is_not_wider_than_the_axes(n_axes):
    figure, axes = plt.subplots(1, n_axes, figsize=(9, 4.5), layout="constrained", squeeze=False)
    for ax in axes[0]:
        plot_stability(some_curve(), ax=ax)
    figure.canvas.draw()
    for ax in axes[0]:
        assert ax.get_legend().get_window_extent().width <= ax.get_window_extent().width + 6


def test_ticks_are_whole_numbers():
    ax = plot_stability(some_curve(), figsize=(9, 3.5))
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_it_draws_into_an_axes_of_the_caller():
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_stability(some_curve(), ax=right) is right
    assert not left.lines
    assert plt.get_fignums() == [figure.number]


def test_a_curve_of_an_older_release_is_refused():
    with pytest.raises(TypeError, match="curve must be the stability_ of a GraphClusterer; got NoneType"):
        plot_stability(None)


def test_the_curve_is_not_changed():
    curve = some_curve()
    before = replace(curve, connectivity=curve.connectivity.copy())
    plot_stability(curve)
    np.testing.assert_array_equal(curve.connectivity, before.connectivity)


def test_it_says_what_decided():
    curve = some_curve()
    ax = plot_stability(curve)
    said = ax.get_title(loc="left").replace("\n", " ")
    assert said == f"{curve.chosen} cluster{'s' if curve.chosen > 1 else ''} chosen. {curve.why}"
    after = np.flatnonzero(curve.n_clusters > curve.chosen)[0]
    failing = [
        name for name, fails in (
            ("support", curve.support[after] < curve.bounds.support),
            ("connectivity", curve.connectivity[after] > curve.bounds.connectivity),
            ("correlation", curve.correlation[after] > curve.bounds.correlation),
        ) if fails
    ]  # fmt: skip
    rings = [part for part in ax.collections if part.get_gid() == "decided"]
    assert len(rings) == len(failing)
    assert all(ring.get_offsets()[0, 0] == curve.n_clusters[after] for ring in rings)


def of_continuum():
    nan = np.nan
    return StabilityCurve(
        np.arange(1, 5),
        np.array([1, 0.9, 0.6, 0.7]),
        np.array([0, nan, nan, nan]),
        np.array([-1, -0.8, 0.5, 0.6]),
        3,
        explained=np.array([nan, 0.2, 0.0174, 0.0099]),
    )


def test_shares_near_their_threshold_can_be_told_apart():
    ax = plot_stability(of_continuum())
    (right,) = [other for other in ax.figure.axes if other is not ax]
    line, kept, lost, _ = right.lines
    np.testing.assert_array_equal(line.get_ydata(), [0.2, 0.0174, 0.0099])
    assert (kept.get_xdata().tolist(), lost.get_xdata().tolist()) == ([2, 3], [4])
    places = right.transAxes.inverted().transform(right.transData.transform([(4, 0.0099), (4, 0.015)]))[:, 1]
    assert 0.02 < places[0] < places[1] - 0.04
    said = [text.replace("\N{NO-BREAK SPACE}", " ") for text in labels_of(ax)]
    assert "explained (share of variance), ≥ 1.5 %" in said
    assert not any("connectivity" in text for text in labels_of(ax))  # it is not used
    assert "support" in ax.get_ylabel()
    assert "explained" in right.get_ylabel()
    (ring,) = [part for part in right.collections if part.get_gid() == "decided"]
    np.testing.assert_allclose(ring.get_offsets(), [[4, 0.0099]])


def without_direction():
    nan = np.nan
    return replace(
        of_continuum(), explained=np.array([nan, 0.2, 0.03, 0.02]), within=np.array([nan, 0.5, 0.3, 0.22])
    )  # fmt: skip


def test_a_cluster_without_a_leading_direction_is_seen():
    curve = without_direction()
    ax = plot_stability(curve)
    (right,) = [other for other in ax.figure.axes if other is not ax]
    (ring,) = [part for part in right.collections if part.get_gid() == "decided"]
    np.testing.assert_allclose(ring.get_offsets(), [[4, 0.22]])
    said = [text.replace("\N{NO-BREAK SPACE}", " ") for text in labels_of(ax)]
    assert "within cluster (share explained), ≥ 28 %" in said
    assert "within the divided cluster" in ax.get_title(loc="left").replace("\n", " ")
    shown = plot_stability(replace(curve, explained=of_continuum().explained))
    assert not any("within" in text for text in labels_of(shown))


def test_the_division_of_overlapping_groups_that_is_not_made_has_an_axis():
    nan = np.nan
    curve = replace(of_continuum(), explained=np.array([nan, nan, nan, 0.0099]))
    assert curve.of_overlapping
    ax = plot_stability(curve)
    (right,) = [other for other in ax.figure.axes if other is not ax]
    assert right.get_yscale() == "log"
    assert ax.get_ylabel() == "least distinct two clusters"
    (ring,) = [part for part in right.collections if part.get_gid() == "decided"]
    np.testing.assert_allclose(ring.get_offsets(), [[4, 0.0099]])


@pytest.mark.parametrize("width", [2.5, 5, 9])
@pytest.mark.parametrize("made", [of_continuum, without_direction])
def test_both_axes_of_a_continuum_have_room(overlaps, left_out, made, width):
    ax = plot_stability(made(), figsize=(width, 3.5))
    ax.figure.canvas.draw()
    assert "\n%" not in ax.get_title(loc="left")
    texts = [ax.title, ax._left_title, *ax.get_legend().get_texts()]
    for one in ax.figure.axes:
        low, high = one.get_ylim()
        texts += [
            one.yaxis.label,
            *(label for label in one.get_yticklabels() if low <= label.get_position()[1] <= high),
        ]
    assert not overlaps(ax.figure, [text for text in texts if text.get_text()])
    assert width < 5 or not left_out(ax.figure, [text for text in texts if text.get_text()])


def test_the_partition_that_was_measured_is_shaded():
    """Without the clusters of genes that contradict the mean of their cluster, which were divided off afterwards."""
    ax = plot_stability(replace(some_curve(5), n_divided=1))
    low, high = ax.patches[0].get_extents().transformed(ax.transData.inverted()).intervalx
    assert low < 4 < high < 5
    assert labels_of(ax)[-1] == "chosen: 4 clusters and 1 divided off"
