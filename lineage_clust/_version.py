"""Version of the package, without imports."""

__version__ = "0.1.0"
