"""Benchmarks: run time and memory of fits, in comparison with pyGAM in the same run.

`python -m benchmarks` prints a table and writes JSON; `python -m benchmarks --quick` uses a small size.
"""
