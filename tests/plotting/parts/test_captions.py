"""Captions of clusters: direction and time of the mean trend, in words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.plotting.parts.captions import Caption, captions, own_labels, trend_words

TIME = np.linspace(0, 1, 101)


def switch(at, width=0.03):
    return 1 / (1 + np.exp(-(TIME - at) / width))


def bump(at):
    return np.exp(-((TIME - at) ** 2) / 0.01)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (switch(0.2), "early rise"),
        (switch(0.5), "middle rise"),
        (-switch(0.8), "late fall"),
        (TIME, "steady rise"),
        (np.exp(3.5 * TIME), "late rise"),  # from the start, but half of it in the last third
        (1 - TIME, "steady fall"),
        (bump(0.15), "early peak"),
        (-bump(0.9), "late dip"),
        (switch(0.85) + 0.3 * (1 - switch(0.1)), "late rise after a small fall"),
        (-switch(0.85) - 0.3 * (1 - switch(0.1)), "late fall after a small rise"),
        (switch(0.2) - 0.3 * switch(0.9), "early rise, then a small fall"),
        (0.3 * switch(0.9) - switch(0.2), "early fall, then a small rise"),
        (switch(0.6) + 0.4 * (1 - switch(0.1)), "middle dip"),
        (bump(0.2) + bump(0.8), "two peaks"),
        (bump(0.4) + TIME**20 / 2, "up-down-up"),
        (bump(0.1) + bump(0.35) + bump(0.65) + bump(0.9), "several turns"),
        (0 * TIME, "flat"),
    ],
)
def test_words_say_which_way_and_when(values, words):
    assert trend_words(values, TIME) == words


@given(st.floats(0.1, 100), st.floats(-50, 50), st.floats(0.1, 9))
def test_words_do_not_depend_on_units(scale, shift, stretch):
    assert trend_words(scale * switch(0.8) + shift, stretch * TIME) == "late rise"


def test_a_direction_of_the_table_that_is_none_of_a_mean_trend_stays():
    assert trend_words(TIME, TIME, "mixed") == "mixed"


def table(**columns):
    return pd.DataFrame({"name": ["0"], "size": [1139], "confidence": [0.843], **columns})


def test_a_caption_of_one_lineage():
    (caption,) = captions(table(direction="up"), ["0"], switch(0.8)[None], TIME)
    assert (caption.heading, caption.numbers) == ("0 · late rise", "1,139 genes · confidence .84")
    assert Caption("0", size=1).numbers == "1 gene"


@pytest.mark.parametrize(
    ("second", "third", "changes", "words"),
    [
        (switch(0.5), switch(0.9), "A, B, C", "rise in all"),
        (0 * TIME, 0 * TIME, "A", "late rise in A"),
        (-switch(0.5), 0 * TIME, "A, B", "rise in A, fall in B"),
        (switch(0.3), 0 * TIME, "A, B", "rise in A and B"),
        (switch(0.2) - 0.3 * switch(0.9), 0 * TIME, "A, B", "rise in A and B"),
        (switch(0.2) - 0.3 * switch(0.9), 0 * TIME, "B", "early rise, then a small fall in B"),
    ],
)
def test_a_caption_of_several_lineages_names_those_that_change(second, third, changes, words):
    center = np.r_[switch(0.8), second, third]
    lineage = np.repeat(["A", "B", "C"], 101)
    (caption,) = captions(table(changes_in=changes), ["0"], center[None], np.tile(TIME, 3), lineage)
    assert caption.words == words


def test_a_caption_of_combined_lineages_names_those_that_change():
    along, lineage = np.tile(TIME, 2), np.repeat(["A, B", "C"], len(TIME))
    (caption,) = captions(table(changes_in="A, B"), ["0"], np.r_[switch(0.8), 0 * TIME][None], along, lineage)
    assert caption.words == "late rise in A, B"


def test_a_mixed_cluster_has_the_words_of_its_mean_trend():
    row = {
        "size": 3,
        "confidence": 0.9,
        "direction": "mixed",
        "direction_a": "mixed",
        "direction_b": "up",
        "changes_in": "a, b",
    }
    table = pd.DataFrame([row])
    [caption] = captions(table, ["0"], -switch(0.8)[None], TIME)
    assert caption.words == "late fall"
    along, lineage = np.tile(TIME, 2), np.repeat(["a", "b"], len(TIME))
    [caption] = captions(table, ["0"], np.concatenate([bump(0.5), TIME])[None], along, lineage)
    assert caption.words == "peak in a, rise in b"


def test_labels_of_the_user():
    assert own_labels(["a", "b"], ["0", "1.1"]) == ["a", "b"]
    assert own_labels({"1.1": "b"}, ["0", "1.1"]) == ["0", "b"]
    with pytest.raises(ValueError, match="labels must be a mapping or one name per cluster, 2 in total"):
        own_labels(["a"], ["0", "1"])
    with pytest.raises(ValueError, match="labels must be a mapping"):
        own_labels("ab", ["0", "1"])
