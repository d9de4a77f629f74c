"""Texts and documents that nobody would write, and those of which one value is another."""

from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(max_size=60) | st.text(alphabet="-:{}[]&*!#|>'\",? \n\tab01.e<~", max_size=80)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS
    | st.sampled_from(["1:30", "1e6", "nan", "-1 deg", "~/x.yaml", "9" * 5000, "2001-99-99", "lsst_r", "\0", "a/../b"])
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def changed(document: dict) -> st.SearchStrategy[dict]:
    """The document with another value at one place in it."""
    return st.builds(_replaced, st.just(document), st.lists(st.integers(0, 50), min_size=1, max_size=4), DOCUMENTS)


def _replaced(document: Any, place: list[int], value: Any) -> Any:
    if not place or not document or not isinstance(document, dict | list):
        return value
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = keys[place[0] % len(keys)]
    inner = _replaced(document[key], place[1:], value)
    if isinstance(document, dict):
        return {**document, key: inner}
    return [*document[:key], inner, *document[key + 1 :]]
