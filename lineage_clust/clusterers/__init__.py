"""Clusterers: groups of genes with similar scaled trends."""

from .graph import GraphClusterer

__all__ = ["GraphClusterer"]
