"""Thinning of counts into two independent parts, one to order cells and one to test trends."""

from .halves import thin_counts

__all__ = ["thin_counts"]
