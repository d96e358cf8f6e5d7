"""The kind of table that scikit-learn's `set_output` or its global configuration asks of a transformer."""

from typing import Any

from sklearn import get_config


def wanted_output(transformer: Any) -> str:
    """Return "default", "pandas" or "polars": the setting of the transformer, or else the global one."""
    own = getattr(transformer, "_sklearn_output_config", {}).get("transform")
    return get_config()["transform_output"] if own is None else own
