"""From the text of an expression to its terms, with every word of it checked."""

import ast
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NoReturn

from diffsky_factory.core.columns import columns, near_column
from diffsky_factory.core.errors import InputError, did_you_mean
from diffsky_factory.core.expression_terms import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    Constant,
    Kind,
    Label,
    Operation,
    Term,
    Variable,
)
from diffsky_factory.core.expression_words import Word, Words, words_of
from diffsky_factory.core.scopes import split

Axes = tuple[tuple[str, tuple[Label, ...]], ...]
DEEPEST = 100  # terms within terms; chosen: far below what Python can recurse
EXACT = 2**53  # the largest integer up to which floats hold all
TWO = ("min", "max")  # functions of two numbers
SIGNS: dict[type[ast.AST], str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"},
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.And: "and", ast.Or: "or"},
}


def read(text: str, axes_of: Mapping[str, Axes], dtypes: Mapping[str, str]) -> Term:
    """The statement that a text makes; raises InputError that shows where it makes none, and says what to do."""
    words = words_of(text, axes_of)
    python, begins = words.python()
    try:
        body = ast.parse(python, mode="eval").body
    except SyntaxError as error:
        place = error.offset or len(python)  # none where the text ends too early
        at = max(sum(begin < place for begin in begins) - 1, 0)
        words.wrong(at, at, "cannot be read here; a condition is such as 'mag_true[lsst_i] < 24 & is_central'")
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"condition {text[:60]!r}...: nested too deep; write it in parts") from error
    return _Reader(words, begins, axes_of, dtypes).statement(body, 0)


