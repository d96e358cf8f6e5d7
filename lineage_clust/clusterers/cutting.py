"""Cutting the graph of genes: at a given resolution, or at the one that draws of the trends reproduce best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.base import clone

from .canonical import rounded
from .communities import as_igraph, find_communities
from .labels import agree
from .stability import RESOLUTIONS, choose, measure, needs_reference, structureless
from .weights import connectivities

_N_SUBSAMPLES = 10
_N_REFERENCE = 5


class Cutting:
    """The part of GraphClusterer that finds communities; it reads the clusterer's parameters and fitted rows."""

    def _cut(self, graph, drawn, group, seed):
        """Return the resolution and the communities of the graph, and note how the draws are cut there."""
        self.stability_ = self._drawn_labels = None
        if self.resolution != "auto":
            resolutions = np.array([float(self.resolution)])
            if drawn is not None:
                self._drawn_labels = self._partitions(drawn, resolutions, seed)[:, 0]
            return float(self.resolution), agree(self._communities(graph, self.resolution, seed), group)
        n_rows = graph.vcount()
        if n_rows < 4:
            return 1.0, agree(self._communities(graph, 1.0, seed), group)
        generator = np.random.default_rng(seed)
        given = drawn is not None
        drawn = drawn if given else [self._some_rows(generator) for _ in range(_N_SUBSAMPLES)]
        base = np.array([agree(self._communities(graph, r, seed, 5), group) for r in RESOLUTIONS])
        labels = self._partitions(drawn, RESOLUTIONS, seed)
        curve = measure(RESOLUTIONS, base, labels)
        if needs_reference(curve):
            curve = replace(curve, reference=self._reference(drawn, generator, seed))
        self.stability_ = curve
        chosen = choose(curve, finest=given)
        if chosen is None:  # nothing comes back that is more than one cluster
            self._drawn_labels = np.zeros((1, n_rows), dtype=int)
            return float(RESOLUTIONS[0]), np.zeros(n_rows, dtype=int)
        self._drawn_labels = labels[:, chosen]
        return float(RESOLUTIONS[chosen]), base[chosen]

    def _communities(self, graph, resolution, seed, least_iterations=1):
        iterations = int(self.n_iterations)
        return find_communities(
            graph,
            method=self.method,
            backend=self.backend,
            objective=self.objective,
            resolution=float(resolution),
            n_iterations=iterations if iterations < 0 else max(iterations, least_iterations),
            seed=seed,
        )

    def _partitions(self, drawn, resolutions, seed):
        """Return labels `(n_draws, n_resolutions, n_rows)` of the draws, -1 for rows that were not drawn."""
        n_rows = len(self._rows)
        labels = np.full((len(drawn), len(resolutions), n_rows), -1)
        for index, (rows, places) in enumerate(drawn):
            graph = as_igraph(
                connectivities(
                    self._lists_of(places, None if self.neighbors is None else clone(self.neighbors)), self.weights
                )
            )
            for column, resolution in enumerate(resolutions):
                labels[index, column, rows] = self._communities(graph, resolution, seed + index + 1)
        return labels

    def _drawn_places(self, draws, order):
        """Return, of each draw, which rows it has and where they are; `None` without draws."""
        if draws is None:
            return None
        every, axes = np.arange(len(order)), self._principal_axes()
        places = []
        for draw in draws:
            draw = np.asarray(draw, dtype=np.float64)
            if draw.shape != self._rows.shape or not np.all(np.isfinite(draw)):
                raise ValueError(
                    f"Each of draws must be a finite array of shape {self._rows.shape}, like X; got {draw.shape}."
                )
            draw = rounded(draw, self._step)[order]
            places.append((every, self._pca.transform(draw) if self._pca is not None else draw @ axes))
        if len(places) < 2:
            raise ValueError(f"draws must hold at least two arrays, which are compared; got {len(places)}.")
        return places

    def _some_rows(self, generator):
        n_rows = len(self._rows)
        rows = np.sort(generator.choice(n_rows, size=max(3, round(0.8 * n_rows)), replace=False))
        return rows, self._places[rows]

    def _principal_axes(self):
        """Return axes that hold all of the rows: trends lie in few dimensions, and distances there cost little."""
        if self.metric != "euclidean":
            return np.eye(self._rows.shape[1])
        values, vectors = np.linalg.eigh(self._rows.T @ self._rows)
        return vectors[:, values > 1e-9 * max(values[-1], 1e-300)]

    def _reference(self, drawn, generator, seed):
        """Return the best stability of rows without clusters that are drawn as often."""
        rows, places = drawn[0]
        same = all(len(other) == len(rows) and np.all(other == rows) for other, _ in drawn)
        noise = np.std([place for _, place in drawn], axis=0).mean(axis=0) if same else 0.0
        plain = structureless(places, generator)
        copies = [(rows, plain + noise * generator.standard_normal(plain.shape)) for _ in range(_N_REFERENCE)]
        labels = self._partitions(copies, RESOLUTIONS[::3], seed)
        base = labels[0][:, rows]
        curve = measure(RESOLUTIONS[::3], base, labels[:, :, rows])
        several = curve.n_clusters >= 2
        return float(curve.stability[several].max(initial=0.0))
