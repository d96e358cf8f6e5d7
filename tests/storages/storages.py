"""The same numbers in many storages, and random parameters of fits: `python storages.py FIRST LAST` tries some of them.

A pair is two storages of the same numbers, fitted with the same parameters. Both must give the same table, trends and
labels, or the same error.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from itertools import combinations
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

import lineage_clust as lc

N_OF_A_SETTING = 6  # storages, which make 15 pairs
_EXACT = ("labels", "failed", "direction", "note", "error")


def _read_only(X, _folder):
    X = X.copy()
    X.flags.writeable = False
    return X


def _memory_mapped(X, folder):
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def _unsorted(X, _folder):
    made = sparse.csr_matrix(X)
    for start, end in zip(made.indptr[:-1], made.indptr[1:], strict=True):
        made.indices[start:end] = made.indices[start:end][::-1].copy()
        made.data[start:end] = made.data[start:end][::-1].copy()
    made.has_sorted_indices = False
    return made


def _with_zeros(X, _folder):
    made = sparse.csr_matrix(np.ones_like(X))
    made.data = X.ravel().copy()
    return made


def _with_duplicates(X, _folder):
    half = sparse.coo_matrix(X / 2)
    rows, columns, values = (np.concatenate([part, part]) for part in (half.row, half.col, half.data))
    order = np.argsort(rows, kind="stable")
    indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=len(X))))
    return sparse.csr_matrix((values[order], columns[order], indptr), shape=X.shape)


def _long_indices(X, _folder):
    made = sparse.csr_matrix(X)
    made.indices, made.indptr = made.indices.astype(np.int64), made.indptr.astype(np.int64)
    return made


def _dask(X, _folder):
    import dask.array as da

    return da.from_array(X, chunks=(max(1, len(X) // 3), X.shape[1]))


def _of_type(kind, dtype):
    return lambda X, _folder: kind(X).astype(dtype)


STORAGES = {
    "dense": lambda X, _: X.copy(),
    "Fortran": lambda X, _: np.asfortranarray(X),
    "strided": lambda X, _: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": _read_only,
    "memory-mapped": _memory_mapped,
    "float32": _of_type(np.asarray, np.float32),
    "int16": _of_type(np.asarray, np.int16),
    "int32": _of_type(np.asarray, np.int32),
    "int64": _of_type(np.asarray, np.int64),
    "uint8": _of_type(np.asarray, np.uint8),
    "uint16": _of_type(np.asarray, np.uint16),
    "csr_matrix": lambda X, _: sparse.csr_matrix(X),
    "csc_matrix": lambda X, _: sparse.csc_matrix(X),
    "csr_array": lambda X, _: sparse.csr_array(X),
    "csc_array": lambda X, _: sparse.csc_array(X),
    "csr float32": _of_type(sparse.csr_matrix, np.float32),
    "csc float32": _of_type(sparse.csc_matrix, np.float32),
    "csr int32": _of_type(sparse.csr_matrix, np.int32),
    "csr 64-bit indices": _long_indices,
    "csr unsorted": _unsorted,
    "csr explicit zeros": _with_zeros,
    "csr duplicates": _with_duplicates,
    "dask": _dask,
    "backed dense": lambda X, _: X.copy(),
    "backed csr": lambda X, _: sparse.csr_matrix(X),
    "backed csc": lambda X, _: sparse.csc_matrix(X),
}
WHOLE = ("int16", "int32", "int64", "uint8", "uint16", "csr int32")


def setting(seed: int) -> tuple[np.ndarray, ad.AnnData, dict, list[str]]:
    """Return numbers, an AnnData without them, parameters of the fit, and storages."""
    rng = np.random.default_rng(seed)
    n_cells, n_genes = int(rng.integers(25, 140)), int(rng.integers(3, 22))
    times = np.sort(rng.beta(*rng.uniform(0.6, 2.0, 2), n_cells))
    height = rng.uniform(0.2, 6.0, n_genes)
    mean = height * (1 + np.sin(np.outer(times, rng.uniform(-6, 6, n_genes)) + rng.uniform(0, 6, n_genes)))
    counts = rng.poisson(mean).astype(float)
    family = str(rng.choice(["gaussian", "gaussian", "poisson", "negative_binomial", "gamma", "binomial"]))
    if family == "binomial":
        X = (counts > np.median(counts)).astype(float)
    elif family == "gamma":
        X = np.round(8 * (0.25 + rng.gamma(2.0, 0.5, mean.shape) * (mean + 0.2))) / 8
    elif family == "gaussian" and rng.random() < 0.7:
        X = np.round(64 * np.log1p(counts)) / 64
    else:
        X = counts
    fate = rng.uniform(0, 1, n_cells) if rng.random() < 0.7 else (rng.random(n_cells) < 0.6).astype(float)
    names = [f"c{i}" for i in range(n_cells)]
    obs = pd.DataFrame(
        {
            "palantir_pseudotime": times,
            "batch": pd.Categorical(rng.choice(["a", "b"], n_cells)),
            "depth": rng.normal(size=n_cells),
        },
        index=names,
    )
    adata = ad.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))
    adata.obsm["palantir_fate_probabilities"] = pd.DataFrame({"A": fate, "B": 1 - fate}, index=names)
    parameters = {
        "model": lc.GAM(family, max_iter=50), "alpha": [None, 0.05][rng.integers(2)], "random_state": 0,
        "n_points": int(rng.choice([2, 20, 60])), "lineage": ["A", ["A", "B"]][int(rng.random() < 0.3)],
        "clusterer": lc.GraphClusterer(int(rng.integers(2, 7)), resolution=[1.0, "auto"][rng.integers(2)]),
        "endpoint": str(rng.choice(["plateau", "argmax"])), "scale": str(rng.choice(["zscore", "minmax"])),
        "covariates": [None, None, ["depth"], ["batch", "depth"]][rng.integers(4)],
        "offset": "size_factors" if family in ("poisson", "negative_binomial") and rng.random() < 0.4 else None,
    }  # fmt: skip
    whole = bool(np.all(X == np.round(X)) and X.max() < 250)
    usable = [name for name in STORAGES if whole or name not in WHOLE]
    return X, adata, parameters, list(rng.choice(usable, N_OF_A_SETTING, replace=False))


def answer(X: np.ndarray, adata: ad.AnnData, parameters: dict, storage: str, folder: Path) -> dict:
    """Return what a fit of one storage says."""
    cells = adata.copy()
    cells.X = STORAGES[storage](X, folder)
    budget = {}
    if storage.startswith("backed"):
        path = folder / f"{storage}.h5ad"
        cells.write_h5ad(path)
        cells, budget = ad.read_h5ad(path, backed="r"), {"memory_budget": "50 kB"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tc = lc.TrendClusterer(**parameters, **budget).fit(cells)
            table = tc.gene_table_
    except ValueError as error:
        return {"error": str(error)}
    finally:
        if budget:
            cells.file.close()
    return {
        "genes": tc.genes_, "trends": tc.trends_, "se": tc.trend_se_, "labels": tc.labels_.tolist(), "failed": tc.failed_,
        "note": table["note"].tolist(), "edf": table["edf"].to_numpy(), "pvalue": table["pvalue"].to_numpy(),
        "peak": table["peak"].to_numpy(), "amplitude": table["amplitude"].to_numpy(),
        "direction": table["direction"].tolist(), "confidence": table["confidence"].to_numpy(dtype=float),
    }  # fmt: skip


def differences(one: dict, other: dict) -> list[str]:
    """Return what differs between two answers by more than the precision of the fits."""
    if one.keys() != other.keys() or one.get("genes") != other.get("genes"):
        return ["one refused, or other genes failed"]
    found = [name for name in _EXACT if name in one and one[name] != other[name]]
    for name, most in (("edf", 1e-3), ("pvalue", 1e-4), ("confidence", 1e-9)):
        if name in one and not np.allclose(one[name], other[name], rtol=0, atol=most, equal_nan=True):
            found.append(name)
    for name in ("trends", "se", "amplitude"):
        if name in one:
            size = np.nanmax(np.abs(one["trends"]), initial=1.0)
            if not np.allclose(one[name], other[name], rtol=1e-4, atol=1e-5 * size, equal_nan=True):
                found.append(name)
    if "peak" in one and not np.allclose(one["peak"], other["peak"], rtol=0, atol=1e-6, equal_nan=True):
        found.append("peak")
    return found


def compare(seed: int) -> tuple[int, int, list[str]]:
    """Return the number of pairs of one setting, of those that were refused alike, and what differed."""
    X, adata, parameters, chosen = setting(seed)
    with tempfile.TemporaryDirectory() as folder:
        answers = {name: answer(X, adata, parameters, name, Path(folder)) for name in chosen}
    pairs = list(combinations(chosen, 2))
    differing = []
    for one, other in pairs:
        what = differences(answers[one], answers[other])
        if what:
            differing.append(f"seed {seed}, {one} and {other}, {parameters['model'].family}: {', '.join(what)}")
    return len(pairs), sum("error" in answers[one] for one, _ in pairs), differing


if __name__ == "__main__":
    tried = refused = 0
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        n, n_refused, found = compare(number)
        tried, refused = tried + n, refused + n_refused
        for line in found:
            print(line, flush=True)
        print(f"# {tried} pairs, {refused} refused alike", flush=True)
