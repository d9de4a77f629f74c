"""The words of an expression and their places in it, so that an error can point at one."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from diffsky_factory.core.errors import InputError

LONGEST = 10_000  # characters; chosen: no one writes more by hand, and a parser is soon through
SHOWN = 60  # characters of the text that a message shows on either side of a place

WORD = re.compile(
    r"""
    (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
  | (?P<name>[A-Za-z_]\w*)
  | (?P<string>'[^'\\]*'|"[^"\\]*")
  | (?P<sign>\*\*|<=|>=|==|!=|[-+*/()\[\],<>&|~])
    """,
    re.VERBOSE | re.ASCII,
)
OPERATORS = ("and", "or", "not", "in")
AS_PYTHON = {"&": "and", "|": "or", "~": "not"}


@dataclass(frozen=True)
class Word:
    """A number, name, string or sign, and where it begins and ends."""

    kind: str
    text: str
    start: int
    stop: int
    label: bool = False  # within brackets


@dataclass(frozen=True)
class Words:
    """A text and its words."""

    text: str
    words: tuple[Word, ...]

    def python(self) -> tuple[str, list[int]]:
        """The expression as Python reads it, with the number of a word for each but signs, and where each begins.

        No name, number or string of the text comes before Python's parser. `&`, `|` and `~` bind as `and`, `or` and
        `not`, so that comparisons need no brackets.
        """
        spelled, begins, length = [], [], 0
        for i, word in enumerate(self.words):
            sign = word.kind == "sign" or (word.text in OPERATORS and not word.label)
            spelled.append(AS_PYTHON.get(word.text, word.text) if sign else f"w{i}")
            begins.append(length)
            length += len(spelled[-1]) + 1
        return " ".join(spelled), begins

    def wrong(self, first: int, last: int, what: str) -> NoReturn:
        """Raise InputError that shows some words and says what is wrong with them."""
        start, stop = self.words[first].start, self.words[max(first, last)].stop
        refuse(self.text, start, stop, what)


def refuse(text: str, start: int, stop: int, what: str) -> NoReturn:
    """Raise InputError that shows a place of a text and says what is wrong with it."""
    stop = min(stop, start + SHOWN)
    shown = text[max(0, start - SHOWN) : stop + SHOWN].strip()
    raise InputError(f"condition {shown!r}, character {start + 1}, {text[start:stop]!r}: {what}")


def words_of(text: str, columns: Collection[str]) -> Words:
    """The words of a text, with names that a slash joins to that of a known column; raises InputError."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"condition {text!r}: a condition on columns is wanted, such as 'redshift < 0.5'")
    if len(text) > LONGEST:
        raise InputError(f"condition {text[:SHOWN]!r}...: {len(text):,} characters, and {LONGEST:,} are the most")
    text = re.sub(r"\s", " ", text)  # of one length, so that places stay
    words, brackets = [], 0
    for word in _split(text):
        brackets += {"[": 1, "]": -1}.get(word.text, 0)
        words.append(replace(word, label=brackets > 0))
    return Words(text, tuple(_joined(words, columns)))


def _split(text: str) -> Iterator[Word]:
    place = 0
    while place < len(text):
        if text[place] == " ":
            place += 1
            continue
        word = WORD.match(text, place)
        if word is None or word.lastgroup is None:
            strange = re.compile(r"\S[\w.]*").match(text, place)
            end = strange.end() if strange else place + 1
            refuse(text, place, end, "not part of a condition: there are columns, numbers, comparisons, &, | and ~")
        yield Word(word.lastgroup, word.group(), *word.span())
        place = word.end()


def _joined(words: list[Word], columns: Collection[str]) -> Iterator[Word]:
    """The words with paths in one: names joined by slashes, of which the first is a scope and no column."""
    i = 0
    while i < len(words):
        length = 1
        if _is_name(words, i) and words[i].text not in columns:
            ends = [1]
            while _is_slash(words, i + ends[-1]) and _is_name(words, i + ends[-1] + 1):
                ends.append(ends[-1] + 2)
            paths = [end for end in ends[1:] if _path(words[i : i + end]) in columns]
            length = max(paths) if paths else min(ends[-1], 3)
        part = words[i : i + length]
        yield replace(words[i], text=_path(part), stop=part[-1].stop)
        i += length


def _path(words: list[Word]) -> str:
    return "".join(word.text for word in words)


def _is_name(words: list[Word], i: int) -> bool:
    return i < len(words) and words[i].kind == "name" and not words[i].label and words[i].text not in OPERATORS


def _is_slash(words: list[Word], i: int) -> bool:
    return i < len(words) and words[i].text == "/"
