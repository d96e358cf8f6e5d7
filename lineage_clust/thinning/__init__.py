"""Two independent halves of the same counts, so that cells can be ordered on one and trends tested on the other."""

from .halves import thin_counts

__all__ = ["thin_counts"]
