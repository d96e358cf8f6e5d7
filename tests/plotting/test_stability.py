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
    (line,) = [line for line in ax.lines if line.get_label() == "best of data without clusters"]
    assert set(line.get_ydata()) == {0.4}


@pytest.mark.parametrize("width", [2.5, 5, 9])
def test_numbers_of_clusters_stand_above(overlaps, left_out, width):
    curve = some_curve(0.4)
    ax = plot_stability(curve, 0.5, figsize=(width, 3.5))
    (top,) = ax.child_axes
    shown = dict(zip(top.get_xticks(), [int(label.get_text()) for label in top.get_xticklabels()], strict=True))
    assert all(curve.n_clusters[np.argmin(np.abs(RESOLUTIONS - place))] == k for place, k in shown.items())
    texts = [text for text in ax.figure.findobj(Text) if text.get_visible()]
    low, high = ax.get_xlim()
    ticks = [label for label in ax.get_xticklabels() if not low <= label.get_position()[0] <= high]
    assert not overlaps(ax.figure, [text for text in texts if text not in ticks])
    assert width < 5 or not left_out(ax.figure, [text for text in texts if text not in ticks])


def test_it_draws_into_an_axes_of_the_caller():
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_stability(some_curve(), ax=right) is right
    assert not left.lines
    assert plt.get_fignums() == [figure.number]
