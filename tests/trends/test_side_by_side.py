import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.trends.side_by_side import arranged_by_name, columns_by_name, columns_of_each, names_along, seed_of

NAMES = st.lists(st.sampled_from(["Ery", "Mono", "Neu", "Baso", "A, B"]), min_size=1, max_size=5, unique=True)


@given(NAMES, st.data())
def test_the_arrangement_is_that_of_the_names(names, data):
    sizes = {name: len(name) for name in names}
    columns = {name: np.arange(sizes[name]) + 100.0 * number for number, name in enumerate(sorted(names))}
    for order in (names, data.draw(st.permutations(names))):
        values = np.concatenate([columns[name] for name in order])[None]
        along = np.repeat(order, [sizes[name] for name in order])
        assert names_along(along) == order
        assert list(columns_of_each(along)) == sorted(names)
        assert (np.diff(arranged_by_name(values, along)) > 0).all()
        back = np.empty_like(values)
        back[:, columns_by_name(along)] = arranged_by_name(values, along)
        np.testing.assert_array_equal(back, values)


def test_one_lineage_is_left_as_it_is():
    values = np.ones((2, 3))
    assert arranged_by_name(values, None) is values
    assert arranged_by_name(values, ["A"] * 3) is values
    assert columns_of_each(None) == {None: slice(None)}


def test_lineages_have_seeds_of_their_own():
    assert len({seed_of(seed, name) for seed in (0, 1) for name in ("Ery", "Mono", "Neu")}) == 6
