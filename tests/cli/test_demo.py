"""`lineage-clust demo`."""

import io
from contextlib import redirect_stdout

import pytest

from lineage_clust.cli import main

from .files import FILES, PNG, REPORT, read


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
        for cluster, row in clusters.iterrows():  # a line each: size, peak, what the mean trend does, top genes
            start, end = f"{cluster:9d}  {row['size']:5d}  {row['peak']:4.2f}  ", f"  {row['top_genes']}"
            (line,) = [line for line in out.splitlines() if line.startswith(start) and line.endswith(end)]
            assert line.removesuffix(end).split()[-1] in ("rise", "fall", "peak", "dip", "up-down-up")


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
