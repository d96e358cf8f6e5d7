"""Strips of covariates: colours, legends, and invalid input."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lineage_clust.plotting.parts.layout import lay_out_panels
from lineage_clust.plotting.parts.strips import Strip, draw_legends, legend_entries, make_strip

T = np.linspace(0, 1, 200)
GRID = np.linspace(0, 1, 20)


def test_the_scale_of_a_strip_spans_its_means():
    assert make_strip("x", pd.Series(T + 1), T, np.ones(200), GRID).limits == pytest.approx((1, 2), abs=0.03)


def test_a_legend_of_very_many_categories_is_cut():
    values = pd.Series([f"type {int(40 * time):02d}" for time in T])
    handles, labels, title = legend_entries(make_strip("x" * 40, values, T, np.ones(200), np.linspace(0, 1, 400)))
    assert len(handles) == len(labels) == 25
    assert labels[-1].startswith("and ")
    assert len(title) == 22


def strip_of(**changed):
    t = np.linspace(0, 1, 20)
    given = {"name": "n", "values": pd.Series(t), "pseudotime": t, "weights": np.ones(20), "grid": t[::4]} | changed
    return make_strip(**given)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"values": pd.Series(np.ones(3))}, ValueError, "3 values and 20 pseudotime"),
        ({"weights": np.ones(19)}, ValueError, "20 values and 19 weights"),
        ({"weights": ["a"] * 20}, TypeError, "weights must hold real numbers"),
        ({"pseudotime": np.ones((20, 2))}, ValueError, "one dimension"),
        ({"grid": np.zeros(5)}, ValueError, "the first before the last"),
        ({"grid": np.array([0.5])}, ValueError, "at least two"),
        ({"cmap": "virides"}, ValueError, "viridis"),
    ],
)
def test_odd_strips_are_refused(changed, error, message):
    with pytest.raises(error, match=message):
        strip_of(**changed)


def test_values_need_not_be_a_series():
    np.testing.assert_array_equal(strip_of(values=np.linspace(0, 1, 20)).colors, strip_of().colors)


def test_legends_of_many_categories_stay_inside_the_figure():
    many = {f"category {number}": "red" for number in range(30)}
    strips = [Strip("dates", np.ones((5, 4)), many), Strip("a number", np.ones((5, 4)), {}, (0.0, 1.0), "viridis")]
    strips = [*strips, Strip("more", np.ones((5, 4)), many), Strip("few", np.ones((5, 4)), {"a": "blue", "b": "red"})]
    layout = lay_out_panels(3, n_strips=4)
    figure = plt.figure(figsize=layout.size)
    draw_legends(figure, strips, layout)
    figure.draw_without_rendering()
    assert [len(legend.get_texts()) for legend in figure.legends][-1] == 2
    assert all(legend.get_window_extent().y0 >= 0 for legend in figure.legends)
    assert figure.legends[0].get_texts()[-1].get_text().endswith(" more")


def test_dates_are_written_without_the_time_of_day():
    dates = pd.Series(pd.to_datetime(["2024-01-31", "2024-03-01"] * 20)).astype("category")
    strip = make_strip("date", dates, np.linspace(0, 1, 40), np.ones(40), np.linspace(0, 1, 5))
    assert set(strip.categories) <= {"2024-01-31", "2024-03-01"}
