"""Posteriors of the coefficients, and tests of smooths."""
