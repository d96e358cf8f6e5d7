"""Clusterers: which scaled trends belong together."""

from .graph import GraphClusterer

__all__ = ["GraphClusterer"]
