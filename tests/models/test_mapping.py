"""Models and callbacks by gene and lineage: cases of CellRank's `TestCreateModels`, and those that it gets wrong."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.errors import UnknownNameError
from lineage_clust.models.mapping import by_gene, entries

GENES = ["a", "b", "c"]
names = st.sampled_from([*"abcdef", "*"])
lineages = st.sampled_from(["A", "B", "*"])


def test_one_entry_is_for_all():
    one = object()
    assert by_gene(one, GENES, "A") == [one] * 3
    assert by_gene(None, GENES, "A") == [None] * 3


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"a": 1, "b": 2, "c": 3}, [1, 2, 3]),
        ({"*": 1}, [1, 1, 1]),
        ({"a": 1, "*": 2}, [1, 2, 2]),
        ({"a": {"A": 1}, "*": 2}, [1, 2, 2]),
        ({"a": {"*": 1}, "*": 2}, [1, 2, 2]),
        ({"a": {"A": 1, "*": 9}, "b": {"B": 9, "*": 2}, "*": 3}, [1, 2, 3]),
        ({"*": {"A": 1, "*": 9}}, [1, 1, 1]),
        ({"a": 1, "*": {"B": 9, "*": 2}}, [1, 2, 2]),
        ({"a": 1, "b": 2, "c": 3, "another": 9}, [1, 2, 3]),  # a gene that is not fitted does no harm
    ],
)
def test_the_most_particular_entry_counts(spec, expected):
    assert by_gene(spec, GENES, "A") == expected


def test_a_single_trajectory_has_no_name():
    assert by_gene({"a": {"": 1}, "*": {"*": 2}}, GENES, None) == [1, 2, 2]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"a": 1}, r"No model is given for 2 of 3 genes \('b', 'c'\)\. Add them, or '\*' for all others"),
        ({"a": 1, "b": 2}, "No model is given for 1 of 3 genes"),
        ({"another": 1}, "No model is given for 3 of 3 genes"),
        ({"a": {"B": 1}, "*": 2}, "No model is given for lineage 'A' of gene 'a', only for 'B'"),
        ({"a": {}, "*": 2}, "No model is given for lineage 'A' of gene 'a', only for none"),
        ({"*": {"B": 2}}, "No model is given for lineage 'A' of gene 'a'"),
    ],
)
def test_missing_entries(spec, message):
    with pytest.raises(UnknownNameError, match=message):
        by_gene(spec, GENES, "A")


def test_an_empty_mapping():
    with pytest.raises(ValueError, match="The mapping of callbacks is empty. Give one callback, or"):
        by_gene({}, GENES, "A", "callback")


@given(
    st.dictionaries(names, st.one_of(st.integers(), st.dictionaries(lineages, st.integers(), max_size=3)), min_size=1)
)
def test_a_mapping_is_never_changed(spec):
    before = copy.deepcopy(spec)
    for _ in range(2):  # CellRank takes the "*" out, so that the second call fails
        try:
            first = by_gene(spec, GENES, "A")
        except UnknownNameError:
            first = None
        try:
            assert by_gene(spec, GENES, "A") == first
        except UnknownNameError:
            assert first is None
    assert spec == before


@given(
    st.dictionaries(names, st.one_of(st.integers(), st.dictionaries(lineages, st.integers(), max_size=3)), min_size=1)
)
def test_what_is_found_is_one_of_the_entries(spec):
    try:
        found = by_gene(spec, GENES, "B")
    except UnknownNameError:
        return
    assert set(found) <= set(entries(spec))


def test_entries():
    assert entries(3) == [3]
    assert entries({"a": 1, "b": {"A": 2, "*": 3}, "*": 4}) == [1, 2, 3, 4]
    assert entries({}) == []
