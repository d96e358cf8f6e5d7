import os
import subprocess
import sys

import pytest

from lineage_clust.utils import compiling


def double(x):
    return 2 * x


def test_without_numba_a_function_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(compiling, "can_compile", lambda: False)
    assert compiling.compiled(double) is double


@pytest.mark.parametrize("message", ["No module named 'numba'", "Numba needs NumPy 2.3 or less. Got NumPy 2.4."])
@pytest.mark.slow
def test_a_numba_that_is_missing_or_refuses_numpy_is_done_without(tmp_path, message):
    (tmp_path / "numba.py").write_text(f"raise ImportError({message!r})")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from lineage_clust.utils.compiling import can_compile\n"
        "from lineage_clust.expression.sums import fused, sum_loops\n"
        "from lineage_clust.trends import shape_loops, shapes\n"
        "print(can_compile(), fused.load_compiled(), shapes.load_compiled())"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "None", "None"]


def test_a_function_is_compiled_even_where_nothing_can_be_kept(monkeypatch):
    numba = pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    original, asked = numba.njit, []

    def njit(cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return original(**options)

    monkeypatch.setattr(numba, "njit", njit)
    own = compiling.compiled(double)
    monkeypatch.undo()  # numba uses it as well
    assert own(4) == 8
    assert asked == [True, False]


@pytest.mark.slow
def test_a_cache_that_names_a_class_of_another_version_is_made_again(tmp_path):
    pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    source = (
        "from typing import NamedTuple\n"
        "from lineage_clust.utils.compiling import compiled\n"
        "class Before(NamedTuple):\n    value: float\n"
        "@compiled\ndef double(of):\n    return 2 * of.value\n"
        "print(double(Before(4.0)), sum(double.stats.cache_hits.values()))\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    for text, printed in ((source, "8.0 0"), (source, "8.0 1"), (source.replace("Before", "After"), "8.0 0")):
        (tmp_path / "versions.py").write_text(text)
        run = [sys.executable, "-c", "import versions"]
        out = subprocess.run(run, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path})
        assert out.stdout.strip() == printed
