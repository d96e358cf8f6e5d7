"""Files of fitted objects: a zip of arrays and a JSON manifest, without pickle."""