class _Reader:
    """Turns the nodes that Python's parser gives into terms, and refuses all that are not of the grammar."""

    def __init__(self, words: Words, begins: list[int], axes_of: Mapping[str, Axes], dtypes: Mapping[str, str]) -> None:
        self.words, self.begins, self.axes_of, self.dtypes = words, begins, axes_of, dtypes

    def statement(self, node: ast.expr, depth: int) -> Term:
        """The term of a node that is true or false."""
        term = self._term(node, depth)
        if term.kind != "truth":
            self._wrong(node, f"is a number; compare it with one, as in {self._shown(node)} < 1")
        return term

    def number(self, node: ast.expr, depth: int) -> Term:
        """The term of a node that is a number."""
        term = self._term(node, depth)
        if term.kind == "truth":
            self._wrong(node, "is true or false and no number; join it to others with &, | and ~")
        return term

    def _term(self, node: ast.expr, depth: int) -> Term:
        if depth > DEEPEST:
            self._wrong(node, "nested too deep; write it in parts")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if not isinstance(node, NODES) or method is None:
            self._wrong(node, "is no part of a condition")
        return method(node, depth + 1)

    def _name(self, node: ast.Name, depth: int) -> Term:
        word = self._word(node)
        if word.kind == "number":
            return _constant(word.text)
        if word.kind == "string":
            self._wrong(node, "a text is no number; write one where a column with flags is compared with it")
        return self._column(node, ())

    def _subscript(self, node: ast.Subscript, depth: int) -> Term:
        if not isinstance(node.value, ast.Name) or self._word(node.value).kind != "name":
            self._wrong(node, "is no column with a label, such as mag_true[lsst_i]")
        labels = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return self._column(node.value, tuple(labels))

    def _column(self, node: ast.Name, labels: tuple[ast.expr, ...]) -> Variable:
        name = self._word(node).text
        if name not in self.axes_of:
            hint = near_column(name, [*self.axes_of, *FUNCTIONS])
            self._wrong(node, f"no column '{name}'{hint or '; there are ' + _some(self.axes_of)}")
        axes = tuple(self.axes_of[name])
        if len(labels) != len(axes):
            named = {0: "no axis", 1: "an axis"}.get(len(axes), "axes") + "".join(f" '{axis}'" for axis, _ in axes)
            self._wrong(node, f"'{name}' has {named}: write {_example(name, axes)}")
        return Variable(name, tuple(self._label(*pair) for pair in zip(labels, axes)), self._kind(name))

    def _label(self, node: ast.expr, axis: tuple[str, tuple[Label, ...]]) -> Label:
        minus = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        inner = node.operand if isinstance(node, ast.UnaryOp) and minus else node
        word = self._word(inner) if isinstance(inner, ast.Name) else None
        if word is None or (minus and word.kind != "number"):
            self._wrong(node, "a label is a name, a quoted text or a number")
        text = word.text.strip("'\"") if word.kind == "string" else "-" * minus + word.text
        for label in axis[1]:
            same = label == text if isinstance(label, str) else word.kind == "number" and float(text) == label
            if same:
                return label
        labels = [str(label) for label in axis[1]]
        self._wrong(node, f"axis '{axis[0]}' has no {text}{did_you_mean(text, labels) or '; it has ' + _some(labels)}")

    def _kind(self, name: str) -> Kind:
        plain = split(name)[1]
        schema = columns()[plain].dtype if plain in columns() else "float64"
        dtype = str(self.dtypes.get(name, schema))
        return "truth" if dtype == "bool" else "integer" if "int" in dtype else "number"

    def _binop(self, node: ast.BinOp, depth: int) -> Term:
        sign = SIGNS.get(type(node.op))
        if sign not in ARITHMETIC:
            self._wrong(node, "there are + - * / and **")
        return Operation(sign, tuple(self._small(part, self.number(part, depth)) for part in (node.left, node.right)))

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Term:
        if isinstance(node.op, ast.Not):
            return Operation("not", (self.statement(node.operand, depth),))
        if not isinstance(node.op, ast.USub):
            self._wrong(node, "a sign is -, and ~ turns a statement round")
        term = self.number(node.operand, depth)
        if isinstance(term, Constant):
            return Constant(-term.value)
        return Operation("negative", (term,))

    def _boolop(self, node: ast.BoolOp, depth: int) -> Term:
        return Operation(SIGNS[type(node.op)], tuple(self.statement(part, depth) for part in node.values))

    def _call(self, node: ast.Call, depth: int) -> Term:
        name = self._word(node.func).text if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS) or f"; there are {', '.join(FUNCTIONS)}"
            self._wrong(node, f"no function '{name}'{hint}")
        if len(node.args) != (2 if name in TWO else 1):
            self._wrong(node, f"{name} takes {'two numbers' if name in TWO else 'one number'}")
        return Operation(name, tuple(self._small(part, self.number(part, depth)) for part in node.args))

    def _compare(self, node: ast.Compare, depth: int) -> Term:
        if any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops):
            return self._membership(node, depth)
        nodes = (node.left, *node.comparators)
        flags = [flag for one in nodes for flag in self._flags(one).items()]
        terms = [self._flag(one, dict(flags)) or self.number(one, depth) for one in nodes]
        parts = []
        for i, op in enumerate(node.ops):
            if SIGNS.get(type(op)) not in COMPARISONS:
                self._wrong(node, "there are < <= > >= == != and, alone, in")
            parts.append(self._compared(SIGNS[type(op)], nodes[i : i + 2], terms[i : i + 2]))
        return parts[0] if len(parts) == 1 else Operation("and", tuple(parts))

    def _membership(self, node: ast.Compare, depth: int) -> Term:
        if len(node.ops) > 1 or not isinstance(node.comparators[0], ast.Tuple) or not node.comparators[0].elts:
            self._wrong(node, "'in' stands alone, with values in brackets, as in (1, 2) or (1,)")
        left, flags = self.number(node.left, depth), self._flags(node.left)
        sign, join = ("==", "or") if isinstance(node.ops[0], ast.In) else ("!=", "and")
        parts = []
        for one in node.comparators[0].elts:
            value = self._flag(one, flags) or self._term(one, depth)
            if not isinstance(value, Constant):
                flags_too = f" or one of {', '.join(flags)}" if flags else ""
                self._wrong(one, f"a number{flags_too} is wanted")
            parts.append(self._compared(sign, (node.left, one), (left, value)))
        return parts[0] if len(parts) == 1 else Operation(join, tuple(parts))

    def _compared(self, sign: str, nodes, terms) -> Term:
        if not all(term.kind == "integer" for term in terms):
            terms = [self._small(*pair) for pair in zip(nodes, terms)]
        return Operation(sign, tuple(terms))

    def _flags(self, node: ast.expr) -> dict[str, int]:
        """Names of the values of a column, where the schema has them."""
        word = self._word(node) if isinstance(node, ast.Name) else None
        plain = split(word.text)[1] if word and word.text in self.axes_of else ""
        return columns()[plain].flags if plain in columns() else {}

    def _flag(self, node: ast.expr, flags: Mapping[str, int]) -> Constant | None:
        word = self._word(node) if isinstance(node, ast.Name) else None
        if word is None or word.kind == "number" or (word.kind == "name" and word.text in self.axes_of):
            return None
        name = word.text.strip("'\"")
        if flags and name not in flags:
            self._wrong(node, f"no flag or column '{name}'; there are {', '.join(flags)}")
        return Constant(flags[name]) if name in flags else None

    def _small(self, node: ast.expr, term: Term) -> Term:
        """A term that becomes a float; raises InputError for an integer that none can hold."""
        if isinstance(term, Constant) and isinstance(term.value, int) and abs(term.value) > EXACT:
            self._wrong(node, "an integer above 2^53 can only be compared with a column of integers")
        return term

    def _word(self, node: ast.Name) -> Word:
        return self.words.words[int(node.id[1:])]

    def _at(self, column: int) -> int:
        return max(sum(begin <= column for begin in self.begins) - 1, 0)

    def _shown(self, node: ast.expr) -> str:
        first, last = self._ends(node)
        return self.words.text[self.words.words[first].start : self.words.words[last].stop]

    def _wrong(self, node: ast.expr, what: str) -> NoReturn:
        self.words.wrong(*self._ends(node), what)

    def _ends(self, node: ast.expr) -> tuple[int, int]:
        """The numbers of the first and the last word of a node."""
        end = node.end_col_offset or node.col_offset + 1  # ast.parse always says where a node ends
        return self._at(node.col_offset), self._at(end - 1)


NODES = (ast.Name, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Call, ast.Compare)


def _constant(text: str) -> Constant:
    return Constant(int(text) if text.isdigit() and len(text) < 40 else float(text))


def _example(name: str, axes: Axes) -> str:
    labels = [str(labels[0]) if labels else "..." for _, labels in axes]
    return f"{name}[{', '.join(labels)}]" if axes else name


def _some(names: Iterable[str]) -> str:
    first = list(islice(names, 9))
    return ", ".join(first[:8]) + (" ..." if len(first) > 8 else "")
