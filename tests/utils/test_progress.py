"""Progress bars of long computations, shown only on request, and logging."""

import logging
import time

import pytest

import lineage_clust as lc
from lineage_clust.utils import progress
from lineage_clust.utils.progress import bar, progress_bars


@pytest.fixture
def at_once(monkeypatch):
    """Bars appear at once instead of after a second."""
    monkeypatch.setattr(progress, "_DELAY", 0.0)


def test_bars_are_off_unless_asked_for(at_once, capsys):
    items = [1, 2]
    assert bar(items, "things") is items
    with progress_bars(False):
        assert bar(items, "things") is items
    with progress_bars(True):
        assert list(bar(items, "things")) == items
        with progress_bars(False):  # an outer caller has asked
            assert bar(items, "things") is not items
    assert bar(items, "things") is items
    assert "things" in capsys.readouterr().err


def test_an_error_inside_turns_bars_off_again():
    with pytest.raises(KeyError), progress_bars(True):
        raise KeyError
    assert bar([], "things") == []


def test_short_work_shows_nothing(capsys):
    with progress_bars(True):
        list(bar(range(3), "things"))
    assert capsys.readouterr().err == ""


def test_long_work_shows_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_DELAY", 0.05)
    with progress_bars(True):
        for _ in bar(range(3), "things"):
            time.sleep(0.15)
    assert "things" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        ({"model": lc.GAM("poisson"), "layer": "counts"}, "models of genes"),
        ({"model": lc.PyGAM(lam=1.0)}, "models of genes"),
        ({"model": {"peak0": lc.GAM(smoothing=1.0), "*": lc.GAM()}}, "trends of A"),
    ],
    ids=["families", "gene by gene", "groups"],
)
@pytest.mark.slow
def test_what_takes_long_has_a_bar(make_adata, at_once, capsys, parameters, label):
    adata = make_adata(n_cells=80, n_genes=8)
    fitter = lc.TrendClusterer(lineage="A", random_state=0, alpha=None, n_points=30).set_params(**parameters)
    fitter.fit(adata)
    assert capsys.readouterr() == ("", "")
    fitter.set_params(show_progress_bar=True).fit(adata)
    out, err = capsys.readouterr()
    assert out == ""
    assert label in err


def test_permutations_have_a_bar(make_adata, at_once, capsys):
    adata = make_adata(n_cells=80, n_genes=8)
    options = {"test": "permutation", "n_permutations": 150, "random_state": 0}
    silent = lc.lineage_drivers(adata, "A", **options)
    assert capsys.readouterr().err == ""
    assert silent.equals(lc.lineage_drivers(adata, "A", show_progress_bar=True, **options))
    assert "permutations" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:adata.layers\\['counts'\\] looks like counts")  # the layer is to be named
def test_what_is_read_and_clustered_is_logged(make_adata, caplog):
    caplog.set_level(logging.DEBUG, logger="lineage_clust")
    adata = make_adata(n_cells=80, n_genes=8)
    tc = lc.TrendClusterer(lineage="A", layer="counts", time_range=(0.1, 0.9), random_state=0, alpha=None).fit(adata)
    assert "Pseudotime of lineage 'A' is read from 'palantir_pseudotime'." in caplog.text
    read = next(record for record in caplog.records if record.name == "lineage_clust.lineage")
    assert read.levelno == logging.INFO
    assert read.getMessage() == (
        f"Lineage 'A': {tc.n_cells_} of 80 cells, pseudotime 0.1 to 0.9, weights from 'palantir_fate_probabilities', "
        "8 genes from layer 'counts'."
    )
    assert f"8 genes have a trend, 0 failed; 8 are in {tc.n_clusters_} clusters" in caplog.text


def test_nothing_is_logged_to_the_screen(make_adata, capsys):
    lc.TrendClusterer(lineage="A", random_state=0, alpha=None).fit(make_adata(n_cells=80, n_genes=8))
    assert capsys.readouterr() == ("", "")
