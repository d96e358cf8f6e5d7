"""Fits of non-Gaussian families from the cells, by penalised iteratively reweighted least squares."""
