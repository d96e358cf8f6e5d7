"""The code of the documentation runs, and its output agrees with the text.

The build of the documentation runs the code cells of every page. The tests here cover pages whose text depends on the
output, blocks of code that the build does not run, and the files of examples.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
import re
import sys
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

import lineage_clust as lc

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.M | re.S)
_TAG = re.compile(r"^:tags:.*\n", re.M)


def run(page: str) -> tuple[dict, list]:
    """Return the variables that a page leaves, and the value of each block that ends in an expression."""
    variables, shown = {}, []
    for block in _BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        tree = ast.parse(_TAG.sub("", block))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, page, "exec"), variables)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), page, "eval"), variables))
    return variables, [value for value in shown if value is not None]


@pytest.fixture(autouse=True)
def _stay_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_pipelines():
    _, shown = run("pipelines.md")
    accuracy, names, table, labels, n_clusters = shown
    assert accuracy > 0.85
    assert list(table.columns) == list(names)
    assert len(labels) == 4
    assert n_clusters > 1


@pytest.mark.slow
def test_double_use():
    _, ((same, n_clusters), halves, (_, found), shares, explained) = run("double_use.md")
    assert same > 0.15
    assert n_clusters > 0  # of genes that do not change
    assert halves < 0.08
    assert found > 120  # of 240
    assert shares["same counts"][0.05] > 2 * shares["halves"][0.05]
    assert explained["without a trajectory"] > 0.95
    assert explained["without, normalised to 10,000 counts"] < 0.5
    assert explained["bone marrow"] > 0.9


@pytest.mark.slow
def test_pseudotime():
    _, (correlations, table, *_) = run("pseudotime.md")
    assert correlations.min() > 0.8
    assert table["attenuation"].between(0, 1).all()


@pytest.mark.slow
def test_scale():
    _, ((n_clusters, shape),) = run("scale.md")
    assert n_clusters > 1
    assert shape == (240, 200)


@pytest.mark.slow
def test_choosing():
    _, shown = run("choosing.md")
    smooth, n_found, (_, n_clusters), scores, components = shown
    assert smooth["model__smoothing"] == "reml"
    assert n_found == n_clusters == 4
    assert scores["cluster_stability"][0] == pytest.approx(1.0, abs=0.1)
    assert np.argmax(scores["silhouette"]) == 2
    assert len(components) == 2


@pytest.mark.slow
def test_reuse():
    variables, shown = run("reuse.md")
    _, (shape, _), (trend, interval), scores, same = shown
    assert shape == (5, 200)
    assert trend.shape == (2,)
    assert interval.shape == (2, 2)
    assert scores == (100, variables["tc"].n_clusters_)
    assert same
    assert np.mean(variables["labels"] >= 0) > 0.2


@pytest.mark.parametrize("page", ["pipelines", "choosing", "reuse"])
def test_each_page_is_in_the_table_of_contents(page):
    assert re.search(rf"^{page}$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M)


def test_every_page_is_reached():
    """From the table of contents of the first page, over those of the pages that it lists."""
    pages = {
        path.relative_to(DOCS).with_suffix("").as_posix()
        for path in [*DOCS.glob("*.md"), *DOCS.glob("components/*.md")]
    }
    reached, waiting = set(), ["index"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", text, re.M | re.S):
            names = [line for line in block.splitlines() if line and not line.startswith(":") and "*" not in line]
            waiting += [(Path(page).parent / name).as_posix() for name in names]
    assert reached == pages


# ---- blocks of Python that the build does not run

_PYTHON = re.compile(r"^(?:% not run: (?P<why>[^\n]+)\n)?```python\n(?P<code>.*?)^```$", re.M | re.S)
_NAMED = ["Apoe", "Klf1", "Car2", "Mpo", "Vim", "Mcm5", "Rhd", "Cpox", "Alad", "Hba-a2"]
_PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("components/*.md"))]
_SLOW = {"README", "models", "from_cellrank", "from_palantir", "from_tradeseq", "inputs"}


def blocks_to_run(page: Path) -> list[str]:
    return [found["code"] for found in _PYTHON.finditer(page.read_text(encoding="utf-8")) if not found["why"]]


def leave_files_of_r(adata, folder: Path) -> None:
    """Write what the code in R of the page on tradeSeq would."""
    for key, name in (("slingshot_pseudotime", "pseudotime"), ("slingshot_cell_weights", "weights")):
        adata.obsm[key].set_axis(["Lineage1", "Lineage2"], axis=1).to_csv(folder / f"{name}.csv")
    mmwrite(folder / "counts.mtx", sparse.csr_matrix(adata.layers["counts"]).T)
    (folder / "genes.txt").write_text("\n".join(adata.var_names), encoding="utf-8")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page.stem in _SLOW else [], id=page.stem)
        for page in _PAGES
        if blocks_to_run(page) and page.stem != "own_file"  # which has a test of its own
    ],
)
@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
def test_blocks_of_python_run(page, tmp_path, monkeypatch):
    adata = lc.datasets.bone_marrow()[:, _NAMED].copy()
    adata.obs["batch"] = (np.arange(adata.n_obs) % 2).astype(str)
    adata.obs["percent_mito"] = np.random.default_rng(0).uniform(size=adata.n_obs)
    if page.stem == "from_palantir":
        adata.obsm["branch_masks"] = adata.obsm["palantir_fate_probabilities"] > 0.5
    if page.stem == "from_tradeseq":
        leave_files_of_r(adata, tmp_path)
    monkeypatch.setattr(lc.datasets, "bone_marrow", lambda: adata)  # fewer genes
    monkeypatch.setattr(
        lc.TrendClusterer, "report", lambda self, path: Path(path).touch()
    )  # seconds; has its own tests
    variables = {"adata": adata, "genes": _NAMED}
    for block in blocks_to_run(page):
        exec(compile(block, page.name, "exec"), variables)
    for name in ("tc", "model"):
        component = variables.get(name)
        assert component is None or clone(component) is not None
    if not hasattr(variables.get("tc"), "genes_") and page.stem in ("models", "smoothers", "clusterers"):
        for code in re.findall(r"^tc = .*$", "\n".join(blocks_to_run(page)), re.M):  # whose parameters only fit checks
            exec(f"{code}\ntc.fit(adata, lineage='Ery')", variables)
            assert variables["tc"].genes_ == _NAMED
    for path in tmp_path.iterdir():
        path.unlink()


def test_blocks_that_are_not_run_say_why():
    text = "\n".join(page.read_text(encoding="utf-8") for page in _PAGES)
    assert all(len(why) > 10 for why in re.findall(r"% not run: *(.*)", text))
    assert text.count("% not run: ") == sum(bool(found["why"]) for found in _PYTHON.finditer(text))


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_a_page_imports_or_makes_what_its_code_uses(page):
    known = {*dir(builtins), "adata", "genes"}
    for code in re.findall(r"^```(?:\{code-cell\} ipython3|python)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
        nodes = list(ast.walk(ast.parse(_TAG.sub("", code))))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        known |= {node.asname or node.name.partition(".")[0] for node in nodes if isinstance(node, ast.alias)}
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler))}
        known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        assert {node.id for node in names} <= known, code


# ---- the first picture


def test_the_caption_of_the_first_picture_is_true():
    caption = re.search(
        r"\*Mouse bone marrow.*?figure\.\*", (DOCS.parent / "README.md").read_text(encoding="utf-8"), re.S
    )
    tc = lc.TrendClusterer(lineage="Myeloid", random_state=0).fit(lc.datasets.bone_marrow())
    clusters = dict(zip(tc.genes_, tc.labels_.tolist(), strict=True))
    named = {0: ["Klf1", "Car1"], 2: ["Cdk4", "Mcm5"], 3: ["Prtn3", "Mpo"], 4: ["Elane", "Ly6c2"]}
    assert all(clusters[gene] == number for number, genes in named.items() for gene in genes)
    sizes, half, center = tc.cluster_table_["size"], tc.cluster_table_["half_max"], tc.cluster_centers_
    assert tc.n_clusters_ == 5
    assert sizes[[2, 3]].min() > 5 * sizes[[0, 1, 4]].max()
    assert sizes[1] < 10
    assert 0.3 < tc.pseudotime_[center[1].argmax()] < 0.7  # "rise, fall"
    assert half[2] < 0.3 < half[3] < 0.5 < half[4]
    assert center[0, 0] > center[0, -1]
    assert f"half of its range at pseudotime {half[4]:.2f}" in caption.group().replace("\n", " ")
    assert f"{len(tc.genes_)} genes" in caption.group()
    assert set(tc.gene_table_["note"]) == {""}  # models.md: of these genes none depends on a single cell


# ---- docs/examples


def load(name: str):
    """Return a file of docs/examples as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where pickle looks for its classes
    spec.loader.exec_module(module)
    return module


