"""Errors of the program: one sentence, and no incomplete files."""

import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.cli import main
from lineage_clust.cli.analysing import result_files, write_all


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--lineage", "C"], 1, "'Mono/Mac', 'B'"),
        ([], 1, "Choose one"),
        (["--lineage", "B", "--genes", "up9"], 1, "Did you mean"),
        (["--lineage", "B", "--genes", "genes.txt"], 1, "There is no file 'genes.txt'"),
        (["--lineage", "B", "--genes", ","], 1, "or leave out --genes for all of them"),
        (["--lineage", "B", "--time-key", "dpt"], 1, "--time-key 'dpt'"),
        (["--lineage", "B", "--layer", "singel"], 1, "Layer 'singel'"),
        (["--lineage", "B", "--use-raw"], 1, "Set adata.raw, or leave out --use-raw."),
        (["--lineage", "B", "--time-range", "0.8", "0.2"], 2, "--time-range must start before it ends"),
        (["--lineage", "B", "--n-splines", "2"], 2, "--n-splines must be"),
        (["--lineage", "B", "--alpha", "7"], 2, "--alpha must be"),
        (["--lineage", "B", "--resolution", "-1"], 2, "--resolution must be"),
        (["--lineage", "B", "--min-range", "-1"], 2, "--min-range must be"),
        (["--lineage", "B", "--min-deviance-explained", "2"], 2, "--min-deviance-explained must be"),
        (["--lineage", "B", "--memory-budget", "lots"], 2, "--memory-budget must be"),
        (["--lineage", "B", "--lineage", "B"], 2, "--lineage B is given twice."),
        (["--lineage", "B", "--lineage", "b"], 2, "--lineage B and b differ in case only"),
        (["--lineage", "B", "--seed", "-1"], 2, "--seed must be"),
        (["--lineage", "B", "--time-key", "t", "--time-draws", "a", "b"], 2, "Leave one of them out."),
        (["--lineage", "B", "--joint"], 2, "--joint needs several lineages."),
        (["--lineage", "B", "--lineage", "C"], 1, "'Mono/Mac', 'B'"),
        (["--lineage", "B", "--sample", "dpt"], 1, "--sample 'dpt'"),
        (["--lineage", "B", "--symbols", "symbol"], 1, "'symbol'"),
    ],
)
def test_errors_are_one_sentence(options, code, sentence, file, tmp_path, capsys):
    assert main(["run", str(file), "--out", str(tmp_path / "out"), *options]) == code
    err = capsys.readouterr().err
    assert err.startswith("lineage-clust: error: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_errors_name_flags_and_not_parameters(small, file, tmp_path, capsys):
    assert main(["run", str(file), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("Choose one with --lineage ...\n")
    adata = small.copy()
    adata.obs["palantir_pseudotime"] = adata.obs["other"]
    adata.write_h5ad(tmp_path / "two.h5ad")
    assert main(["run", str(tmp_path / "two.h5ad"), "--lineage", "B", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("Choose one with --time-key ...\n")
    assert main(["run", str(file), "--lineage", "B", "--genes", "flat0,flat1", "--out", str(tmp_path)]) == 0
    assert "Look at the table of genes, or pass --alpha none to cluster all genes." in capsys.readouterr().err


def test_files_that_are_wrong(file, tmp_path, capsys):
    (tmp_path / "text.h5ad").write_text("not hdf5")
    assert main(["run", str(tmp_path / "none.h5ad"), "--out", str(tmp_path)]) == 1
    assert "There is no file" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "text.h5ad"), "--out", str(tmp_path)]) == 1
    assert "cannot be read as h5ad" in capsys.readouterr().err
    for out in (file, file / "deeper"):
        assert main(["run", str(tmp_path / "none.h5ad"), "--out", str(out)]) == 1  # said before anything is read
        assert f"{file}: It is a file. Name a folder with --out." in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["walk"], ["run"], ["demo"], ["demo", "--out", ""], ["run", "x.h5ad", "--out", "o", "--alpha", "low"]],
)
def test_wrong_arguments_end_with_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: lineage-clust" in capsys.readouterr().err


