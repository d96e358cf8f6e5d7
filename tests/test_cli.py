"""The program lineage-clust: the files and the summary that it leaves, and its errors."""

import io
import logging
import subprocess
import sys
from contextlib import redirect_stdout

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.cli import main
from lineage_clust.io.results import distinct_key

PNG = b"\x89PNG"
MONO_MAC = distinct_key("Mono/Mac")
FILES = ("trends_{}.png", "genes_{}.csv", "clusters_{}.csv", "results_{}.h5ad")
REPORT = "report_{}.html"


@pytest.fixture(scope="module")
def small():
    """Two lineages of 120 cells: genes that rise, genes that fall, flat ones."""
    rng = np.random.default_rng(0)
    time = rng.uniform(0, 1, 120)
    signal = np.column_stack([time] * 6 + [-time] * 6 + [np.zeros(120)] * 3)
    adata = anndata.AnnData(
        5 + 3 * signal + rng.normal(0, 0.3, signal.shape),
        obs=pd.DataFrame({"dpt_pseudotime": time, "other": time[::-1]}, index=[f"cell{i}" for i in range(120)]),
        var=pd.DataFrame(index=[f"{kind}{i}" for kind, n in (("up", 6), ("down", 6), ("flat", 3)) for i in range(n)]),
    )
    side = np.where(np.arange(120) % 2, 1, -1)
    fate = 1 / (1 + np.exp(-8 * np.maximum(time - 0.3, 0) * side))
    adata.obsm["lineages_fwd"] = np.column_stack([fate, 1 - fate])
    adata.uns["lineages_fwd_names"] = np.array(["Mono/Mac", "B"])
    adata.layers["double"] = 2 * adata.X
    return adata


@pytest.fixture
def file(small, tmp_path):
    path = tmp_path / "small.h5ad"
    small.write_h5ad(path)
    return path


@pytest.fixture
def quick(monkeypatch):
    """The picture is drawn by other tests."""
    monkeypatch.setattr("lineage_clust.result_files._draw", lambda fitted, path: path.write_bytes(PNG))


