"""Advice in messages can be followed: the parameters and methods that they name exist."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import anndata
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsTransformer

import lineage_clust

SOURCES = Path(lineage_clust.__file__).parent
NOT_MESSAGES = (  # HTML, styles of matplotlib, parts of docstrings
    "report/page.py", "report/methods.py", "report/comparison.py", "plotting/graph/graph.py", "utils/documenting.py",
)  # fmt: skip
OTHERS = (anndata.AnnData, anndata.read_h5ad, GridSearchCV, KNeighborsTransformer)  # which messages speak of
SCANPY = {"knn", "directed"}  # in the dictionaries that cluster_lineage takes
DECLARED = {"uses_draws", "max_bytes"}  # on classes


def texts(path: Path) -> dict[int, str]:
    """Return the texts of a file by line, but for docstrings; `{}` is what is filled in."""
    tree, found = ast.parse(path.read_text(encoding="utf-8")), {}
    nodes = list(ast.walk(tree))
    left_out = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    left_out |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            values = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            found[node.lineno] = found.get(node.lineno, "") + "".join(values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            found[node.lineno] = found.get(node.lineno, "") + node.value
    return found


@pytest.fixture(scope="module")
def messages():
    return {
        f"{path.relative_to(SOURCES).as_posix()}:{line}": text
        for path in sorted(SOURCES.rglob("*.py"))
        if path.relative_to(SOURCES).as_posix() not in NOT_MESSAGES
        for line, text in texts(path).items()
    }


def callables():
    """Yield everything public that can be called."""
    modules = [lineage_clust, *(item for item in vars(lineage_clust).values() if inspect.ismodule(item))]
    for module in modules:
        for name in getattr(module, "__all__", []):
            item = getattr(module, name)
            if inspect.isclass(item):
                yield from (method for name, method in inspect.getmembers(item, inspect.isfunction) if name[0] != "_")
            if callable(item) and not (inspect.isclass(item) and issubclass(item, Exception)):
                yield item
    yield from OTHERS


PARAMETERS = {name for item in callables() for name in inspect.signature(item).parameters} | SCANPY | DECLARED


def named_parameters(text: str) -> list[str]:
    """Return what a message calls a parameter: `name=`, or a name with an underscore after "pass", "set" and the like.

    >>> named_parameters("Set time_range, or pass genes=['a'], or fit_range=...")
    ['genes', 'fit_range', 'time_range']
    """
    given = re.findall(r"(?<![\w.'\"\[{])([a-z]\w*)=(?![=\"])", text)
    verbs = "[Ss]et|[Pp]ass|[Rr]aise|[Ll]ower|[Ii]ncrease|with|needs"
    advised = re.findall(rf"\b(?:{verbs}) ([a-z]+(?:_[a-z]+)+)\b(?![.(=])", text)
    return given + advised


def test_parameters_that_messages_name_are_there(messages):
    named = [(name, place) for place, text in messages.items() for name in named_parameters(text)]
    assert len(named) > 80
    assert [(name, place) for name, place in named if name not in PARAMETERS] == []


def test_methods_that_messages_name_are_there(messages):
    """`Class.method`, where the class is ours."""
    checked = 0
    for place, text in messages.items():
        for owner, method in re.findall(r"\b([A-Z]\w+)\.([a-z]\w+)\b", text):
            if hasattr(lineage_clust, owner):
                assert hasattr(getattr(lineage_clust, owner), method), (place, owner, method)
                checked += 1
    assert checked >= 3


def test_what_is_looked_for_is_found():
    assert named_parameters("Set time_range, or pass genes=['a'], or a == b") == ["genes", "time_range"]
    assert named_parameters("fit with keep_data=True to prepare it anew") == ["keep_data"]
    assert "keep_data" not in PARAMETERS
