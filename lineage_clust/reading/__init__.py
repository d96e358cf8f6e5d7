"""What is read of an AnnData: keys, time range, and expression, in memory or in blocks."""