@pytest.mark.slow
def test_a_broken_write_leaves_no_half_file(small, tmp_path, monkeypatch):
    fitted = lc.TrendClusterer(clusterer=lc.GraphClusterer(n_neighbors=4)).fit(small, lineage="B")
    (tmp_path / "genes_B.csv").write_text("before")

    def to_csv(self, path):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", to_csv)
    with pytest.raises(OSError, match="disk full"):
        write_all(result_files(fitted, tmp_path), tmp_path)
    assert (tmp_path / "genes_B.csv").read_text() == "before"
    assert not list(tmp_path.glob(".*"))


def test_too_little_memory_is_one_sentence(file, tmp_path, capsys, monkeypatch):
    def full(*_arguments, **_keywords):
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr(lc.TrendClusterer, "fit", full)
    assert main(["run", str(file), "--lineage", "Mono/Mac", "--out", str(tmp_path / "out")]) == 1
    expected = (
        "lineage-clust: error: there is not enough memory (Unable to allocate 7 TiB). Name fewer genes with --genes.\n"
    )
    assert capsys.readouterr().err == expected


ERRORS = [RuntimeError("first\nsecond"), ZeroDivisionError(), KeyError("x"), AssertionError(), ImportError("no zarr.")]
AT_THE_END = "cli.analysing.h5ad_bytes"  # after a whole fit


@pytest.mark.parametrize(
    ("place", "error"),
    [
        *(("clusterer.TrendClusterer.fit", error) for error in ERRORS),
        (AT_THE_END, ERRORS[0]),
        *(pytest.param(AT_THE_END, error, marks=pytest.mark.slow) for error in ERRORS[1:]),
    ],
)
@pytest.mark.first(2)
def test_any_error_is_one_sentence_and_leaves_nothing(place, error, file, tmp_path, capsys, monkeypatch):
    def fail(*_arguments, **_keywords):
        raise error

    monkeypatch.setattr(f"lineage_clust.{place}", fail)
    command = ["run", str(file), "--lineage", "B", "--report", "--out", str(tmp_path / "made" / "here")]
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lineage-clust: error: {type(error).__name__}")
    assert err.endswith("Add --debug to see where it happened.\n")
    assert err.count("\n") == 1
    assert not (tmp_path / "made").exists()
    assert main([*command, "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.slow
def test_an_error_leaves_the_files_of_an_earlier_run(file, tmp_path, monkeypatch):
    command = ["run", str(file), "--lineage", "B", "--out", str(tmp_path / "out")]
    assert main([*command, "--report"]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def fail(*_arguments):
        raise RuntimeError

    monkeypatch.setattr("lineage_clust.cli.analysing.h5ad_bytes", fail)
    assert main([*command, "--genes", "up0,up1,down0"]) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.slow
def test_a_demo_that_fails_at_its_last_lineage_leaves_nothing(tmp_path, capsys, monkeypatch):
    to_anndata = lc.TrendClusterer.to_anndata

    def fail(self):
        if self.lineage_ == "Myeloid":
            raise RuntimeError("cannot write strings")
        return to_anndata(self)

    monkeypatch.setattr(lc.TrendClusterer, "to_anndata", fail)
    monkeypatch.setattr(lc.TrendClusterer, "report", lambda self, path, adata: path.write_text("report"))
    assert main(["demo", "--out", str(tmp_path / "out")]) == 1
    assert "RuntimeError: cannot write strings." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interruption_is_one_sentence(file, tmp_path, capsys, monkeypatch):
    def interrupted(*_arguments, **_keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(lc.TrendClusterer, "fit", interrupted)
    assert main(["run", str(file), "--lineage", "B", "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "lineage-clust: interrupted; no file was written.\n"
