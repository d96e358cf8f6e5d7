"""Posterior of trends with donors as replicates, averaged over the variances between donors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass

import numpy as np

from ..inference.posterior import Noise, SharedPosterior, random_noise

_BLOCK = 2_000_000  # values of the samples computed together


@dataclass(frozen=True)
class PosteriorPart:
    """Posterior of the coefficients of some genes given variances between donors that are probable for these.

    share, deviation : `(n,)` probabilities, and `(n_columns, n)` coefficients minus their mean over all variances.
    """

    genes: np.ndarray
    share: np.ndarray
    deviation: np.ndarray
    posterior: SharedPosterior


@dataclass(frozen=True)
class DonorPosterior:
    """Mixture of Gaussian posteriors over the variances of the donors' shifts and curves.

    parts : One for every pair of variances that is probable for a gene.
    n_columns, n_genes : Shape of the coefficients.
    """

    parts: list[PosteriorPart]
    n_columns: int
    n_genes: int

    def std(self, Z: np.ndarray, unconditional: bool = True) -> np.ndarray:
        """Return the standard errors `(n_rows, n_genes)` of `Z @ coefficients`; `unconditional` as in `draws`."""
        variance = np.zeros((len(Z), self.n_genes))
        for part in self.parts:
            squared = part.posterior.std(Z) ** 2 + (Z @ part.deviation) ** 2
            if unconditional:
                squared += part.posterior.moved_by_lambda(Z)
            variance[:, part.genes] += part.share * squared
        return np.sqrt(variance)

    def draws(self, generator: np.random.Generator, n_draws: int, unconditional: bool = False) -> Iterator[np.ndarray]:
        """Yield posterior samples of coefficients minus estimates; `unconditional` as in `SharedPosterior`."""
        shares = np.zeros((len(self.parts), self.n_genes))
        for number, part in enumerate(self.parts):
            shares[number, part.genes] = part.share
        upper = np.cumsum(shares, axis=0)
        drawn = [part.posterior.from_noise(unconditional) for part in self.parts]
        n_block = int(np.clip(_BLOCK // max(self.n_columns * self.n_genes, 1), 1, max(n_draws, 1)))
        for first in range(0, n_draws, n_block):
            chosen, noises = [], []
            for _ in range(first, min(first + n_block, n_draws)):
                at = generator.random(self.n_genes) * upper[-1] if len(upper) else np.zeros(self.n_genes)
                chosen.append((upper <= at).sum(axis=0))
                noises.append(random_noise(generator, self.n_columns, self.n_genes))
            part_of, noise = np.stack(chosen), Noise(*(np.stack(of) for of in zip(*map(astuple, noises), strict=True)))
            values = np.zeros((len(noises), self.n_columns, self.n_genes))
            for number, (part, deviations) in enumerate(zip(self.parts, drawn, strict=True)):
                draw, position = np.nonzero(part_of[:, part.genes] == number)
                if len(draw):
                    genes = part.genes[position]
                    some = Noise(
                        noise.uniform[draw, genes], noise.sampling[draw, :, genes].T, noise.bias[draw, :, genes].T
                    )
                    values[draw, :, genes] = (deviations(some, position) + part.deviation[:, position]).T
            yield from values

    def take(self, genes: np.ndarray) -> DonorPosterior:
        """Return the posterior of some genes."""
        parts = []
        for part in self.parts:
            position = np.full(self.n_genes, -1)
            position[part.genes] = np.arange(len(part.genes))
            old = position[genes]
            new, old = np.flatnonzero(old >= 0), old[old >= 0]
            if len(new):
                parts.append(PosteriorPart(new, part.share[old], part.deviation[:, old], part.posterior.take(old)))
        return DonorPosterior(parts, self.n_columns, len(genes))
