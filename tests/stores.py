"""What tests say of stores."""

from pathlib import Path

import numpy as np

NOT_OURS = (".lock", ".writer")


def files(path) -> dict[str, bytes]:
    """Every file of a store and its bytes, the lock aside."""
    path = Path(path)
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name not in NOT_OURS
    }


def assert_same_files(a, b) -> None:
    """Two stores have the same files with the same bytes."""
    one, other = files(a), files(b)
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def by_id(ds) -> dict[str, np.ndarray]:
    """The columns of a dataset, rows in the order of galaxy_id."""
    order = np.argsort(np.asarray(ds.galaxy_id))
    return {name: np.asarray(values)[order] for name, values in ds.data_vars.items()}
