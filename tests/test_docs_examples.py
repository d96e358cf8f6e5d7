"""Every block of code of the pages on pipelines, searches and reuse runs, and shows what the text says."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import numpy as np
import pytest

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


def test_pipelines():
    _, shown = run("pipelines.md")
    accuracy, names, table, labels, n_clusters = shown
    assert accuracy > 0.85
    assert list(table.columns) == list(names)
    assert len(labels) == 4
    assert n_clusters > 1


def test_search():
    _, shown = run("search.md")
    smooth, (_, n_clusters), scores, components = shown
    assert smooth["model__smoothing"] == "reml"
    assert n_clusters == 4
    assert scores["cluster_stability"][0] == pytest.approx(1.0, abs=0.1)
    assert np.argmax(scores["silhouette"]) == 2
    assert len(components) == 2


def test_reuse():
    variables, shown = run("reuse.md")
    _, (shape, _), (trend, interval), scores, same = shown
    assert shape == (5, 200)
    assert trend.shape == (2,)
    assert interval.shape == (2, 2)
    assert scores == (100, variables["tc"].n_clusters_)
    assert same
    assert np.mean(variables["labels"] >= 0) > 0.2


@pytest.mark.parametrize("page", ["pipelines", "search", "reuse"])
def test_each_page_is_in_the_table_of_contents(page):
    assert re.search(rf"^{page}$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M)
