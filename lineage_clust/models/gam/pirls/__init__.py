"""Non-Gaussian families: penalised iteratively reweighted least squares on the cells."""