def test_each_example_is_shown():
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```\{literalinclude\} examples/(\w+)\.py$", page, re.M)
    assert sorted(shown) == sorted(path.stem for path in (DOCS / "examples").glob("*.py"))


@pytest.mark.slow
def test_extending(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    variables, shown = run("extending.md")
    evidence, clusters = shown
    assert (evidence["deviance_explained"] > 0).all()
    assert clusters["size"].sum() == (variables["peaks"].labels_ >= 0).sum() > 0
    assert [variables[name].lineage_ for name in ("waves", "robust", "mean", "peaks")] == ["Ery"] * 4


@pytest.mark.parametrize(
    ("name", "contract"),
    [("own_smoother", "FourierSmoother"), ("own_model", "RobustSmooth"), ("own_clusterer", "PeakClusterer")],
)
def test_examples_keep_to_the_contracts(name, contract):
    kind = {"own_smoother": "Smoother", "own_model": "DesignModel", "own_clusterer": "Clusterer"}[name]
    assert isinstance(getattr(load(name), contract)(), getattr(lc.contracts, kind))


def test_every_contract_is_shown():
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"autoclass:: lineage_clust\.contracts\.(\w+)", page)) == lc.contracts.__all__


@pytest.mark.slow
def test_own_smoother(make_adata):
    smoother = load("own_smoother").FourierSmoother(n_harmonics=3)
    check_estimator(clone(smoother))
    waves = smoother.set_params(domain=(0, 2)).fit([[0.5], [1.0]])
    np.testing.assert_allclose(waves.transform([[0.3]]), waves.transform([[2.3]]))
    np.testing.assert_array_equal(np.diag(waves.penalty_), [1, 1, 16, 16, 81, 81])

    tc = lc.TrendClusterer(smoother=clone(smoother).set_params(domain=None), lineage="A", random_state=0)
    tc.fit(make_adata(), genes=["peak0", "peak1", "rise0", "flat0"])
    np.testing.assert_allclose(tc.trends_[:, 0], tc.trends_[:, -1])  # the domain is the time range
    assert tc.pseudotime_[np.argmax(tc.trends_[0])] == pytest.approx(0.55, abs=0.1)
    search = GridSearchCV(tc, {"smoother__n_harmonics": [1, 3]}, cv=lc.PseudotimeKFold(2)).fit(make_adata())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_own_model(make_adata):
    robust = load("own_model").RobustSmooth(smoothing=0.1)
    t = np.linspace(0, 1, 200)
    values = np.column_stack([np.sin(5 * t), t])
    values[::10, 0] += 20  # cells that a mean would follow
    smoother = lc.BSplineSmoother(n_splines=10)
    design = smoother.fit_transform(t[:, None])
    design = design.toarray()  # as it is handed to a class that does not say that it takes sparse matrices
    fitted = clone(robust).fit(design, values, penalty=smoother.penalty_)
    np.testing.assert_allclose(fitted.predict(design)[:, 0], np.sin(5 * t), atol=0.2)
    np.testing.assert_allclose(fitted.predict(design)[:, 1], t, atol=0.02)

    tc = lc.TrendClusterer(robust, lineage="A", random_state=0).fit(make_adata())
    assert (tc.labels_ >= 0).all()  # it has no test
    assert tc.trend_se_ is None
    with pytest.raises(ValueError, match="RobustSmooth does not support an offset"):
        lc.TrendClusterer(robust, lineage="A", offset="size_factors").fit(make_adata())


@pytest.mark.slow
def test_a_gene_that_the_own_model_cannot_fit_fails_alone(make_adata):
    adata = make_adata(kind="dense")
    adata.X[3, 1] = np.nan
    tc = lc.TrendClusterer(load("own_model").RobustSmooth(), lineage="A", random_state=0).fit(adata)
    assert list(tc.failed_) == [adata.var_names[1]]


def test_own_clusterer(make_adata):
    peaks = load("own_clusterer").PeakClusterer(n_parts=2)
    grid = np.linspace(0, 1, 50)
    curves = np.exp(-0.5 * ((grid - np.array([[0.2], [0.8], [0.5]])) / np.array([[0.1], [0.1], [5.0]])) ** 2)
    curves[2] = grid**0.1
    np.testing.assert_array_equal(clone(peaks).fit(curves).labels_, [0, 1, -1])

    tc = lc.TrendClusterer(clusterer=peaks, lineage="A").fit(make_adata())
    assert tc.n_clusters_ == 2
    np.testing.assert_array_equal(tc.predict(make_adata()), tc.labels_)


@pytest.mark.slow
def test_genes_named_for_the_worm_are_in_their_clusters(data_dir):
    """The table of `docs/own_file.md`."""
    tc = lc.TrendClusterer(random_state=0).fit(anndata.read_h5ad(data_dir / "worm_asg_awa.h5ad"), lineage="ASG")
    rows = re.findall(
        r"^\| ([\d, ]+) \| [^|]+ \| (\*[^|]+)\|", (DOCS / "own_file.md").read_text(encoding="utf-8"), re.M
    )
    assert [clusters for clusters, _ in rows] == ["0, 1", "2", "3", "4"]
    for clusters, genes in rows:
        found = tc.gene_table_.loc[re.findall(r"\*([^*]+)\*", genes), "cluster"]
        assert set(found) == {int(cluster) for cluster in clusters.split(", ")}
    peak = tc.cluster_table_["peak"]
    assert peak[0] < peak[1] < 0.5 < peak[2] < peak[3] < peak[4]


@pytest.mark.slow
def test_own_file(make_adata, tmp_path, capsys):
    """Its blocks run one after the other on a file, with the names that the text says to replace."""
    adata = make_adata(n_cells=150, n_genes=24, kind="dense")
    adata.write_h5ad(tmp_path / "cells.h5ad")
    variables: dict = {}
    text = (DOCS / "own_file.md").read_text(encoding="utf-8").replace("ASG", "A")
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        exec(block, variables)
    assert "top_genes" in capsys.readouterr().out
    assert variables["lc"].TrendClusterer.load("fit.lclust").n_clusters_ == variables["tc"].n_clusters_
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {
        "cells.h5ad",
        "lineage.png",
        "genes.png",
        "clusters.png",
        "heatmap.png",
        "genes.csv",
        "report.html",
        "fit.lclust",
    }
    for name in written:
        (tmp_path / name).unlink()
