"""What the project knows by name."""

import pandas as pd

from diffsky_factory.core.errors import InputError
from diffsky_factory.inputs.entries import KINDS, entry_names, entry_path, read_yaml


def list_catalogs() -> pd.DataFrame:
    """Everything that is available by name: name, kind, title, where (file of the entry), status.

    An entry that cannot be read has the status "broken", and the reason as its title.
    """
    rows = []
    for kind in KINDS:
        for name in entry_names(kind):
            file = entry_path(kind, name)
            try:
                entry = read_yaml(file)
            except InputError as error:
                entry = {"title": error, "status": "broken"}
            title = " ".join(str(entry.get("title", "")).split())
            rows.append((name, kind.removesuffix("s"), title, str(file), str(entry.get("status", "released"))))
    return pd.DataFrame(rows, columns=["name", "kind", "title", "where", "status"])
