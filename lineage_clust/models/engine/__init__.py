"""What fits all genes at once: designs, moments, one eigenproblem, smoothing parameters, posteriors, tests."""
