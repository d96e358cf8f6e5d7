import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning, NoTrendError, UnknownNameError, did_you_mean, quoted

names = st.lists(st.text("abcdef", min_size=1, max_size=6), max_size=25)


@pytest.mark.parametrize("parent", [KeyError, ValueError])
def test_an_unknown_name_is_caught_by_either_convention(parent):
    with pytest.raises(parent):
        raise UnknownNameError("Gene 'x' is not there.")


def test_an_unknown_name_prints_its_message_and_not_its_repr():
    assert str(UnknownNameError("Gene 'x' is not there.")) == "Gene 'x' is not there."
    assert str(UnknownNameError()) == ""


def test_other_classes_are_the_usual_ones():
    assert issubclass(NoTrendError, ValueError)
    assert issubclass(LineageClustWarning, UserWarning)


@given(names, st.integers(1, 20))
def test_quoted_accounts_for_every_name(values, limit):
    text = quoted(values, limit)
    hidden = max(len(values) - limit, 0)
    assert all(repr(value) in text for value in values[:limit])
    assert text.endswith(f" and {hidden} more") == (hidden > 0)


def test_quoted_takes_any_iterable_and_any_type():
    assert quoted(key for key in (1, "a")) == "'1', 'a'"
    assert quoted([]) == ""


@given(st.text("abcdefgh123", min_size=2, max_size=8), names)
def test_a_name_in_the_wrong_case_is_always_offered(name, others):
    assert repr(name) in did_you_mean(name.upper(), [*others, name])


def test_far_names_are_not_offered():
    assert did_you_mean("Klf1", ["Mpo", "Elane"]) == ""
    assert did_you_mean("Klf1", []) == ""


def test_close_names_of_any_type_are_offered():
    assert did_you_mean(10, [100, 7]) == " Did you mean '100'?"
    assert did_you_mean("gata", ["Gata1", "Gata2"]).count("Gata") == 2


@pytest.mark.parametrize("number", [3, np.int64(3)])
def test_a_number_that_is_a_name_is_not_offered_as_itself(number):
    assert did_you_mean(number, ["1", "3", "33"]) == " Names are strings: write '3', not 3."


@pytest.mark.parametrize(
    "options",
    [{"alpha": 1e-300}, {"model": lc.GAM("gamma"), "layer": "counts", "alpha": None}],
    ids=["raised in the results", "raised in the model"],
)
def test_warnings_point_at_the_line_that_called(options):
    adata = lc.datasets.simulate_lineage(60, 12, 0, random_state=0)
    with pytest.warns(LineageClustWarning) as caught:
        lc.TrendClusterer(lineage="lineage_1", random_state=0, **options).fit(adata)
    assert {warning.filename for warning in caught} == {__file__}
