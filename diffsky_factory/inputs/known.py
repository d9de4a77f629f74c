"""What the project knows by name."""

import pandas as pd

from diffsky_factory.inputs.entries import KINDS, entry_names, entry_path, read_yaml


def list_catalogs() -> pd.DataFrame:
    """What the project knows by name: name, kind, title, where (file of the entry), status."""
    rows = []
    for kind in KINDS:
        for name in entry_names(kind):
            file = entry_path(kind, name)
            entry = read_yaml(file)
            status = entry.get("status", "released")
            rows.append((name, kind.removesuffix("s"), entry.get("title", ""), str(file), status))
    return pd.DataFrame(rows, columns=["name", "kind", "title", "where", "status"])
