"""Files of older formats, brought up to date one version at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Of GraphClusterer, until format 1.
_GONE = ("merge_correlation", "consensus", "uncertainty")


def from_1_to_2(manifest: dict) -> dict:
    """Return a manifest without the parameters that GraphClusterer lost, and without its stability curve by resolution."""
    return {**manifest, "estimator": _without_old_parts(manifest["estimator"])}


def _without_old_parts(value: object) -> object:
    if isinstance(value, list):
        return [_without_old_parts(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "object" and value.get("class") == "StabilityCurve":
        return None
    changed: dict[str, Any] = {key: _without_old_parts(entry) for key, entry in value.items()}
    if value.get("kind") == "object" and value.get("class") == "GraphClusterer":
        kept = changed["parameters"].items()
        changed["parameters"] = {name: entry for name, entry in kept if name not in _GONE}
    return changed


UPGRADES: dict[int, Callable[[dict], dict]] = {1: from_1_to_2}
"""`UPGRADES[n]` turns a manifest of format n into one of format n + 1."""
