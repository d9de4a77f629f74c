"""Properties that hold for anything whatever: of a few examples in each run, and for some time in a slow test.

DIFFSKY_FACTORY_FUZZ_SECONDS=180 python -m pytest -n 0 -m slow -k many : for an hour
"""

import os
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("DIFFSKY_FACTORY_FUZZ_SECONDS", "8"))  # of a test of many examples
FIRST = 16  # chosen: examples of its first round; each further round has twice as many
MANY = 0  # in place of a number of examples


def few_and_many(few: int):
    """Runs a test with its argument `examples` at a number, and at MANY, which is marked slow."""
    many = pytest.param(MANY, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(600 + 4 * SECONDS)])
    return pytest.mark.parametrize("examples", [pytest.param(few, id="few"), many])


def holds(examples: int, check: Callable[..., None], *strategies: st.SearchStrategy, shrink: bool = True) -> None:
    """Call a check with examples of the strategies; one that fails is made smaller first, where that is cheap.

    Of MANY there are as many rounds as fit into SECONDS, each with a seed of its own: the same in every run.
    """
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])]
    how = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=phases)
    if examples != MANY:
        settings(how, max_examples=examples)(given(*strategies)(check))()
        return
    until = monotonic() + SECONDS
    for i in takewhile(lambda _: monotonic() < until, count()):
        of_round = settings(how, max_examples=FIRST * 2**i, derandomize=False, database=None)
        seed(i)(of_round(given(*strategies)(check)))()


def written(file: Path, text: str, document: Any) -> Iterator[str]:
    """A text, and a document as YAML, each after it was written to a file."""
    for one in (text, yaml.safe_dump(document)):
        file.write_bytes(one.encode(errors="surrogatepass"))
        yield one


Harm = Callable[[bytes], bytes]

HARMS: st.SearchStrategy[Harm] = st.one_of(
    st.builds(lambda at, bit: lambda text: _flipped(text, at, bit), st.floats(0, 1), st.integers(0, 7)),
    st.builds(lambda share: lambda text: text[: int(share * len(text))], st.floats(0, 1)),
    st.builds(lambda at, new: lambda text: _put(text, at, new), st.floats(0, 1), st.binary(min_size=1, max_size=40)),
    st.builds(lambda new: lambda text: text + new, st.binary(min_size=1, max_size=20)),
    st.builds(lambda new: lambda text: new, st.binary(max_size=40)),
)
"""A bit that is flipped, an end that is cut off, bytes that are put over others, appended, or in place of all."""


def _flipped(text: bytes, at: float, bit: int) -> bytes:
    content, place = bytearray(text), int(at * len(text))
    if place < len(content):
        content[place] ^= 1 << bit
    return bytes(content)


def _put(text: bytes, at: float, new: bytes) -> bytes:
    place = int(at * len(text))
    return text[:place] + new + text[place + len(new) :]


class Restored:
    """A file that is as it was after each harm, whether that was to its bytes, or that it was gone."""

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, path.read_bytes()

    def __enter__(self) -> "Restored":
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(self.content)
