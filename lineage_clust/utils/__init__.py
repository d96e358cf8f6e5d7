"""Utilities: validation of arguments, progress bars, threads, atomic files, types."""
