"""Cutting the graph of genes: at a given resolution, or at the one that draws of the trends reproduce best."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
from sklearn.base import clone

from ..utils.progress import bar
from ..utils.threads import few_threads, in_threads
from .canonical import rounded
from .communities import as_igraph, find_communities
from .labels import agree
from .merging import consensus, merge_duplicates
from .neighbors import principal_axes
from .stability import RESOLUTIONS, choose, mean_agreement, measure, needs_reference, promising, structureless
from .weights import connectivities

_N_SUBSAMPLES = 10
_N_REFERENCE = 5
_N_DRAWS, _N_FURTHER = 10, 30  # that are taken of an iterator: at first, and where these do not decide clearly
_N_FIRST = 4  # draws that every resolution is judged by; the others judge those that may still be chosen
_HOPELESS = 0.2  # this far below the best stability of the first draws, a resolution is not looked at further


class Cutting:
    """The part of GraphClusterer that finds communities; it reads the clusterer's parameters and fitted rows."""

    _row_variance = None
    _exponent = 0  # the rows are divided by 2 to this power

    @property
    def needs_draws(self) -> bool:
        """Whether draws decide on more than the confidence, so that they are worth several more fits."""
        return self.resolution == "auto" or self.consensus or self.uncertainty

    def _cut(self, graph, drawn, further, group, seed):
        """Return the resolution and the communities of the graph, and note how the draws are cut there."""
        self.stability_ = self._drawn_labels = None
        if self.resolution == "auto" and graph.vcount() >= 4:
            resolution, communities = self._cut_stably(graph, drawn, further, group, seed)
        else:
            resolution = 1.0 if self.resolution == "auto" else float(self.resolution)
            communities = agree(self._communities(graph, resolution, seed), group)
            if drawn is not None:
                self._drawn_labels = self._partitions(self._drawn_graphs(drawn), np.array([resolution]), seed)[:, 0]
        if self.consensus and self._drawn_labels is not None:
            communities = agree(consensus(communities, self._drawn_labels), group)
        return resolution, communities

    def _cut_stably(self, graph, drawn, further, group, seed):
        n_rows = graph.vcount()
        generator = np.random.default_rng(seed)
        given = drawn is not None
        drawn = drawn if given else [self._some_rows(generator) for _ in range(_N_SUBSAMPLES)]
        base = np.array([agree(self._communities(graph, r, seed, 5), group) for r in RESOLUTIONS])
        labels = self._labels_along(base, self._drawn_graphs(drawn), seed)
        curve = measure(RESOLUTIONS, base, labels, self._rows)
        if needs_reference(curve):
            curve = replace(curve, reference=self._reference(drawn, generator, seed))
        chosen, rule = choose(curve, finest=given)
        if needs_reference(curve) and (more := list(islice(further, _N_FURTHER))):
            labels = self._with_more_labels(labels, promising(curve), more, len(drawn), seed)
            curve = replace(measure(RESOLUTIONS, base, labels, self._rows), reference=curve.reference)
            chosen, rule = choose(curve, finest=given)
        self.stability_ = replace(curve, rule=rule)
        if chosen is None:
            self._drawn_labels = np.zeros((1, n_rows), dtype=int)
            return float(RESOLUTIONS[0]), np.zeros(n_rows, dtype=int)
        self._drawn_labels = labels[chosen]
        communities = base[chosen]
        if self.merge_correlation is not None:
            communities = merge_duplicates(communities, self._rows, self._drawn_labels, self.merge_correlation)
        return float(RESOLUTIONS[chosen]), communities

    def _labels_along(self, base, graphs, seed):
        """Return, for each resolution, labels `(n_draws, n_rows)` of the draws, of which `graphs` yields the graphs.

        Work is saved where it can decide nothing: one cluster is never compared, resolutions that cut the trends
        themselves alike are judged by the one in their middle, and those that come back badly in the first draws are not
        asked of the others.
        """
        runs = np.cumsum(
            np.r_[0, [not np.array_equal(one, other) for one, other in zip(base[1:], base[:-1], strict=True)]]
        )
        members = [np.flatnonzero(runs == run) for run in range(runs[-1] + 1)]
        asked = np.array([run[len(run) // 2] for run in members])
        several = np.array([base[index].max() > 0 for index in asked])
        first = self._partitions(islice(graphs, _N_FIRST), RESOLUTIONS[asked[several]], seed).transpose(1, 0, 2)
        agreements = np.array([mean_agreement(part) for part in first])
        hopeful = agreements >= agreements.max(initial=0.0) - _HOPELESS
        others = self._partitions(graphs, RESOLUTIONS[asked[several][hopeful]], seed + _N_FIRST)
        found = dict.fromkeys(np.flatnonzero(~several), np.zeros((1, base.shape[1]), dtype=int))
        found |= dict(zip(np.flatnonzero(several), first, strict=True))
        for place, run in enumerate(np.flatnonzero(several)[hopeful]):
            found[run] = np.concatenate([found[run], others[:, place]])
        return [found[run] for run in runs]

    def _with_more_labels(self, labels, asked_of, drawn, n_before, seed):
        """Return the labels of the draws, with those of further ones at the resolutions in a mask."""
        # resolutions that cut alike share their draws
        runs = {id(labels[index]): index for index in np.flatnonzero(asked_of)}
        asked = RESOLUTIONS[list(runs.values())]
        found = self._partitions(self._drawn_graphs(drawn), asked, seed + n_before).transpose(1, 0, 2)
        more = {
            id(labels[index]): np.concatenate([labels[index], part])
            for index, part in zip(runs.values(), found, strict=True)
        }
        return [more.get(id(own), own) for own in labels]

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

    def _drawn_graphs(self, drawn):
        """Yield, of each draw, which rows it has and the graph of their neighbours; the next ones are made meanwhile."""

        def graph_of(draw):
            rows, places = draw
            searcher = None if self.neighbors is None else clone(self.neighbors)
            variance = None if self._row_variance is None else self._row_variance[rows]
            return rows, as_igraph(connectivities(self._lists_of(places, searcher, variance), self.weights))

        with few_threads(0):  # draws are shared among threads, not the work on one of them
            yield from in_threads(graph_of, drawn)

    def _partitions(self, graphs, resolutions, seed):
        """Return labels `(n_draws, n_resolutions, n_rows)` of the draws, -1 for rows that were not drawn."""
        labels = [np.empty((0, len(resolutions), len(self._rows)), dtype=int)]
        for index, (rows, graph) in enumerate(bar(graphs, "clusters of drawn trends", "draw")):
            found = np.full((1, len(resolutions), len(self._rows)), -1)
            for column, resolution in enumerate(resolutions):
                found[0, column, rows] = self._communities(graph, resolution, seed + index + 1)
            labels.append(found)
        return np.concatenate(labels)

    def _drawn_places(self, draws, order):
        """Return, of each draw, which rows it has and where they are (`None` without draws), and an iterator of more."""
        if draws is None:
            return None, iter(())
        every, iterator, axes = np.arange(len(order)), iter(draws), None

        def place_of(draw):
            nonlocal axes
            draw = np.ldexp(np.asarray(draw, dtype=np.float64), -self._exponent)
            if draw.shape != self._rows.shape or not np.all(np.isfinite(draw)):
                raise ValueError(
                    f"Each of draws must be a finite array of shape {self._rows.shape}, like X; got {draw.shape}."
                )
            draw = rounded(draw, self._step)[order]
            if self._pca is not None:
                return every, self._pca.transform(draw)
            if self.metric != "euclidean":
                return every, draw
            if axes is None:  # draws may vary where the trends themselves, straight lines for instance, do not
                axes = principal_axes(np.vstack([self._rows, draw]))
            return every, draw @ axes

        places = [place_of(draw) for draw in (islice(iterator, _N_DRAWS) if iterator is draws else iterator)]
        if len(places) < 2:
            raise ValueError(f"draws must hold at least two arrays, which are compared; got {len(places)}.")
        return places, map(place_of, iterator)

    def _variance_over(self, drawn):
        """Return how much each row varies over the draws, if distances are to be measured by that."""
        if drawn is None or not self.uncertainty:
            return None
        variance = np.var([place for _, place in drawn], axis=0, ddof=1).sum(axis=1)
        return np.maximum(variance, 1e-3 * np.median(variance) + np.finfo(float).tiny)

    def _some_rows(self, generator):
        n_rows = len(self._rows)
        rows = np.sort(generator.choice(n_rows, size=max(3, round(0.8 * n_rows)), replace=False))
        return rows, self._places[rows]

    def _reference(self, drawn, generator, seed):
        """Return the best stability of rows without clusters that are drawn as often."""
        rows, places = drawn[0]
        same = all(len(other) == len(rows) and np.all(other == rows) for other, _ in drawn)
        noise = np.std([place for _, place in drawn], axis=0).mean(axis=0) if same else 0.0
        plain = structureless(places, generator)
        copies = [(rows, plain + noise * generator.standard_normal(plain.shape)) for _ in range(_N_REFERENCE)]
        labels = self._partitions(self._drawn_graphs(copies), RESOLUTIONS[::3], seed).transpose(1, 0, 2)
        base = labels[:, 0, rows]
        curve = measure(RESOLUTIONS[::3], base, list(labels[:, :, rows]))
        several = curve.n_clusters >= 2
        return float(curve.stability[several].max(initial=0.0))
