"""Every public function has type annotations; type checkers accept `typed_use.py`."""

import inspect

import pytest

import lineage_clust

MODULES = [lineage_clust, *(getattr(lineage_clust, name) for name in lineage_clust.__all__)]
MODULES = [item for item in MODULES if inspect.ismodule(item)]


def public():
    """Yield the functions and methods of this library that can be reached by public names."""
    for module in MODULES:
        for name in getattr(module, "__all__", []):
            item = getattr(module, name)
            if inspect.isclass(item):
                for method, function in inspect.getmembers(item, inspect.isroutine):
                    if method == "__init__" or not method.startswith("_"):
                        yield f"{name}.{method}", function
            elif inspect.isroutine(item):
                yield name, item


def is_ours(function):
    return str(getattr(function, "__module__", "")).startswith("lineage_clust")


OURS = {name: inspect.unwrap(function) for name, function in public() if is_ours(inspect.unwrap(function))}


@pytest.mark.parametrize("function", OURS.values(), ids=OURS.keys())
def test_every_parameter_and_result_has_a_type(function):
    signature = inspect.signature(function)
    bare = [
        name
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls") and parameter.annotation is parameter.empty
    ]
    assert bare == []
    if function.__name__ != "__init__":
        assert signature.return_annotation is not signature.empty


def test_the_main_classes_are_among_them():
    assert {"TrendClusterer.fit", "GAM.predict", "GraphClusterer.__init__", "cluster_lineage"} <= OURS.keys()
