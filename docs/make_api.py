"""Write the reference of the public names from their docstrings: `python docs/make_api.py`.

`docs/api.md` is made here whole; a test asserts that it is up to date and has every public name.
"""

import ast
import inspect
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffsky_factory as dff
from diffsky_factory.factory.galaxies import Galaxies
from diffsky_factory.factory.opening.box import Box
from diffsky_factory.factory.opening.explained import Explanation
from diffsky_factory.factory.opening.rows import Catalogue
from diffsky_factory.factory.opening.sky import Sky
from diffsky_factory.factory.runs.fit_histories import FitSummary
from diffsky_factory.factory.runs.job import Outcome
from diffsky_factory.sky.cosmology import Cosmology

FOLDER = Path(__file__).resolve().parent
PACKAGE = dff.__name__
HIDDEN = ("_", "tree_")  # what JAX asks of a pytree is for JAX
WIDTH = 110  # of a signature in one line
INTRODUCTION = """# API reference

<!-- made by docs/make_api.py: change the docstrings, not this page -->

All public names of `diffsky_factory`, here `dff`, and what datasets of it have besides: `ds.sky` and `ds.box`. Every
other module may change without notice, but for what the how-tos use to
[add an ingredient](how-to/add-an-ingredient.md) or [a format](how-to/add-a-format.md).
"""

SECTIONS = {
    "Recipes and stores": (
        *("load_recipe", "Recipe", "plan", "BuildPlan", "make_mock", "build", "Summary"),
        *("resume", "status", "Status", "add"),
    ),
    "Opening": ("open_catalog", "open_tree"),
    "What is known by name": ("list_catalogs", "columns", "bands", "lines", "parameters"),
    "Calibrations": ("load_calibration", "save_calibration", "Calibration"),
    "Galaxies in memory": ("evaluate", "differentiable", "Model", "sum_over_chunks", "Summed"),
    "Halos": ("ingest", "Ingested", "fit_growth", "fit_star_formation", "fit_histories", "matter_maps"),
    "Errors, logs, trust": ("InputError", "log_to", "allow_modules", "__version__"),
}
"""Public names by subject; `tests/test_docs.py` holds them to `diffsky_factory.__all__`."""

ACCESSORS: dict[str, type] = {"ds.sky": Sky, "ds.box": Box}
RETURNED: dict[str, tuple[type, str]] = {
    "Galaxies": (Galaxies, "what `differentiable` returns"),
    "Outcome": (Outcome, "what `add` returns"),
    "FitSummary": (FitSummary, "what `fit_histories` returns"),
    "Cosmology": (Cosmology, "`ds.sky.cosmology`"),
    "Explanation": (Explanation, "what `ds.sky.explain()` returns"),
}
"""Objects that one is given and never makes."""


def api_page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for subject, names in SECTIONS.items():
        parts.append(f"## {subject}\n")
        parts += [_entry(f"dff.{name}", getattr(dff, name)) for name in names]
    parts += [f"## {' and '.join(ACCESSORS)}\n", "What both have.\n", *_members("ds.sky", Catalogue)]
    for name, kind in ACCESSORS.items():
        parts += [f"## {name}\n", _documented(kind), *_members(name, kind)]
    parts.append("## Objects that are returned\n")
    for name, (kind, what) in RETURNED.items():
        parts += [f"### {name}\n", f"This is {what}.\n", *_class(name, kind)]
    return "\n".join(parts)


def _entry(name: str, value: Any) -> str:
    if isinstance(value, str):
        return f"### {name}\n\nVersion of the package, a text.\n"
    if isinstance(value, type):
        return "\n".join([f"### {name}\n", *_class(value.__name__, value)])
    return f"### {name}\n\n```python\n{_signature(name, _tree(value))}\n```\n\n{_documented(value)}"


def _class(name: str, kind: type) -> list[str]:
    """How a class is made, what it means, and what it has."""
    tree = _tree(kind)
    made = next((one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    fields = list(_fields(kind, tree))
    shown = _signature(name, made) if made else "\n".join([f"class {name}:", *(f"    {line}" for line in fields)])
    code = [f"```python\n{shown}\n```\n"] if made or fields else []
    return [*code, _documented(kind), *_members("", kind)]


def _fields(kind: type, tree: ast.ClassDef) -> Iterator[str]:
    """Lines of the public fields, as they are written."""
    lines = textwrap.dedent(inspect.getsource(kind)).splitlines()
    for one in tree.body:
        if isinstance(one, ast.AnnAssign) and not ast.unparse(one.target).startswith("_"):
            yield from textwrap.dedent("\n".join(lines[one.lineno - 1 : one.end_lineno])).splitlines()


def _members(owner: str, kind: type) -> list[str]:
    """Properties and methods of a class, as a list."""
    functions = [one for one in _tree(kind).body if isinstance(one, ast.FunctionDef)]
    shown = [_member(f"{owner}.{one.name}", one) for one in functions if not one.name.startswith(HIDDEN)]
    return ["\n".join(shown) + "\n"] if shown else []


def _member(name: str, tree: ast.FunctionDef) -> str:
    words = {ast.unparse(one) for one in tree.decorator_list}
    call = name if words & {"property", "cached_property"} else _signature(name, tree, math.inf)
    first, rest = _parts(ast.get_docstring(tree) or "")
    more = textwrap.indent(f"\n```text\n{rest}\n```", "  ") if rest else ""
    return f"* `{call}`: {first}{more}"


def _signature(name: str, tree: ast.FunctionDef, width: float = WIDTH) -> str:
    """A call as it may be written, with its types: in one line, or a line for each argument."""
    arguments = _arguments(tree.args)
    returns = f" -> {_type(tree.returns)}" if tree.returns is not None and tree.name != "__init__" else ""
    line = f"{name}({', '.join(arguments)}){returns}"
    return line if len(line) <= width else "\n".join([f"{name}(", *(f"    {one}," for one in arguments), f"){returns}"])


def _arguments(given: ast.arguments) -> list[str]:
    """Each argument with its type and default, but for `self`."""
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    shown = [_argument(one, default) for one, default in zip(positional, defaults)]
    if given.posonlyargs:
        shown.insert(len(given.posonlyargs), "/")
    if given.kwonlyargs:
        shown.append(f"*{_argument(given.vararg, None)}" if given.vararg else "*")
        shown += [_argument(one, default) for one, default in zip(given.kwonlyargs, given.kw_defaults)]
    elif given.vararg:
        shown.append(f"*{_argument(given.vararg, None)}")
    if given.kwarg:
        shown.append(f"**{given.kwarg.arg}")
    return [one for one in shown if one != "self"]


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    kind = f": {_type(one.annotation)}" if one.annotation is not None else ""
    equals = " = " if kind else "="
    return f"{one.arg}{kind}{equals + ast.unparse(default) if default is not None else ''}".replace("'", '"')


def _type(annotation: ast.expr) -> str:
    return ast.unparse(annotation).strip("'\"")


def _tree(value: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def _documented(value: Any) -> str:
    """A docstring: its first paragraph as text, the others as they stand."""
    first, rest = _parts(inspect.getdoc(value) or "")
    return f"{first}\n" + (f"\n```text\n{rest}\n```\n" if rest else "")


def _parts(text: str) -> tuple[str, str]:
    first, _, rest = text.partition("\n\n")
    return " ".join(first.split()), rest.strip()


PAGES = {"api.md": api_page}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())


if __name__ == "__main__":
    main()
