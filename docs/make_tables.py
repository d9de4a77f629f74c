"""Write the tables of the docs from `schemas/`, `catalogs/` and the package: `python docs/make_tables.py`.

`docs/columns.md`, `docs/catalogs.md` and `docs/parameters.md` are made here whole, and the tree in
`docs/data-model.md`; a test asserts that they are up to date.
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from diffsky_factory.core.axes import Axis, axes
from diffsky_factory.core.columns import columns
from diffsky_factory.core.parameters import Within
from diffsky_factory.core.resources import resource
from diffsky_factory.inputs.calibrations import load_calibration
from diffsky_factory.inputs.entries import entry_names, entry_path, read_yaml
from diffsky_factory.inputs.parameter_table import group_table, source_of
from diffsky_factory.physics import INGREDIENTS, STAGES
from diffsky_factory.physics.halos.growth import HaloGrowth
from diffsky_factory.physics.stars.star_formation import StarFormation

FOLDER = Path(__file__).resolve().parent
MADE = "<!-- made by docs/make_tables.py: change the yaml files, not this page -->\n"
MADE_OF_CLASSES = "<!-- made by docs/make_tables.py: change the classes of parameters, not this page -->\n"


def columns_page() -> str:
    """All columns, by file of the schema."""
    writers = {name: stage.name for stage in STAGES for name in stage.writes}
    parts = [
        "# Columns\n",
        MADE,
        "Every column that a mock can have, as defined in `schemas/columns`. The same definitions become the\n"
        "attributes of the arrays on disk, and every tile is checked against them before it is committed. *Written\n"
        "by* names the stage that computes the column; the others come with the halos. A recipe's `columns` select\n"
        "what is stored.\n",
    ]
    for file in sorted(resource("schemas", "columns").glob("*.yaml")):
        heading, *_ = file.read_text().splitlines()
        names = [entry["name"] for entry in _entries(file)]
        parts.append(f"## {file.stem}\n\n{heading.lstrip('# ')}\n")
        header = ("column", "unit", "type", "axes", "range", "meaning", "written by", "called elsewhere")
        rows = []
        for name in names:
            column = columns()[name]
            low, high = column.range
            called = ", ".join(f"{peer}: `{alias}`" for peer, alias in column.aliases.items())
            unit, tail = column.unit or "-", ", ".join(column.axes) or "-"
            meaning = " ".join([column.description, column.convention]).strip()
            writer = f"`{writers[name]}`" if name in writers else "-"
            rows.append((f"`{name}`", unit, column.dtype, tail, f"{low:g} to {high:g}", meaning, writer, called or "-"))
        parts.append(_table(header, rows))
    return "\n".join([*parts, _axes_section()])


def _axes_section() -> str:
    rows = [_axis(one) for one in axes().values()]
    return "\n".join(
        [
            "## Axes\n",
            "Axes that columns have in addition to the rows, from `schemas/axes.yaml`. Labels that are shown here\n"
            "are the same in every mock; others depend on the recipe or on a table. An axis that is *read alone* is\n"
            "computed, stored and read one label at a time. Columns with a *large* axis are computed separately,\n"
            "when needed.\n",
            _table(("axis", "unit", "labels", "meaning", "read alone", "large"), rows),
        ]
    )


def _axis(axis: Axis) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in axis.labels) or f"of {axis.of}"
    read_alone, large = ("yes" if flag else "-" for flag in (axis.read_alone, axis.large))
    return f"`{axis.name}`", axis.unit or "-", labels, axis.description, read_alone, large


def catalogs_page() -> str:
    """All entries of `catalogs/`, by kind."""
    parts = [
        "# Catalogs\n",
        MADE,
        "Everything that is available by name. Each entry is one yaml file in `catalogs/`;\n"
        "`diffsky-factory show NAME` prints it. `DIFFSKY_FACTORY_CATALOG_PATH` names folders of your own with the\n"
        "same layout, which are searched first.\n",
        "## Simulations\n",
        _table(("name", "what it is", "halo mass", "references"), [_simulation(n) for n in entry_names("simulations")]),
        "A UniverseMachine light cone in text form needs no entry: name it by the path of its file.\n",
        "## Recipes\n",
        _table(("name", "what it makes"), [(f"`{n}`", _entry("recipes", n)["title"]) for n in entry_names("recipes")]),
        "## Calibrations\n",
        _table(("name", "what it was fitted to", "kind", "parameters", "reference"), _calibrations()),
        "## Histories of halos\n",
        "Halos that have no history of their own get one that is drawn from one of these.\n",
        _table(("name", "what it is", "normals", "fitted to", "references"), _growths()),
        "## Templates\n",
        _table(("name", "what it is", "initial mass function", "grid", "references"), _templates()),
        "## Absorption between galaxies\n",
        "A recipe's `igm`; `none` is none.\n",
        _table(("name", "what it is", "references"), _absorptions()),
        "## Filters\n",
        "A band is named `<set>_<band>`, such as `lsst_r`; the name of a set stands for all of its bands. Curves\n"
        "lie in a file beside the entry of their set, each pinned by hash; they were taken from the packages named,\n"
        "under the licences named, whose texts are in `catalogs/filters/licenses`.\n",
        _table(("set", "bands", "what it is", "includes", "from", "reference"), _filters()),
    ]
    return "\n".join(parts)


def _simulation(name: str) -> tuple[str, ...]:
    entry = _entry("simulations", name)
    references = "; ".join(entry["reference"].values())
    return f"`{name}`", f"{entry['title']}. {entry['notes']}", entry["mass_definition"], references


def _calibrations() -> list[tuple[str, ...]]:
    rows = []
    for name in entry_names("calibrations"):
        known = load_calibration(name)
        rows.append((f"`{name}`", known.title, known.kind, str(len(known.flat())), known.reference))
    return rows


def _growths() -> list[tuple[str, ...]]:
    rows = []
    for name in entry_names("halo_growth"):
        entry = _entry("halo_growth", name)
        cited = "; ".join(reference["cite"] for reference in entry["references"])
        size = f"2 x {entry['components']}", f"2 x {entry['draws']:,} histories"
        rows.append((f"`{name}`", entry["title"], *size, cited))
    return rows


def _templates() -> list[tuple[str, ...]]:
    rows = []
    for name in entry_names("templates"):
        entry = _entry("templates", name)
        grid = f"{entry['n_met']} metallicities, {entry['n_age']} ages, {entry['n_wave']} wavelengths"
        cited = "; ".join(reference["cite"] for reference in entry["references"])
        rows.append((f"`{name}`", entry["title"], entry["imf"], grid, cited))
    return rows


def _absorptions() -> list[tuple[str, ...]]:
    entries = [(name, _entry("igm", name)) for name in entry_names("igm")]
    return [(f"`{name}`", entry["title"], "; ".join(r["cite"] for r in entry["references"])) for name, entry in entries]


def _filters() -> list[tuple[str, ...]]:
    rows = []
    for name in entry_names("filters"):
        entry = _entry("filters", name)
        bands, source = ", ".join(entry["bands"]), "{package} {version}, {license}".format(**entry["source"])
        rows.append((f"`{name}`", bands, entry["title"], entry["includes"], source, entry["reference"]["cite"]))
    return rows


def _entry(kind: str, name: str) -> dict:
    return read_yaml(entry_path(kind, name))


def _entries(file: Path) -> list[dict]:
    import yaml

    return yaml.safe_load(file.read_text())


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells) + "\n"


def parameters_page() -> str:
    """All parameters, by group, and the numbers of one halo's and one galaxy's history."""
    words = re.sub(r"^(\w+) : ", r"* *\1*: ", inspect.getdoc(Within).split("\n\n")[-1], flags=re.MULTILINE)
    return "\n".join(
        [
            "# Parameters\n",
            MADE_OF_CLASSES,
            "Every number of the model that a calibration can set, by group, in the published order.\n"
            "`dff.parameters(calibration)` is a table of them with the values of a calibration. Default and bounds\n"
            "are in the unit given; a bound that is a name is the value of that parameter.\n",
            f"{words}\n",
            *(_parameters(group, kind()) for group, kind in INGREDIENTS.items()),
            "# Numbers of one history\n",
            "These are not parameters of the model. They are drawn, or fitted, for each object, and are in the\n"
            "columns of these names.\n",
            _parameters("mah_parameters", HaloGrowth()),
            _parameters("sfh_parameters", StarFormation()),
        ]
    )


def _parameters(group: str, p: Any) -> str:
    first, *more = inspect.getdoc(type(p)).split("\nSource: ")[0].strip().split("\n\n", maxsplit=1)
    rows = []
    for row in group_table(group, p).itertuples():
        low, high = f"`{row.above}`" if row.above else f"{row.lo:g}", f"`{row.below}`" if row.below else f"{row.hi:g}"
        rows.append((f"`{row.name}`", row.unit or "-", f"{row.value:.10g}", f"{low} to {high}", row.meaning))
    return "\n".join(
        [
            f"## {group}\n\n{first}\n",
            *(f"```text\n{text}\n```\n" if "\n  " in text else f"{text}\n" for text in more),
            f"Source: {source_of(type(p))}\n",
            _table(("parameter", "unit", "default", "bounds", "meaning"), rows),
        ]
    )


def data_model_page() -> str:
    """The page as it is, with the tree of the package as it is on disk."""
    before, rest = (FOLDER / "data-model.md").read_text().split(TREE[0])
    after = rest.split(TREE[1])[1]
    return f"{before}{TREE[0]}\n```text\n{tree(FOLDER.parent / 'diffsky_factory')}\n```\n{TREE[1]}{after}"


def tree(folder: Path, indent: str = "") -> str:
    """Files and folders, each with the first sentence of its docstring; in the order in which data flows."""
    lines = [f"{indent}{folder.name + '/':<{WIDTH - len(indent)}}{_sentence(folder / '__init__.py')}"]
    files = [file for file in sorted(folder.glob("*.py")) if file.name != "__init__.py"]
    lines += [f"{indent}  {file.name:<{WIDTH - len(indent) - 2}}{_sentence(file)}" for file in files]
    folders = [sub for sub in folder.iterdir() if (sub / "__init__.py").is_file()]
    for sub in sorted(folders, key=lambda sub: (ORDER.index(sub.name) if sub.name in ORDER else len(ORDER), sub.name)):
        lines.append(tree(sub, indent + "  "))
    return "\n".join(lines)


def _sentence(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ")


TREE = ("<!-- tree -->", "<!-- end of tree -->")
ORDER = ("core", "sky", "inputs", "physics", "factory", "outputs", "simulations", "halos", "stars", "light")
WIDTH = 36
PAGES = {
    "columns.md": columns_page,
    "catalogs.md": catalogs_page,
    "parameters.md": parameters_page,
    "data-model.md": data_model_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())


if __name__ == "__main__":
    main()
