"""What the docs show runs, and what they list is what there is."""

import ast
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import diffsky_factory

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SHORT = ("install",)
"""How-tos that take seconds; the others compile for half a minute and more."""

HOW_TOS = [
    pytest.param(page, marks=() if page.stem in SHORT else pytest.mark.thorough, id=page.stem)
    for page in sorted((DOCS / "how-to").glob("*.md"))
]
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def fences(page: Path, *languages: str) -> list[str]:
    return [text for language, file, text in FENCE.findall(page.read_text()) if language in languages and not file]


def files(page: Path) -> dict[str, str]:
    """Blocks that are the content of a file, by its name: ```python file=mine.py."""
    return {file: text for _, file, text in FENCE.findall(page.read_text()) if file}


def script(name: str):
    """A script of the docs, as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("maker", "name"),
    [
        *(("make_tables", name) for name in ("columns.md", "catalogs.md", "parameters.md", "data-model.md")),
        ("make_api", "api.md"),
    ],
)
def test_the_tables_are_up_to_date(maker, name):
    assert (DOCS / name).read_text() == script(maker).PAGES[name](), f"run python docs/{maker}.py"


def test_the_reference_has_every_public_name():
    names = [name for section in script("make_api").SECTIONS.values() for name in section]
    assert sorted(names) == sorted(diffsky_factory.__all__)


@pytest.mark.parametrize("accessor", ["sky", "box"])
def test_the_reference_has_all_of_the_accessors(accessor):
    from diffsky_factory.factory.opening.box import Box
    from diffsky_factory.factory.opening.sky import Sky

    public = {name for name in dir({"sky": Sky, "box": Box}[accessor]) if not name.startswith("_")}
    shown = set(re.findall(rf"^\* `ds\.(?:sky|{accessor})\.(\w+)", (DOCS / "api.md").read_text(), re.MULTILINE))
    assert public <= shown


def test_the_tree_in_the_docs_is_the_tree_on_disk():
    text = (DOCS / "data-model.md").read_text().split("<!-- tree -->")[1].split("<!-- end of tree -->")[0]
    shown, folders = set(), []
    for line in text.strip().strip("`").removeprefix("text").strip("\n").splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folders = [*folders[:depth], name.rstrip("/")]
        shown.add("/".join(folders))
    package = ROOT / "diffsky_factory"
    files = {file for file in package.rglob("*.py") if file.name != "__init__.py"}
    folders = {file.parent for file in package.rglob("__init__.py")}
    assert shown == {path.relative_to(ROOT).as_posix() for path in files | folders}


def test_the_quick_start_is_two_commands():
    commands = fences(ROOT / "README.md", "console", "sh")
    assert commands[:2] == [
        "pip install . && diffsky-factory build example --out example.zarr\n",
        'pip install ".[test]" && python -m pytest\n',
    ]
    assert len(commands) == 2


@pytest.mark.parametrize("page", HOW_TOS)
def test_the_python_of_a_how_to_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in files(page).items():
        (tmp_path / name).write_text(text)
    known = {"__name__": "__main__"}
    for i, block in enumerate(fences(page, "python")):
        exec(compile(block, f"{page.name}, block {i + 1}", "exec"), known)


def said(file: Path) -> list[str]:
    """Texts in a module; of those with values in them, all that lies between the values."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    whole = ["\0".join(part.value for part in node.values if isinstance(part, ast.Constant)) for node in nodes
             if isinstance(node, ast.JoinedStr)]  # fmt: skip
    return whole + [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_every_message_that_is_explained_is_one_of_the_package():
    page = (DOCS / "how-to" / "troubleshooting.md").read_text()
    messages = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert len(messages) == page.count("\n### ") > 30
    texts = [text for file in (ROOT / "diffsky_factory").rglob("*.py") for text in said(file)]
    pieces = {piece.strip() for message in messages for piece in message.split("...") if piece.strip()}
    assert not [piece for piece in pieces if not any(piece in text for text in texts)]


def test_every_extra_and_every_variable_is_on_the_page_of_installing():
    page = (DOCS / "how-to" / "install.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert set(project["optional-dependencies"]) == {name for name in rows if name.islower()}
    code = "".join(file.read_text() for file in (ROOT / "diffsky_factory").rglob("*.py"))
    variables = set(re.findall(r"DIFFSKY_FACTORY_[A-Z_]+", code))
    assert len(variables) == 4
    assert variables <= set(rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page):
    lost = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_headings_that_a_page_links_to_are_there(page):
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())
    assert not [(link, place) for link, place in links if place not in places((page.parent / link) if link else page)]


def places(page: Path) -> set[str]:
    """The headings of a page as they are linked to: small letters, hyphens for blanks, no other marks."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_one_of_the_program(page):
    from diffsky_factory.cli import main

    verbs = re.findall(r"diffsky-factory ([a-z]+(?:-[a-z]+)*)", page.read_text())
    assert set(verbs) <= set(main.commands)
