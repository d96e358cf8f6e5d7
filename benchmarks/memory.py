"""Peak memory of `TrendClusterer.fit` in a separate process, compared with a dense copy of the expression."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

from anndata import AnnData, read_h5ad


def measure(adata: AnnData) -> dict[str, float]:
    """Return the figures in MB (1e6 bytes), measured in a new process that has only read the data.

    `fit_peak` is the peak memory of arrays allocated by the fit, in addition to the data; `process_growth` is the
    growth of the process to its peak size, including all memory; `process_peak` is this size.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "data.h5ad"
        adata.write_h5ad(path)
        command = [sys.executable, "-m", "benchmarks.memory", str(path)]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    X = adata.X
    figures["expression_sparse"] = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e6
    figures["expression_dense"] = X.shape[0] * X.shape[1] * X.dtype.itemsize / 1e6
    figures["expression_dense_double"] = X.shape[0] * X.shape[1] * 8 / 1e6
    return figures


def _measure_here(path: str) -> dict[str, float]:
    from lineage_clust import TrendClusterer

    adata = read_h5ad(path)
    before = _resident("VmRSS")
    tracemalloc.start()  # includes arrays of NumPy and SciPy
    TrendClusterer(random_state=0).fit(adata, lineage="A")
    allocated = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    after = _resident("VmHWM")
    return {"fit_peak": allocated / 1e6, "process_growth": (after - before) / 1e6, "process_peak": after / 1e6}


def _resident(field: str) -> float:
    """Return the resident size of this process in bytes, VmRSS (current) or VmHWM (peak); NaN except on Linux.

    `getrusage` is not suitable, as a new process starts with the peak of its parent.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024.0 * int(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(_measure_here(sys.argv[1])))
