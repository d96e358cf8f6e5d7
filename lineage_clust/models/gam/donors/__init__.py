"""Donors as replicates: random curves of donors, for all genes at once."""
