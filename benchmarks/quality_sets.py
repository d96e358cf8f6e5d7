"""Simulated lineages of known modules: easy and hard, many cells and few, all varying and mostly flat."""

from __future__ import annotations

from dataclasses import dataclass, field

from anndata import AnnData

from lineage_clust import datasets


@dataclass(frozen=True)
class Planted:
    """What to simulate; `options` go to `simulate_lineage`."""

    name: str
    n_cells: int
    n_genes: int
    n_modules: int
    options: dict = field(default_factory=dict)

    def make(self, seed: int) -> AnnData:
        return datasets.simulate_lineage(self.n_cells, self.n_genes, self.n_modules, random_state=seed, **self.options)


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
