"""The report: one HTML file with the pictures, the tables and the parameters of a fit."""

from .page import render, write_report

__all__ = ["render", "write_report"]
