"""`python -m benchmarks.search`: time a grid search of 60 fits on 500 genes x 3,000 cells.

Measured is the wall time of `GridSearchCV.fit` from an AnnData in memory: 20 candidates x 3 folds = 60 fits, each
followed by its score on the held-out cells, and one final fit of the best candidate to all cells. Reading, smoothing
and clustering are included; importing and simulating are not. BLAS and OpenMP use one thread per process unless
`--threads` is given, because several processes that each use all cores slow each other down.
"""

from __future__ import annotations

import argparse
import os
from time import perf_counter

from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

import lineage_clust as lc

GRID = {
    "smoother__n_splines": [10, 20],
    "clusterer__n_neighbors": [10, 15],
    "clusterer__resolution": [0.25, 0.5, 1.0, 2.0, 4.0],
}


def time_search(n_cells: int, n_genes: int, n_jobs: int, threads: int) -> tuple[float, int]:
    """Return seconds, and the number of clusters of the best candidate."""
    adata = lc.datasets.simulate_lineage(n_cells, n_genes, 8, n_lineages=2, random_state=0)
    estimator = lc.TrendClusterer(lineage="lineage_1", random_state=0)
    search = GridSearchCV(estimator, GRID, cv=lc.PseudotimeKFold(3), n_jobs=n_jobs, error_score="raise")
    with threadpool_limits(threads):
        start = perf_counter()
        search.fit(adata)
        seconds = perf_counter() - start
    return seconds, search.best_estimator_.n_clusters_


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--cells", type=int, default=3000)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    seconds, n_clusters = time_search(arguments.cells, arguments.genes, arguments.jobs, arguments.threads)
    fits = 3
    for values in GRID.values():
        fits *= len(values)
    print(
        f"{fits} fits of {arguments.genes} genes x {arguments.cells} cells: {seconds:.1f} s wall, n_jobs={arguments.jobs}, "
        f"{arguments.threads} thread(s) a process, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; "
        f"{n_clusters} clusters"
    )


if __name__ == "__main__":
    main()
