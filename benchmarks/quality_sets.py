"""Simulated lineages with known modules: easy and difficult, many cells and few, all varying and mostly flat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anndata import AnnData

from lineage_clust import datasets

from .quality_curves import deviating, minority, periodic


@dataclass(frozen=True)
class Planted:
    """A simulation by `simulate_lineage(**options)`."""

    name: str
    n_cells: int
    n_genes: int
    n_modules: int
    options: dict = field(default_factory=dict)
    group: str = ""

    def make(self, seed: int) -> AnnData:
        return datasets.simulate_lineage(self.n_cells, self.n_genes, self.n_modules, random_state=seed, **self.options)


@dataclass(frozen=True)
class Drawn:
    """A data set from another simulation, `function(seed, **options)`."""

    name: str
    group: str
    function: Callable[..., AnnData]
    options: dict[str, Any]

    def make(self, seed: int) -> AnnData:
        return self.function(seed, **self.options)


SETS = (
    Planted("1 module, 50 genes", 1000, 50, 1),
    Planted("1 module, 300 genes", 1000, 300, 1),
    Planted("1 module, 1,500 genes, 90 % flat", 2000, 1500, 1, {"flat_fraction": 0.9}),
    Planted("2 modules", 1000, 300, 2),
    Planted("2 modules, few cells", 300, 200, 2),
    Planted("2 modules, 150 and 20 genes", 1000, 300, 2, {"module_sizes": [150, 20]}),
    Planted("3 modules, 60 genes", 1000, 60, 3),
    Planted("3 modules, few cells", 300, 200, 3),
    Planted("3 modules, low depth", 2000, 400, 3, {"depth": 2000.0}),
    Planted("3 modules, one trajectory", 800, 300, 3, {"n_lineages": 1}),
    Planted("4 modules, 100 genes", 2000, 100, 4),
    Planted("4 modules, low depth", 400, 300, 4, {"depth": 2000.0}),
    Planted("4 modules, 90 % flat", 1500, 1500, 4, {"flat_fraction": 0.9}),
    Planted("4 modules, strong shifts", 1000, 500, 4, {"shift": 0.05, "scale": 0.6}),
    Planted("5 modules", 500, 1000, 5),
    Planted("5 modules, no flat gene", 1000, 500, 5, {"flat_fraction": 0.0}),
    Planted("5 modules, three lineages", 1500, 600, 5, {"n_lineages": 3}),
    Planted("6 modules, strong shifts", 1000, 600, 6, {"shift": 0.05, "scale": 0.6}),
    Planted("6 modules, 200 to 8 genes", 1000, 600, 6, {"module_sizes": [200, 100, 40, 20, 10, 8]}),
    Planted("6 modules, 300 to 15 genes", 2000, 1000, 6, {"module_sizes": [300, 150, 80, 40, 20, 15]}),
    Planted("6 modules, high depth", 3000, 800, 6, {"depth": 30000.0}),
    Planted("8 modules, 200 genes", 1000, 200, 8),
    Planted("8 modules, 800 genes", 1000, 800, 8),
    Planted("8 modules, 2,000 genes", 1500, 2000, 8),
    Planted("8 modules, 3,000 genes", 2000, 3000, 8),
    Planted("8 modules, 5,000 cells", 5000, 1000, 8),
    Planted("8 modules, overdispersed", 2000, 600, 8, {"dispersion": 1.0}),
    Planted("8 modules, small amplitude", 3000, 800, 8, {"amplitude": 1.2}),
    Planted("10 modules", 800, 400, 10),
    Planted("10 modules, one trajectory", 1500, 1000, 10, {"n_lineages": 1}),
    Planted("12 modules", 1000, 500, 12),
    Planted("12 modules, 2,000 genes", 3000, 2000, 12, {"flat_fraction": 0.5}),
    Planted("12 modules, 80 to 25 genes", 2000, 1000, 12, {"module_sizes": [80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25]}),
    Planted("only flat genes, 300", 1000, 300, 0),
    Planted("only flat genes, 2,000", 2000, 2000, 0),
    Planted("only flat genes, low depth", 500, 500, 0, {"depth": 2000.0}),
)  # fmt: skip
QUICK = tuple(one for one in SETS if one.name in ("2 modules", "3 modules, 60 genes", "only flat genes, 300"))

MINORITIES = tuple(
    Drawn(
        f"{share:.0%} go the other way, {n_cells} cells", "minorities", minority, {"n_cells": n_cells, "share": share}
    )
    for share in (0.02, 0.05, 0.1)
    for n_cells in (150, 300, 600)
)
PANELS = tuple(
    Planted(f"panel: {n_genes} genes, {n_shapes} shapes", 1000, n_genes, n_shapes, {"flat_fraction": 0.0}, "panels")
    for n_genes in (4, 8, 15, 30)
    for n_shapes in (2, 3, 4)
)
SIZES = (
    Planted("6 modules, 1,000 to 5 genes", 2000, 2000, 6, {"module_sizes": [1000, 300, 100, 30, 10, 5]}, "sizes"),
    Planted("5 modules, 1,000 to 10 genes", 1000, 1500, 5, {"module_sizes": [1000, 200, 50, 20, 10]}, "sizes"),
    Planted("3 modules, 1,000, 15 and 5 genes", 1000, 1200, 3, {"module_sizes": [1000, 15, 5]}, "sizes"),
)
DEVIATIONS = tuple(
    Drawn(f"{n_modules} modules, own deviation {deviation:g}", f"own deviation {deviation:g}", deviating,
          {"n_modules": n_modules, "deviation": deviation})
    for deviation in (0.15, 0.3)
    for n_modules in (4, 6, 8)
)  # fmt: skip
PERIODIC = tuple(
    Drawn(f"{n_phases} phases, {n_cycles} cycles", "periodic", periodic, {"n_phases": n_phases, "n_cycles": n_cycles})
    for n_phases, n_cycles in ((4, 1), (4, 2), (6, 1), (6, 2), (8, 2))
)
SHALLOW = tuple(
    Planted(f"{n_modules} modules, depth 500", 1000, 600, n_modules, {"depth": 500.0}, "depth 500")
    for n_modules in (4, 6, 8)
)
HARD = (
    *(one for one in MINORITIES for _ in range(2)),
    *(one for one in PANELS for _ in range(2)),
    *(one for part in (SIZES, DEVIATIONS, PERIODIC, SHALLOW) for one in part for _ in range(2)),
)
"""Beside `SETS`, and summarised apart: where graphs of neighbours and thresholds have failed. Each is drawn twice."""
