from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from lineage_clust.clusterers.stability import StabilityCurve
from lineage_clust.plotting import plot_stability

RESOLUTIONS = np.geomspace(0.02, 2.5, 16)


def some_curve(reference=np.nan):
    n_clusters = np.array([1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 20, 40, 80, 120, 200])
    return StabilityCurve(RESOLUTIONS, n_clusters, np.linspace(1, 0.2, 16), np.linspace(0.9, 0.1, 16), reference)


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_curves_over_a_logarithm_of_resolution():
    curve = some_curve()
    ax = plot_stability(curve, RESOLUTIONS[4])
    assert ax.get_xscale() == "log"
    for line, values in zip(ax.lines, (curve.stability, curve.least_jaccard), strict=False):
        np.testing.assert_array_equal(line.get_xdata(), RESOLUTIONS)
        assert np.isnan(line.get_ydata()[:2]).all()  # one cluster
        np.testing.assert_array_equal(line.get_ydata()[2:], values[2:])


def test_the_chosen_resolution_is_marked():
    ax = plot_stability(some_curve(), RESOLUTIONS[4])
    (mark,) = [line for line in ax.lines if line.get_label().startswith("chosen")]
    assert mark.get_xdata()[0] == pytest.approx(RESOLUTIONS[4])
    assert mark.get_label().endswith(", 3 clusters")
    none = plot_stability(some_curve())
    assert labels_of(none)[-1] == "chosen: one cluster, no finer cut comes back"


def test_a_reference_is_drawn_if_there_is_one():
    assert len(labels_of(plot_stability(some_curve()))) == 3
    ax = plot_stability(some_curve(0.4))
    (line,) = [line for line in ax.lines if line.get_label() == "adjusted Rand index of data without clusters"]
    assert set(line.get_ydata()) == {0.4}


@pytest.mark.parametrize("width", [2.5, 5, 9])
def test_numbers_of_clusters_stand_above(overlaps, left_out, width):
    curve = some_curve(0.4)
    ax = plot_stability(curve, 0.5, figsize=(width, 3.5))
    ax.figure.canvas.draw()
    (top,) = ax.child_axes
    shown = dict(zip(top.get_xticks(), [int(label.get_text()) for label in top.get_xticklabels()], strict=True))
    assert all(curve.n_clusters[np.argmin(np.abs(RESOLUTIONS - place))] == k for place, k in shown.items())
    texts = [text for text in ax.figure.findobj(Text) if text.get_visible()]
    low, high = ax.get_xlim()
    ticks = [label for label in ax.get_xticklabels() if not low <= label.get_position()[0] <= high]
    ticks += [tick.label1 for tick in ax.yaxis.majorTicks[len(ax.get_yticks()) :]]  # of an earlier size
    assert not overlaps(ax.figure, [text for text in texts if text not in ticks])
    assert width < 5 or not left_out(ax.figure, [text for text in texts if text not in ticks])


def test_it_draws_into_an_axes_of_the_caller():
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_stability(some_curve(), ax=right) is right
    assert not left.lines
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4])
def test_the_legend_is_not_wider_than_the_axes(n_axes):
    figure, axes = plt.subplots(1, n_axes, figsize=(9, 4.5), layout="constrained", squeeze=False)
    for ax in axes[0]:
        plot_stability(replace(some_curve(0.4), rule="coherent"), 0.5, n_kept=8, ax=ax)
    figure.canvas.draw()
    for ax in axes[0]:
        assert ax.get_legend().get_window_extent().width <= ax.get_window_extent().width + 6
        said = " ".join(labels_of(ax)).replace("\n", " ")
        assert said.endswith("10 clusters (8 once merged); the best cut into coherent ones")


@pytest.mark.parametrize(
    ("rule", "said"),
    [("reproducible", "clusters"), ("coherent", "coherent ones"), ("most reproducible", "the most reproducible")],
)
def test_the_rule_that_chose_is_said(rule, said):
    assert labels_of(plot_stability(replace(some_curve(), rule=rule), 0.5))[-1].endswith(said)
