"""Report: one HTML file with the figures, tables and parameters of a fit."""

from .page import render, write_report

__all__ = ["render", "write_report"]
