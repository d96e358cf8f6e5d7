"""Colours of clusters and lineages: distinct for everybody, legible, and stable if clusters are added; stored palettes."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import CSS4_COLORS, to_hex, to_rgb, to_rgba

import lineage_clust as lc
from lineage_clust.lineage.annotations import read_annotations
from lineage_clust.plotting import cluster_colors, lineage_colors
from lineage_clust.plotting.parts.colors import palette_colors, read_color, read_palette
from lineage_clust.plotting.parts.strips import covariate_strips

from ...fits import QUICK
from ..colour_vision import SEEN, contrast, lab

KEY = "adata.uns['celltype_colors']"
RED, GREEN, BLUE = (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)
PALETTES = {
    "names": ["red", "lime", "blue"],
    "hexadecimal": np.array(["#FF0000", "#00ff00", "#00F"]),
    "with alpha": ["#FF0000FF", "#00FF00FF", "#0000FFFF"],
    "bytes": [b"red", b"#00FF00", b"blue"],
    "array of bytes": np.array([b"#FF0000", b"#00FF00", b"#0000FF"]),
    "shares": [[1, 0, 0], (0, 1.0, 0), np.array([0, 0, 1.0])],
    "to 255": np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8),
    "RGBA": np.eye(4)[:3] + np.array([0, 0, 0, 1]),
    "RGBA to 255": [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]],
    "of R": ["red1", "green1", "blue1"],
    "mixed": ["red", [0, 255, 0], b"#0000FF"],
    "mapping": {"c": "blue", "a": "red", "b": [0, 1, 0]},
    "mapping of bytes": {b"a": b"red", b"b": b"lime", b"c": b"blue", b"d": b"white"},
    "more": ["red", "lime", "blue", "white"],
    "series": pd.Series(["red", "lime", "blue"]),
}


@pytest.mark.parametrize("n_clusters", [0, 1, 5, 9, 10, 40])
def test_every_cluster_has_a_colour_of_its_own(n_clusters):
    colors = cluster_colors(n_clusters)
    assert len(set(colors)) == n_clusters
    assert all(len(to_rgb(color)) == 3 for color in colors)


def test_few_clusters_keep_their_colours_when_more_come():
    assert cluster_colors(9)[:4] == cluster_colors(4)


@pytest.mark.parametrize("background", ["white", "black", "#121212"])
def test_every_colour_can_be_read_on_white_and_on_black(background):
    """WCAG 2.1, success criterion 1.4.11: graphics have a contrast of at least 3:1."""
    assert min(contrast(color, background) for color in [*cluster_colors(60), *lineage_colors(40)]) >= 3


@pytest.mark.parametrize("vision", SEEN)
@pytest.mark.parametrize(("n_clusters", "least"), [(5, 15), (9, 14), (14, 9), (30, 6)])
def test_colours_are_distinct_for_everybody(vision, n_clusters, least):
    """A CIELAB distance of 2.3 is just noticed (Mahy, Van Eycken & Oosterlinck 1994)."""
    seen = [lab(color, vision) for color in cluster_colors(n_clusters)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= least


@pytest.mark.parametrize("vision", SEEN)
@pytest.mark.parametrize(("n_lineages", "least"), [(6, 16), (12, 10)])
def test_colours_of_lineages_are_distinct_for_everybody(vision, n_lineages, least):
    seen = [lab(color, vision) for color in lineage_colors(n_lineages)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) >= least


@pytest.mark.parametrize(
    "palette", [["red", "#00FF00", (0, 0, 1)], {0: "red", 2: "blue"}, {"a": "red"}, "Set2", "viridis"]
)
def test_palettes_of_the_user(palette):
    found = palette_colors(palette, 3, ["a", "b", "c"])
    assert len(set(found)) == 3
    if isinstance(palette, (list, dict)):
        assert found[0] == "#ff0000"
    if isinstance(palette, dict):
        assert found[1] == cluster_colors(3)[1]


@pytest.mark.parametrize(
    ("palette", "message"),
    [
        (["red"], "palette has 1 colours for 3 clusters. Give one per cluster"),
        ({9: "red"}, "palette has a colour for cluster '9', which does not exist"),
        (["red", "blue", "no colour"], "palette contains 'no colour', which is not a matplotlib colour"),
        ("Set22", "palette 'Set22' is not a colour map of matplotlib"),
    ],
)
def test_palettes_that_are_none(palette, message):
    with pytest.raises(ValueError, match=message):
        palette_colors(palette, 3)


@pytest.mark.parametrize("kind", PALETTES)
def test_palettes_are_read(kind):
    assert read_palette(PALETTES[kind], "abc", KEY) == [RED, GREEN, BLUE]


@pytest.mark.parametrize("stored", [None, ["red"], {"a": "red"}, [], "red"])
def test_there_may_be_too_few(stored):
    assert read_palette(stored, "abc", KEY) is None


@pytest.mark.parametrize(
    "wrong",
    [["no such colour"] * 3, [[1, 2]] * 3, [[0, 0, 300]] * 3, [[-1, 0, 0]] * 3, [None] * 3, [[np.nan] * 3] * 3, 7,
     [3, 4, 5], {"a": "red", "b": "rde", "c": "blue"}, [object()] * 3, [b"\xff"] * 3, ["red9"] * 3, ["gray101"] * 3],
    ids=lambda wrong: str(wrong).partition(" object at 0x")[0],  # the same in every process
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_its_key(wrong):
    with pytest.raises(ValueError, match=r"adata.uns\['celltype_colors'\] contains .* not a colour: .* or delete it"):
        read_palette(wrong, "abc", KEY)


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(ValueError, match="Did you mean 'steelblue'"):
        read_color("stelblue", KEY)


def test_a_dark_colour_of_a_palette_to_255_is_dark():
    assert read_palette([[1, 1, 1], [255, 0, 0]], "ab", KEY)[0] == pytest.approx(
        (1 / 255, 1 / 255, 1 / 255, 1), abs=1e-3
    )


@pytest.mark.parametrize(
    ("name", "expected"),  # of R's col2rgb
    [
        ("gray0", (0, 0, 0)), ("grey50", (127, 127, 127)), ("gray61", (156, 156, 156)), ("gray100", (255, 255, 255)),
        ("seagreen1", (84, 255, 159)), ("dodgerblue2", (28, 134, 238)), ("tomato3", (205, 79, 57)),
        ("steelblue4", (54, 100, 139)), ("orchid2", (238, 122, 233)), ("violetred", (208, 32, 144)),
        ("RoyalBlue1", (72, 118, 255)), ("lightgoldenrod", (238, 221, 130)), ("navyblue", (0, 0, 128)),
    ],
)  # fmt: skip
def test_names_of_r(name, expected):
    np.testing.assert_allclose(255 * np.array(read_color(name, KEY)[:3]), expected, atol=2)


@given(name=st.sampled_from(sorted(CSS4_COLORS)))
def test_names_of_matplotlib_are_matplotlibs(name):
    assert to_hex(read_color(name, KEY)) == to_hex(to_rgba(name))


@pytest.mark.parametrize("kind", [kind for kind in PALETTES if "mapping" not in kind])
@pytest.mark.first(4)
def test_colours_in_uns_reach_the_strip(make_adata, kind):
    adata = make_adata(120, 12)
    tc = lc.TrendClusterer(lineage="A", clusterer=QUICK, alpha=None, n_points=20, random_state=0).fit(adata)
    adata.uns["celltype_colors"] = PALETTES[kind]  # of A, B and stem
    expected = {"A": RED, "B": GREEN, "stem": BLUE}
    annotations = read_annotations(adata, "celltype", ["A"], tc._result.reader)
    (strip,) = covariate_strips(annotations, tc.pseudotime_, tc.grid_lineage_)
    assert set(strip.categories) <= set(expected)
    assert len(strip.categories) > 1
    for level, color in strip.categories.items():
        assert to_rgba(color) == expected[level]


def test_colours_in_uns_that_are_none_are_named(make_adata):
    adata = make_adata(120, 12)
    tc = lc.TrendClusterer(lineage="A", clusterer=QUICK, alpha=None, n_points=20, random_state=0).fit(adata)
    adata.uns["celltype_colors"] = ["no", "such", "colours"]
    with pytest.raises(ValueError, match=r"adata.uns\['celltype_colors'\] contains 'no'"):
        tc.plot(adata=adata, covariate_key="celltype")
