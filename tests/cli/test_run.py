"""The command `lineage-clust run`: files and summary."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.cli import main
from lineage_clust.io import cells
from lineage_clust.io.results import distinct_key

from .files import FILES, MONO_MAC, read


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


@pytest.mark.usefixtures("quick")
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
@pytest.mark.usefixtures("quick")
def test_expression_that_stays_in_the_file_gives_the_same(flags, small, tmp_path, monkeypatch, capsys):
    adata = small.copy()
    adata.X = sparse.csr_matrix(adata.X)
    adata.raw = adata
    adata.write_h5ad(tmp_path / "sparse.h5ad")
    read_h5ad, opened = anndata.read_h5ad, []

    def reading(*args, **kwargs):
        opened.append(read_h5ad(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(cells, "read_h5ad", reading)
    command = ["run", str(tmp_path / "sparse.h5ad"), "--lineage", "B", "--n-neighbors", "4"]
    assert main([*command, "--out", str(tmp_path / "memory")]) == 0
    assert main([*command, "--report", "--out", str(tmp_path / "file"), *flags.split()]) == 0
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
@pytest.mark.usefixtures("quick")
def test_small_trends_are_left_out(file, tmp_path, capsys):
    command = ["run", str(file), "--lineage", "B", "--out", str(tmp_path), "--n-neighbors", "4"]
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
@pytest.mark.usefixtures("quick")
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
        assert all(f" {name}" in line for name in row["changes_in"].split(", "))
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
    with pytest.warns(lc.LineageClustWarning, match="Fit at least 20 genes"):
        expected = lc.TrendClusterer(**options).fit(adata, genes=list(genes.index), lineage="B")
    np.testing.assert_allclose(genes["pvalue"], expected.gene_table_["pvalue"])


@pytest.mark.usefixtures("quick")
@pytest.mark.slow
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
