"""The public API: it exists, is documented in full, and has the installed version."""

import importlib
import inspect
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import lineage_clust

MODULES = [
    lineage_clust,
    *(getattr(lineage_clust, name) for name in lineage_clust.__all__ if inspect.ismodule(getattr(lineage_clust, name))),
]


def public_names(module):
    """Return what a module offers: `__all__`, or what it defines."""
    defined = [name for name, item in vars(module).items() if getattr(item, "__module__", None) == module.__name__]
    return getattr(module, "__all__", [name for name in defined if not name.startswith("_")])


PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in public_names(module)
    if not inspect.ismodule(getattr(module, name))
}
CLASSES = {name: item for name, item in PUBLIC.items() if inspect.isclass(item) and not issubclass(item, BaseException)}
FUNCTIONS = {name: item for name, item in PUBLIC.items() if inspect.isroutine(item)}
METHODS = {
    f"{name}.{method}": function
    for name, item in CLASSES.items()
    for method, function in inspect.getmembers(item, inspect.isfunction)
    if not method.startswith("_")
    and function.__module__.startswith("lineage_clust")
    and method not in ("get_params", "set_params")  # scikit-learn's
}


def by_name(items):
    return pytest.mark.parametrize("item", items.values(), ids=items.keys())


def sections(docstring):
    """Return the sections of a numpydoc docstring: title -> lines."""
    lines, found, title = inspect.cleandoc(docstring).splitlines(), {}, "Summary"
    for number, line in enumerate(lines):
        if number + 1 < len(lines) and line and set(lines[number + 1]) == {"-"}:
            title = line.strip()
        found.setdefault(title, []).append(line)
    return {title: body if title == "Summary" else body[2:] for title, body in found.items()}


def named(lines):
    """Return the names that a Parameters section describes."""
    heads = [line.split(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def parameters(function):
    if getattr(function, "_is_protocol", False):  # which is not called
        return []
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls", "fitted")]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_lists_what_is_there(module):
    assert module.__doc__
    names = public_names(module)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(importlib.import_module(module.__name__), name)


@by_name(PUBLIC)
def test_summary_is_a_sentence(item):
    summary = " ".join(sections(item.__doc__)["Summary"]).strip()
    assert re.match(r"[A-Z`].*\.", summary)


@by_name(CLASSES)
def test_classes_describe_every_parameter(item):
    found = sections(item.__doc__)
    described = named(found.get("Parameters", found.get("Attributes", [])))
    assert [name for name in described if name in parameters(item)] == parameters(item)
    assert "Examples" in found
    assert ">>> " in "\n".join(found["Examples"])


@by_name({name: item for name, item in CLASSES.items() if hasattr(item, "get_params")})
def test_estimators_describe_what_fit_leaves(item):
    attributes = named(sections(item.__doc__)["Attributes"])
    assert all(name.endswith("_") or name.endswith("_in_") for name in attributes if ":" not in name)


@by_name(FUNCTIONS)
def test_functions_describe_parameters_and_result(item):
    found = sections(item.__doc__)
    assert named(found.get("Parameters", [])) == parameters(item)
    assert "Returns" in found
    assert ">>> " in "\n".join(found.get("Examples", []))


@by_name(METHODS)
def test_methods_describe_what_they_take(item):
    """All parameters or, in a docstring of one sentence, none."""
    found = sections(item.__doc__)
    if set(found) != {"Summary"}:
        assert sorted(named(found.get("Parameters", []))) == sorted(parameters(item))


@pytest.mark.parametrize("name", PUBLIC)
def test_the_documentation_lists_it(name):
    page = Path(__file__).parents[1] / "docs" / "api.md"
    if not page.exists():
        pytest.skip("the folder docs is not here")
    listed = re.findall(r"^ {3}(lineage_clust\.\S+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    items = [getattr(importlib.import_module(key.rpartition(".")[0]), key.rpartition(".")[2]) for key in listed]
    assert any(item is PUBLIC[name] for item in items), f"add {name} to docs/api.md"
    assert all(any(item is known for known in PUBLIC.values()) for item in items)


def test_version_is_that_of_the_installed_package():
    try:
        installed = version("lineage-clust")
    except PackageNotFoundError:
        pytest.skip("lineage-clust is not installed, it runs from its folder")
    assert lineage_clust.__version__ == installed


def test_package_is_typed():
    assert (Path(lineage_clust.__file__).parent / "py.typed").exists()


def test_what_a_fit_leaves_public_is_described():
    """No leftovers: every public attribute and method of the main class is in its docstring or has one."""
    described = " ".join(named(sections(lineage_clust.TrendClusterer.__doc__)["Attributes"]))
    for name in dir(lineage_clust.TrendClusterer):
        if name.startswith("_"):
            continue
        item = inspect.getattr_static(lineage_clust.TrendClusterer, name)
        if name.endswith("_"):
            assert name in described, name
        else:
            assert (item.__func__ if isinstance(item, classmethod) else item).__doc__, name


def test_one_name_has_one_place():
    """Outside `lineage_clust` itself, modules list only what is nowhere else public."""
    places = {}
    for name, item in PUBLIC.items():
        places.setdefault(id(item), []).append(name)
    assert {tuple(names) for names in places.values() if len(names) > 1} == {
        (f"lineage_clust.{name}", f"lineage_clust.models.{name}") for name in ("GAM", "MgcvGAM", "PyGAM")
    }
