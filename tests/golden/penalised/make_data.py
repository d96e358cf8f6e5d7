"""Write data.csv: 16 genes of 150 cells, with a trend of increasing strength, of normal values and of counts."""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
n_cells = 150
t = rng.uniform(0, 1, n_cells)
t[:2] = 0, 1
columns = {"t": t, "w": rng.uniform(0.2, 1, n_cells)}
for gene in range(16):
    eta = 0.07 * (gene // 2 % 4) * np.sin(2 * np.pi * (t + rng.uniform()))
    counts = gene >= 8
    columns[f"{'count' if counts else 'value'}{gene}"] = (
        rng.poisson(np.exp(0.5 + eta)) if counts else np.round(eta + rng.normal(0, 0.4, n_cells), 4)
    )
pd.DataFrame(columns).to_csv(Path(__file__).parent / "data.csv", index=False)
