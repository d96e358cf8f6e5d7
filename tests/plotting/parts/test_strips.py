"""Strips of covariates: colours, legends, and invalid input."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lineage_clust.lineage.annotations import Annotation
from lineage_clust.plotting.parts.layout import lay_out_panels
from lineage_clust.plotting.parts.strips import Strip, covariate_strips, draw_legends, legend_entries

T = np.linspace(0, 1, 200)
GRID = np.linspace(0, 1, 20)


def strip_of(values, key="x", grid=GRID, **given):
    """Return the strip of a covariate in 200 cells."""
    levels = list(values.cat.categories) if values.dtype == "category" else []
    covariate = Annotation(key, {"": (values, T, np.ones(200))}, levels)
    (strip,) = covariate_strips([covariate], grid, np.full(len(grid), ""), **given)
    return strip


def test_the_scale_of_a_strip_spans_its_means():
    assert strip_of(pd.Series(T + 1)).limits == pytest.approx((1, 2), abs=0.03)


def test_a_legend_of_very_many_categories_is_cut():
    values = pd.Series([f"type {int(40 * time):02d}" for time in T]).astype("category")
    handles, labels, title = legend_entries(strip_of(values, "x" * 40, np.linspace(0, 1, 400)))
    assert len(handles) == len(labels) == 25
    assert labels[-1].startswith("and ")
    assert len(title) == 22


def test_an_unknown_colour_map_is_refused():
    with pytest.raises(ValueError, match="viridis"):
        strip_of(pd.Series(T), cmap="virides")


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
    dates = pd.Series(pd.to_datetime(["2024-01-31", "2024-03-01"] * 100)).astype("category")
    assert set(strip_of(dates).categories) <= {"2024-01-31", "2024-03-01"}
