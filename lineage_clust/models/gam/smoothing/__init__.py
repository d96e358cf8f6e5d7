"""Smoothing parameters: criteria (REML, GCV), their minimisation, and the posterior under REML."""
