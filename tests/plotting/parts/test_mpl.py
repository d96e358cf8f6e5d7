"""Matplotlib's modules under its own names; that importing the package does not import it is in `tests/test_imports.py`."""

import matplotlib
import pytest

from lineage_clust.plotting.parts import mpl


def test_names_are_those_of_matplotlib():
    assert mpl.colors.to_rgb is matplotlib.colors.to_rgb
    assert mpl.pyplot is matplotlib.pyplot
    assert mpl.rcParams is matplotlib.rcParams


@pytest.mark.parametrize("name", ["nothing", "pytest_plugins", "__test__"])
def test_there_is_nothing_else(name):
    with pytest.raises(AttributeError):
        getattr(mpl, name)