def read(folder, name):
    genes = pd.read_csv(folder / f"genes_{name}.csv", index_col="gene")
    clusters = pd.read_csv(folder / f"clusters_{name}.csv", index_col="cluster")
    return genes, clusters, anndata.read_h5ad(folder / f"results_{name}.h5ad")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that the demo leaves, and what it prints."""
    folder, out = tmp_path_factory.mktemp("demo") / "made" / "here", io.StringIO()
    with redirect_stdout(out):
        assert main(["demo", "--out", str(folder)]) == 0
    return folder, out.getvalue()


@pytest.mark.slow
def test_demo_leaves_files_and_a_summary(demo):
    folder, out = demo
    expected = [name.format(lineage) for name in (*FILES, REPORT) for lineage in ("Ery", "Myeloid")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
    for lineage in ("Ery", "Myeloid"):
        assert (folder / f"trends_{lineage}.png").read_bytes().startswith(PNG)
        report = (folder / f"report_{lineage}.html").read_text(encoding="utf-8")
        assert f"<h1>Gene expression trends along {lineage}</h1>" in report
        genes, clusters, results = read(folder, lineage)
        assert f"Lineage {lineage}" in out
        assert len(genes) == results.n_obs == 240
        assert clusters["size"].sum() == (genes["cluster"] >= 0).sum()
        assert genes["cluster"].astype(str).tolist() == results.obs["clusters"].tolist()
        for cluster, row in clusters.iterrows():  # one line a cluster: size, peak and top genes
            line = f"{cluster:9d}  {row['size']:5d}  {row['peak']:4.2f}  {row['top_genes']}"
            assert line in out.splitlines()


@pytest.mark.slow
def test_demo_finds_known_biology(demo):
    ery, ery_clusters, _ = read(demo[0], "Ery")
    myeloid, myeloid_clusters, _ = read(demo[0], "Myeloid")
    assert ery_clusters["peak"].is_monotonic_increasing
    assert 2 <= len(ery_clusters) <= 15
    assert 3 <= len(myeloid_clusters) <= 15
    assert ery.loc["Apoe", "cluster"] not in ery.loc[["Klf1", "Car2"], "cluster"].to_list()
    assert myeloid.loc["Apoe", "cluster"] not in myeloid.loc[["Elane", "Prtn3"], "cluster"].to_list()
    assert (ery_clusters.loc[ery.loc[["Klf1", "Car2", "Ermap"], "cluster"], "peak"] > 0.8).all()
    assert (myeloid_clusters.loc[myeloid.loc[["Elane", "Prtn3"], "cluster"], "peak"] > 0.8).all()
    assert ery.loc["Apoe", "peak"] < 0.5
    assert myeloid.loc["Apoe", "peak"] < 0.5


def test_run(file, tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["run", str(file), "--lineage", "Mono/Mac", "--n-neighbors", "4", "--out", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Lineage Mono/Mac" in out
    assert "15 fitted" in out
    assert "0 failed" in out
    assert sorted(path.name for path in folder.iterdir()) == sorted(name.format(MONO_MAC) for name in FILES)
    genes, _, results = read(folder, MONO_MAC)
    assert (genes.loc[[f"flat{i}" for i in range(3)], "cluster"] == -1).all()
    assert set(genes.loc[genes.index.str.startswith("up"), "cluster"]).isdisjoint(
        genes.loc[genes.index.str.startswith("down"), "cluster"]
    )
    assert results.uns["lineage_clust"]["lineage"] == "Mono/Mac"  # the true name


@pytest.mark.slow
def test_run_writes_a_report_when_asked_for(file, tmp_path, capsys):
    command = ["run", str(file), "--lineage", "Mono/Mac", "--out", str(tmp_path / "out")]
    assert main([*command, "--report"]) == 0
    out, err = capsys.readouterr()
    assert err == ""  # no progress bar where nobody watches
    assert f"report_{MONO_MAC}.html" in out
    report = tmp_path / "out" / f"report_{MONO_MAC}.html"
    assert "Gene expression trends along Mono/Mac" in report.read_text(encoding="utf-8")
    assert main(command) == 0
    assert not report.exists()  # it would show an earlier run
    assert "report_" not in capsys.readouterr().out.partition("files in")[2].rpartition(":")[2]


def test_run_hands_its_options_on(file, small, tmp_path, capsys):
    options = "--genes up1,down2,flat0 --time-key other --lineage-key lineages_fwd --layer double --time-range 0.1 auto"
    more = "--alpha none --n-splines 7 --n-neighbors 3 --resolution 0.5 --seed 3"
    arguments = ["run", str(file), "--lineage", "B", "--out", str(tmp_path), *options.split(), *more.split()]
    assert main(arguments) == 0
    expected = lc.TrendClusterer(
        smoother=lc.BSplineSmoother(n_splines=7),
        clusterer=lc.GraphClusterer(n_neighbors=3, resolution=0.5),
        genes=["up1", "down2", "flat0"],
        lineage="B",
        time_key="other",
        lineage_key="lineages_fwd",
        layer="double",
        time_range=(0.1, None),
        alpha=None,
        random_state=3,
    ).fit(small)
    genes, _, results = read(tmp_path, "B")
    np.testing.assert_allclose(results.layers["trends"], expected.trends_)
    np.testing.assert_allclose(results.var["x_test"], expected.pseudotime_)
    assert genes["cluster"].tolist() == expected.labels_.tolist()
    assert f"pseudotime 0.1 to {expected.pseudotime_[-1]:.3g}" in capsys.readouterr().out


@pytest.mark.parametrize("flags", ["--backed", "--memory-budget 1KB", "--backed --memory-budget 2MiB --use-raw"])
@pytest.mark.slow
def test_expression_that_stays_in_the_file_gives_the_same(flags, small, tmp_path, monkeypatch, capsys):
    adata = small.copy()
    adata.X = sparse.csr_matrix(adata.X)
    adata.raw = adata
    adata.write_h5ad(tmp_path / "sparse.h5ad")
    read_h5ad, opened = anndata.read_h5ad, []

    def reading(*args, **kwargs):
        opened.append(read_h5ad(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(anndata, "read_h5ad", reading)
    command = ["run", str(tmp_path / "sparse.h5ad"), "--lineage", "B", "--n-neighbors", "4", "--report"]
    assert main([*command, "--out", str(tmp_path / "memory")]) == 0
    assert main([*command, "--out", str(tmp_path / "file"), *flags.split()]) == 0
    assert capsys.readouterr().err == ""
    assert [one.isbacked for one in opened] == [False, True]
    assert not opened[1].file.is_open
    for name in ("genes_B.csv", "clusters_B.csv"):
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / "memory" / name), pd.read_csv(tmp_path / "file" / name), rtol=1e-6
        )
    trends = [read_h5ad(tmp_path / folder / "results_B.h5ad").layers["trends"] for folder in ("memory", "file")]
    np.testing.assert_allclose(*trends, rtol=1e-10)
    assert (tmp_path / "file" / "report_B.html").exists()


@pytest.mark.slow
def test_small_trends_are_left_out(file, tmp_path, capsys):
    command = ["run", str(file), "--lineage", "B", "--out", str(tmp_path), "--n-neighbors", "4", "--report"]
    assert main(command) == 0
    genes, _, _ = read(tmp_path, "B")
    assert "more not clustered" not in capsys.readouterr().out
    clustered = genes[genes["cluster"] >= 0]
    for flag, column in (("--min-range", "amplitude"), ("--min-deviance-explained", "deviance_explained")):
        bound = float(clustered[column].median())
        assert main([*command, flag, str(bound)]) == 0
        left = read(tmp_path, "B")[0]["cluster"] >= 0
        assert set(genes.index[left]) == set(clustered.index[clustered[column] >= bound])
        line = f"  {(clustered[column] < bound).sum()} more not clustered: below "
        line += f"{flag.strip('-').replace('-', ' ')} {bound:g}"
        assert line in capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_run_reads_raw_and_backward_lineages(small, tmp_path):
    adata = small.copy()
    adata.raw = adata
    adata = adata[:, :2].copy()
    adata.obsm["lineages_bwd"] = adata.obsm.pop("lineages_fwd")
    adata.uns["lineages_bwd_names"] = np.array(["A", "root"])
    adata.write_h5ad(tmp_path / "raw.h5ad")
    command = ["run", str(tmp_path / "raw.h5ad"), "--lineage", "root", "--out", str(tmp_path)]
    assert main(command) == 1
    assert main([*command, "--backward", "--use-raw", "--n-neighbors", "4"]) == 0
    assert len(read(tmp_path, "root")[0]) == 15


@pytest.mark.parametrize("content", ["up0\ndown0\n\nup3\n", "up0, down0,up3", "\ufeffup0\r\ndown0\r\nup3"])
@pytest.mark.first(1)
def test_genes_from_a_file(content, file, tmp_path):
    (tmp_path / "genes.txt").write_text(content, encoding="utf-8")
    command = ["run", str(file), "--lineage", "B", "--out", str(tmp_path / "out")]
    assert main([*command, "--genes", str(tmp_path / "genes.txt")]) == 0
    assert read(tmp_path / "out", "B")[0].index.tolist() == ["up0", "down0", "up3"]


@pytest.mark.slow
def test_without_a_lineage_all_cells_are_one(small, tmp_path, capsys):
    adata = small.copy()
    del adata.obsm["lineages_fwd"]
    adata.write_h5ad(tmp_path / "single.h5ad")
    assert main(["run", str(tmp_path / "single.h5ad"), "--out", str(tmp_path / "out")]) == 0
    assert "All cells" in capsys.readouterr().out
    assert (tmp_path / "out" / "trends.png").exists()


@pytest.mark.slow
def test_no_cluster_leaves_tables_and_no_picture(file, tmp_path, capsys):
    command = ["run", str(file), "--lineage", "B", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert (tmp_path / "out" / "trends_B.png").exists()
    capsys.readouterr()
    assert main([*command, "--genes", "flat0,flat1"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("lineage-clust: warning: No gene is clustered")
    assert err.count("\n") == 1
    assert "2 not clustered" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f.format("B") for f in FILES[1:])


@pytest.mark.slow
def test_failed_genes_are_named(small, tmp_path, capsys):
    adata = small.copy()
    adata.X[3, 0] = np.nan
    adata.write_h5ad(tmp_path / "nan.h5ad")
    assert main(["run", str(tmp_path / "nan.h5ad"), "--lineage", "B", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "14 fitted" in out
    assert "1 failed" in out
    assert "    up0: " in out


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
        (["--lineage", "B", "--time-range", "0.8", "0.2"], 1, "time_range must start before it ends"),
        (["--lineage", "B", "--n-splines", "2"], 2, "n_splines"),
        (["--lineage", "B", "--alpha", "7"], 2, "alpha must be"),
        (["--lineage", "B", "--resolution", "-1"], 2, "resolution must be"),
        (["--lineage", "B", "--min-range", "-1"], 2, "min_range must be"),
        (["--lineage", "B", "--min-deviance-explained", "2"], 2, "min_deviance_explained must be"),
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
    assert "or pass --alpha none to cluster all genes." in capsys.readouterr().err


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
    from lineage_clust.cli import write_files

    with pytest.raises(OSError, match="disk full"):
        write_files(fitted, tmp_path)
    assert (tmp_path / "genes_B.csv").read_text() == "before"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_module_runs_as_program():
    done = subprocess.run(
        [sys.executable, "-m", "lineage_clust", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["lineage-clust", lc.__version__]


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
AT_THE_END = "result_files.h5ad_bytes"  # after a whole fit


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

    monkeypatch.setattr("lineage_clust.result_files.h5ad_bytes", fail)
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


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
def test_several_lineages_one_by_one_or_together(file, small, tmp_path, capsys):
    command = ["run", str(file), "--lineage", "B", "--lineage", "Mono/Mac", "--n-neighbors", "4", "--out"]
    assert main([*command, str(tmp_path / "each")]) == 0
    out = capsys.readouterr().out
    assert out.index("Lineage B\n") < out.index("Lineage Mono/Mac\n")
    expected = [name.format(lineage) for name in FILES for lineage in ("B", MONO_MAC)]
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == sorted(expected)
    alone = lc.TrendClusterer(random_state=0, clusterer=lc.GraphClusterer(n_neighbors=4)).fit(small, lineage="Mono/Mac")
    assert read(tmp_path / "each", MONO_MAC)[0]["cluster"].tolist() == alone.labels_.tolist()
    assert main([*command, str(tmp_path / "joint"), "--joint"]) == 0
    out = capsys.readouterr().out
    name = distinct_key("B_Mono/Mac")
    assert sorted(path.name for path in (tmp_path / "joint").iterdir()) == sorted(f.format(name) for f in FILES)
    joint = lc.TrendClusterer(random_state=0, clusterer=lc.GraphClusterer(n_neighbors=4)).fit(
        small, lineage=["B", "Mono/Mac"]
    )
    assert read(tmp_path / "joint", name)[0]["cluster"].tolist() == joint.labels_.tolist()
    assert "Lineages B and Mono/Mac together\n  pseudotime of B " in out
    for cluster, row in joint.cluster_table_.iterrows():
        [line] = [line for line in out.splitlines() if line.startswith(f"{cluster:9d} ")]
        assert row["specificity"] in line
        assert line.endswith(row["top_genes"])


@pytest.mark.slow
def test_donors_and_symbols(small, tmp_path, capsys):
    adata = small.copy()
    adata.obs["donor"] = [f"d{cell % 6}" for cell in range(120)]
    adata.var["name"] = [f"n{gene}" for gene in adata.var_names]
    adata.write_h5ad(tmp_path / "donors.h5ad")
    command = ["run", str(tmp_path / "donors.h5ad"), "--lineage", "B", "--out", str(tmp_path / "out")]
    assert main([*command, "--sample", "donor", "--symbols", "name", "--genes", "nup0,ndown1,nflat0"]) == 0
    out = capsys.readouterr().out
    assert "donors (donor) being the replicates" in out
    genes = read(tmp_path / "out", "B")[0]
    assert genes.index.tolist() == ["nup0", "ndown1", "nflat0"]
    options = {"sample_key": "donor", "gene_symbols": "name", "random_state": 0}
    with pytest.warns(lc.LineageClustWarning, match="Fit 20 genes or more"):
        expected = lc.TrendClusterer(**options).fit(adata, genes=list(genes.index), lineage="B")
    np.testing.assert_allclose(genes["pvalue"], expected.gene_table_["pvalue"])


@pytest.mark.usefixtures("quick")
def test_draws_of_pseudotime(small, tmp_path):
    cells = small.copy()
    cells.obs["boot"] = cells.obs["dpt_pseudotime"] + np.random.default_rng(1).normal(0, 0.02, cells.n_obs)
    cells.write_h5ad(tmp_path / "draws.h5ad")
    options = ["run", str(tmp_path / "draws.h5ad"), "--lineage", "B", "--out", str(tmp_path), "--time-draws"]
    assert main([*options, "dpt_pseudotime", "boot"]) == 0
    found = read(tmp_path, "B")[0]
    expected = (
        lc.TrendClusterer(lineage="B", time_key=["dpt_pseudotime", "boot"], random_state=0).fit(cells).gene_table_
    )
    np.testing.assert_allclose(found["attenuation"], expected["attenuation"])


@pytest.mark.usefixtures("quick")
def test_progress_is_said_where_somebody_watches_or_asks(file, tmp_path, capsys, monkeypatch):
    command = ["run", str(file), "--lineage", "B", "--genes", "up0,up1,down0", "--out", str(tmp_path / "out")]

    def said(*options):
        assert main([*command, *options]) == 0
        return capsys.readouterr().err

    assert said() == ""
    lines = [line.split(" s  ")[1] for line in said("--verbose").splitlines()]
    cells = int(next(line for line in lines if line.startswith("Lineage 'B'")).split()[2])
    assert [line for line in lines if not line.startswith(("Lineage", "3 genes have"))] == [
        f"Reading {file}.",
        f"{file}: 120 cells, 15 genes.",
        f"Fitting 3 genes along B ({cells} cells).",
        "Clustering the 3 genes whose trends pass the thresholds.",
        *(f"Writing {tmp_path / 'out' / name.format('B')}." for name in FILES),
    ]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert "Fitting 3 genes along B" in said()
    assert said("--quiet") == ""
    assert not any(type(handler).__name__ == "_Progress" for handler in logging.getLogger("lineage_clust").handlers)


@pytest.mark.parametrize("command", ["run", "demo"])
def test_help_is_in_groups_with_examples(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"lineage-clust {command} " in out.partition("example")[2]
    groups = ["lineages:", "what is read ", "how it is done "] if command == "run" else []
    places = [out.index(f"\n{group}") for group in [*groups, "messages on stderr:"]]
    assert places == sorted(places)


def test_the_examples_of_the_help_can_be_parsed(capsys):
    from lineage_clust.cli import make_parser
    from lineage_clust.cli.run import _EXAMPLES

    lines = [line.split("  ")[1] for line in _EXAMPLES.splitlines()[1:]]
    assert len(lines) > 4
    for line in lines:
        arguments = make_parser().parse_args(line.partition(" 2> ")[0].split()[1:])
        assert arguments.command.__name__ == "run"


def test_the_exit_codes_of_the_help_are_those_of_the_program(capsys):
    from lineage_clust.cli import program

    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out.partition("exit codes:")[2]
    codes = [int(line.split()[0]) for line in text.splitlines() if line.split() and line.split()[0].isdigit()]
    assert codes == [program.OK, program.FAILED, program.USAGE, program.INTERRUPTED] == [0, 1, 2, 130]


@pytest.mark.slow
def test_files_have_names_that_windows_takes(tmp_path, small, quick):
    small.uns["lineages_fwd_names"] = np.array(["CD34: high?", "CD34_ high_"])
    small.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "out"
    names = [option for name in ("CD34: high?", "CD34_ high_") for option in ("--lineage", name)]
    assert main(["run", str(tmp_path / "cells.h5ad"), *names, "--out", str(out)]) == 0
    files = [path.name for path in out.iterdir()]
    assert len({name.casefold() for name in files}) == len(files) == 8
    assert not any(character in name for name in files for character in '<>:"|?*')
