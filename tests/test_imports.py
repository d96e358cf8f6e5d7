"""`import lineage_clust` loads only what it needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lineage_clust

CODE = """
import sys
import anndata, sklearn.cluster, sklearn.decomposition, sklearn.neighbors, scipy.stats
before = set(sys.modules)
import lineage_clust
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""


@pytest.mark.slow
def test_heavy_libraries_are_loaded_when_used():
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout.split()
    assert "lineage_clust" in out
    assert not {
        "matplotlib",
        "igraph",
        "pygam",
        "leidenalg",
        "dask",
        "distributed",
        "zarr",
        "h5py",
        "rpy2",
        "tqdm",
        "numba",
    } & set(out)


def test_data_flows_one_way():
    """The contracts of pyproject.toml: layers, no circles, and who knows what an AnnData is."""
    pytest.importorskip("importlinter")
    root = Path(__file__).parents[1]
    if not (root / "pyproject.toml").exists():
        pytest.skip("the contracts are not here")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_names_of_types_are_all_that_others_import_of_anndata():
    """Under TYPE_CHECKING only; `lineage`, `io` and `datasets` read and write."""
    package = Path(lineage_clust.__file__).parent
    knowing = set()
    for path in package.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [getattr(node, "module", None)]
            )
            if isinstance(node, (ast.Import, ast.ImportFrom)) and any(
                str(name).split(".")[0] == "anndata" for name in names
            ):
                knowing.add(path.relative_to(package).parts[0])
    assert knowing == {"lineage", "io", "datasets"}
