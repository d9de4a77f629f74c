"""What the docs show runs, and what they list is what there is."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SHORT = ("add-a-calibration",)
"""A how-to that takes seconds; the others compile for half a minute and more."""

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


@pytest.fixture(scope="module")
def make_tables():
    spec = importlib.util.spec_from_file_location("make_tables", DOCS / "make_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["columns.md", "catalogs.md", "parameters.md", "data-model.md"])
def test_the_tables_are_up_to_date(make_tables, name):
    assert (DOCS / name).read_text() == make_tables.PAGES[name](), "run python docs/make_tables.py"


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page):
    lost = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_one_of_the_program(page):
    from diffsky_factory.cli import main

    verbs = re.findall(r"diffsky-factory ([a-z]+(?:-[a-z]+)*)", page.read_text())
    assert set(verbs) <= set(main.commands)
