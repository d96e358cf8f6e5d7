"""Random curves of donors by mgcv, for `tests/models/gam/donors/test_gaussian_mgcv.py`.

Run with numpy and R with mgcv: `python make_mgcv.py`. It writes `mgcv.json`: fits by REML of `gam` with `s(t) + s(t, donor,
bs = "fs")`, whose factor smooths have separate penalties for constant, slope and curvature. The variances of donors are
those of mgcv's predicted donor terms plus their uncertainty: of their means over the cells, and of the curves around
these means.
"""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

N_CELLS, N_GENES, N_DONORS = 1_000, 20, 10
_R = r"""
suppressMessages(library(mgcv))
cells <- read.csv("cells.csv"); genes <- read.csv("genes.csv"); cells$donor <- factor(cells$donor)
at <- data.frame(t = seq(0.02, 0.98, length.out = 49), donor = factor(levels(cells$donor)[1], levels = levels(cells$donor)))
knots <- list(t = seq(-3 / 17, 1 + 3 / 17, length.out = 24))
for (gene in names(genes)) {
  cells$y <- genes[[gene]]
  fit <- gam(y ~ s(t, bs = "ps", k = 20, m = c(2, 2)) + s(t, donor, bs = "fs", k = 6, m = 2), data = cells, method = "REML",
             knots = knots)
  trend <- predict(fit, at, type = "terms", terms = "s(t)", se.fit = TRUE)
  own <- grep("donor", names(coef(fit)))
  level <- c(); curve <- c()
  for (donor in levels(cells$donor)) {
    every <- cells; every$donor <- factor(donor, levels = levels(cells$donor))
    rows <- predict(fit, every, type = "lpmatrix")[, own]
    beta <- coef(fit)[own]; V <- vcov(fit)[own, own]
    mean_row <- colMeans(rows); around <- sweep(rows, 2, mean_row)
    level <- c(level, sum(mean_row * beta)^2 + mean_row %*% V %*% mean_row)
    curve <- c(curve, mean((around %*% beta)^2) + mean(rowSums((around %*% V) * around)))
  }
  cat(paste(c(trend$fit + coef(fit)[1], trend$se.fit, mean(level), mean(curve), fit$sig2), collapse = ","),
      "\n")
}
"""


def data():
    """Return time, donors and expression, of genes with trends, donors with levels and smooth curves."""
    rng = np.random.default_rng(40)
    donors = rng.permutation(np.arange(N_CELLS) % N_DONORS)
    time = rng.uniform(size=N_CELLS)
    phase, size = rng.uniform(0, 6, N_GENES), rng.uniform(0.5, 1.5, N_GENES)
    Y = size * np.sin(4 * time[:, None] + phase) + 0.5 * rng.standard_normal((N_CELLS, N_GENES))
    levels, sines, cosines = rng.standard_normal((3, N_DONORS, N_GENES))
    Y += 0.4 * levels[donors] + 0.4 * sines[donors] * np.sin(3 * time)[:, None]
    Y += 0.4 * cosines[donors] * np.cos(3 * time)[:, None]
    return time, donors, Y


def main():
    time, donors, Y = data()
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        np.savetxt(folder / "cells.csv", np.column_stack([time, donors]), delimiter=",", header="t,donor", comments="")
        names = ",".join(f"g{gene}" for gene in range(N_GENES))
        np.savetxt(folder / "genes.csv", Y, delimiter=",", header=names, comments="")
        (folder / "fit.R").write_text(_R, encoding="utf-8")
        out = subprocess.run(["Rscript", "fit.R"], cwd=folder, capture_output=True, text=True, check=True).stdout
    rows = np.array([[float(value) for value in line.split(",")] for line in out.splitlines()])
    found = {
        "trend": rows[:, :49].round(6).tolist(),
        "level_variance": rows[:, 98].round(6).tolist(),
        "curve_variance": rows[:, 99].round(6).tolist(),
        "scale": rows[:, 100].round(6).tolist(),
    }
    Path(__file__).with_name("mgcv.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
