import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lineage_clust import UnknownNameError
from lineage_clust.plotting import plot_drivers


def some_drivers(n_genes=60, names=("Ery", "Mono"), seed=0):
    rng = np.random.default_rng(seed)
    columns = {}
    for name in names:
        r = rng.uniform(-0.9, 0.9, n_genes)
        columns |= {f"{name}_corr": r, f"{name}_ci_low": r - 0.1, f"{name}_ci_high": r + 0.1, f"{name}_qval": r**2}
    return pd.DataFrame(columns, index=[f"Gene{i}" for i in range(n_genes)])


def names_of(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_the_strongest_of_each_sign_come_with_their_intervals():
    drivers = some_drivers()
    ax = plot_drivers(drivers, n_genes=5)
    ordered = drivers["Ery_corr"].sort_values(ascending=False)
    assert names_of(ax) == [*ordered.index[:5], *ordered.index[-5:]]
    dots = ax.collections[1].get_offsets()
    np.testing.assert_allclose(dots[:, 0], drivers.loc[names_of(ax), "Ery_corr"])
    for segment, gene in zip(ax.collections[0].get_segments(), names_of(ax), strict=True):
        np.testing.assert_allclose(segment[:, 0], drivers.loc[gene, ["Ery_ci_low", "Ery_ci_high"]].astype(float))
    assert ax.get_title(loc="left") == "Ery"
    assert ax.yaxis_inverted()


def test_a_lineage_is_chosen():
    drivers = some_drivers()
    ax = plot_drivers(drivers, "Mono", n_genes=1)
    assert names_of(ax) == [drivers["Mono_corr"].idxmax(), drivers["Mono_corr"].idxmin()]


def test_intervals_that_hold_zero_have_open_dots():
    drivers = pd.DataFrame(
        {"A_corr": [0.5, 0.05], "A_ci_low": [0.4, -0.05], "A_ci_high": [0.6, 0.15]}, index=["a", "b"]
    )
    faces = [to_hex(color) for color in plot_drivers(drivers).collections[1].get_facecolors()]
    assert faces[0] != "#ffffff"
    assert faces[1] == "#ffffff"


def test_few_genes_come_once_and_missing_ones_not_at_all(overlaps):
    drivers = some_drivers(4)
    drivers.iloc[0] = np.nan
    assert sorted(names_of(plot_drivers(drivers))) == ["Gene1", "Gene2", "Gene3"]
    drivers.index = [f"ENSMUSG0000_{gene}_a_very_long_name" for gene in drivers.index]
    ax = plot_drivers(drivers)
    ax.figure.canvas.draw()
    assert not overlaps(ax.figure, [*ax.get_yticklabels(), ax.xaxis.label])
    assert min(label.get_window_extent().x0 for label in ax.get_yticklabels()) >= 0


def test_the_table_stays_as_it_is():
    drivers = some_drivers()
    before = drivers.copy()
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_drivers(drivers, ax=right) is right
    assert not left.collections
    assert plt.get_fignums() == [figure.number]
    pd.testing.assert_frame_equal(drivers, before)


@pytest.mark.parametrize(
    ("drivers", "arguments", "error", "message"),
    [
        (
            some_drivers(),
            {"lineage": "Eryt"},
            UnknownNameError,
            "no lineage 'Eryt'; it has 'Ery', 'Mono'.*Did you mean 'Ery'",
        ),
        (some_drivers(), {"n_genes": 0}, ValueError, "n_genes must be a positive integer; got 0"),
        (pd.DataFrame({"x": [1]}), {}, ValueError, "drivers has no column such as 'Ery_corr'"),
        ([1, 2], {}, ValueError, "must be the table returned by lineage_drivers; got list"),
        (some_drivers() * np.nan, {}, ValueError, "No gene has a correlation with lineage 'Ery'"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_figure(drivers, arguments, error, message):
    with pytest.raises(error, match=message):
        plot_drivers(drivers, **arguments)
    assert not plt.get_fignums()
