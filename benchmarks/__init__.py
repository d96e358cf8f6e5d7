"""Benchmarks: how long fits take and how much memory they need, beside pyGAM in the same run.

`python -m benchmarks` prints a table and writes JSON; `python -m benchmarks --quick` takes a small size.
"""
