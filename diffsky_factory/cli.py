"""The command line: list, show, ingest, fit-histories, plan, build, resume, status, verify."""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from io import TextIOWrapper
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from diffsky_factory import __version__

out, err = Console(), Console(stderr=True)
WIDEST = 10_000  # columns of a table where there is no terminal


def _clear_errors(command: Callable) -> Callable:
    """Bad input is one clear line and exit code 2; anything else that goes wrong is one line and exit code 1."""

    @wraps(command)
    def wrapped(*args, **kwargs):
        from diffsky_factory.core.errors import CheckError, InputError

        try:
            return command(*args, **kwargs)
        except InputError as error:
            _fail(f"{error}", 2)
        except CheckError as error:
            _fail(f"a tile failed its checks and was not written: {error}", 1)
        except KeyboardInterrupt:
            _fail("stopped; what is built is kept, and the same command goes on from there", 130)
        except OSError as error:
            _fail(f"{error.filename or 'input or output'}: {error.strerror or error}; what is built is kept", 1)
        except Exception as error:
            if click.get_current_context().find_root().params.get("debug"):
                raise
            _fail(f"unexpected {type(error).__name__}: {error}; diffsky-factory --debug ... shows where", 1)

    return wrapped


def _fail(problem: str, code: int) -> None:
    line = _shown(f"error: {' '.join(problem.split())}")
    err.print(line, style="red", markup=False, emoji=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _recipe(name: str, pairs: tuple[str, ...]):
    """The recipe of this name or path with the fields of `--set` replaced."""
    from diffsky_factory.core.errors import InputError
    from diffsky_factory.core.yaml_reading import parsed
    from diffsky_factory.factory.recipe import load_recipe

    changes = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not (field and equals):
            raise InputError(f"--set {pair!r}: write field=value")
        changes[field] = parsed(value, f"--set {pair} (quote it in the shell)")
    return load_recipe(name, **changes)


_set = click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Replace a field of the recipe.")
_workers = click.option("--workers", type=click.IntRange(1), default=None, help="Tiles at a time.")
_processes = click.option("--processes", is_flag=True, help="Workers are processes of a dask cluster, not threads.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="diffsky_factory")
@click.option("--debug", is_flag=True, help="Show where in the program an unexpected error arises.")
@click.option(
    "--allow-module", "modules", multiple=True, metavar="NAME", help="Let data name parts of a module, whose code runs."
)
@click.option("--log", type=click.Path(path_type=Path), default=None, help="Append what is done to a file, as JSON.")
def main(debug: bool, modules: tuple[str, ...], log: Path | None) -> None:
    """Galaxy mocks from halos: lazy, reproducible, resumable."""
    if modules:
        from diffsky_factory.core.imports import allow_modules

        allow_modules(*modules)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no error
    if log is not None:
        from diffsky_factory.core.logs import log_to

        try:
            log_to(log)
        except OSError as error:
            _fail(f"--log {log}: cannot be written ({error.strerror})", 2)


@main.command("list")
@click.option("--kind", default=None, help="Only simulation, recipe, calibration, template or filter.")
@_clear_errors
def list_(kind: str | None) -> None:
    """List available simulations, recipes, calibrations, templates and filters."""
    from diffsky_factory.core.errors import InputError, near
    from diffsky_factory.inputs.entries import KINDS
    from diffsky_factory.inputs.known import list_catalogs

    kinds = [name.removesuffix("s") for name in KINDS]
    if kind is not None and kind.removesuffix("s") not in kinds:
        raise InputError(f"--kind {kind!r}: there is no such kind; {near(kind, kinds)}")
    table = Table(Column("name", no_wrap=True), "kind", "title", "status")
    for row in list_catalogs().itertuples():
        if kind is None or row.kind == kind.removesuffix("s"):
            table.add_row(*(Text(_shown(cell)) for cell in (row.name, row.kind, row.title, row.status)))
    _print(table)


@main.command()
@click.argument("name")
@_clear_errors
def show(name: str) -> None:
    """Print an entry, the contents of a store, or the meaning of a column, stage, parameter, band or emission line."""
    from diffsky_factory.core.user_files import user_path
    from diffsky_factory.inputs.entries import KINDS, entry_names, entry_path

    found = [entry_path(kind, name) for kind in KINDS if name in entry_names(kind)]
    if not found and user_path(name).exists():
        _show_dataset(user_path(name))
        return
    if not found:
        from diffsky_factory.factory.described import described

        _say(described(name))
    for file in found:
        _say(f"# {file}\n{file.read_text()}")


@main.command()
@click.argument("simulation")
@click.option("--out", "path", required=True, type=click.Path(path_type=Path), help="Folder of the store of halos.")
@click.option("--redshift", type=float, nargs=2, default=None, help="Of a box: make its light cone in this range.")
@click.option("--at", type=float, default=None, help="Of a box: redshift of the snapshot, where there are several.")
@click.option("--region", default=None, metavar="YAML", help="Of a box: part of the sky, as in a recipe.")
@click.option("--observer", type=float, nargs=3, default=None, help="Of a box: place in it, Mpc from its corner.")
@click.option("--memory", default="2GB", show_default=True, help="What may be held at once.")
@_clear_errors
def ingest(simulation: str, path: Path, memory: str, **options) -> None:
    """Read a simulation, in any known format, into a store of halos; continues where it was interrupted."""
    from diffsky_factory.core.errors import InputError
    from diffsky_factory.core.yaml_reading import parsed
    from diffsky_factory.factory.runs.ingest import ingest as read_in

    given = {name: value for name, value in options.items() if value is not None}
    if {"redshift", "at"} <= set(given):
        raise InputError("--redshift makes a light cone, --at takes a snapshot as it is; give one of them")
    if "at" in given:
        given["redshift"] = given.pop("at")
    if "region" in given:
        given["region"] = parsed(given["region"], f"--region {given['region']} (quote it in the shell)")
    with _progress("reading", "pieces", "halos") as progress:
        made = read_in(simulation, path, memory=memory, progress=progress, **given)
    _say(str(made))


@main.command("fit-histories")
@click.argument("simulation")
@click.option("--out", "path", required=True, type=click.Path(path_type=Path), help="Folder of the store of fits.")
@_workers
@_processes
@_clear_errors
def fit_histories(simulation: str, path: Path, workers: int | None, processes: bool) -> None:
    """Fit the growth of all halos of merger trees; the same command continues a run that was interrupted."""
    from diffsky_factory.factory.runs.fit_histories import fit_histories as fit

    with _client(workers, processes) as client, _progress("fitting", "pieces", "histories") as progress:
        summary = fit(simulation, path, client=client, workers=workers, progress=progress)
    _say(str(summary))


@main.command()
@click.argument("recipe")
@_set
@click.option("--workers", type=click.IntRange(1), default=None, help="Tiles at a time.")
@click.option("--exact", is_flag=True, help="Count every row, also where that takes long.")
@_clear_errors
def plan(recipe: str, changes: tuple[str, ...], workers: int | None, exact: bool) -> None:
    """Show rows, bytes, files, memory and time of a build, without building.

    For a large part of the synthetic universe the numbers are means over universes, unless --exact is given.
    """
    from diffsky_factory.factory.runs.planning import plan as plan_of

    planned = plan_of(_recipe(recipe, changes), exact=exact or None)
    table = Table(show_header=False)
    for what, how_much in planned.said(workers).items():
        table.add_row(what, how_much)
    _print(table)
    planned.check_fits(Path.cwd(), workers)


@main.command()
@click.argument("recipe")
@click.option("--out", "path", required=True, type=click.Path(path_type=Path), help="Folder of the store.")
@_set
@_workers
@_processes
@_clear_errors
def build(recipe: str, path: Path, changes: tuple[str, ...], workers: int | None, processes: bool) -> None:
    """Build a mock into a store; the same command finishes a build that was interrupted."""
    from diffsky_factory.factory.runs.build import build as build_store

    chosen = _recipe(recipe, changes)
    with _client(workers, processes) as client, _progress() as progress:
        summary = build_store(chosen, path, client=client, workers=workers, progress=progress)
    _say(str(summary))


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@_workers
@_processes
@_clear_errors
def resume(path: Path, workers: int | None, processes: bool) -> None:
    """Finish a store; damaged or missing tiles are built again."""
    from diffsky_factory.factory.runs.stores import resume as resume_store

    with _client(workers, processes) as client, _progress() as progress:
        summary = resume_store(path, client=client, workers=workers, progress=progress)
    _say(str(summary))


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@_clear_errors
def status(path: Path) -> None:
    """Show how much of a store is built."""
    _show_status(path, verify=False)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@_clear_errors
def verify(path: Path) -> None:
    """Read every file of a store and compare its checksum; exit code 1 if a file is damaged or not built yet."""
    if _show_status(path, verify=True):
        sys.exit(1)


def _show_status(path: Path, verify: bool) -> bool:
    """Say how a store is; whether something is to be mended or finished."""
    from diffsky_factory.factory.runs.stores import status as store_status

    found = store_status(path, verify=verify)
    first, *added = found.parts
    _say(f"{found.path}: {first.state}, {first.built}/{first.tiles} tiles, {first.built_rows:,}/{first.rows:,} rows")
    for part in added:
        _say(f"  {part.name}: {part.state}, {part.built}/{part.tiles} tiles")
    for part in found.parts if verify else ():
        if part.missing:
            more = f" and {len(part.missing) - 10:,} more" if len(part.missing) > 10 else ""
            keys = ", ".join(map(str, part.missing[:10]))
            _say(f"  {part.name}: tiles that are not built: {keys}{more}")
    for problem in found.damaged:
        _say(f"  {problem}")
    unfinished = bool(found.damaged) or any(part.state != "complete" for part in found.parts)
    if unfinished:
        _say(f"  to mend it: {first.remedy}")
    elif verify:
        _say("  every file is as it was written")
    return unfinished


def _show_dataset(path: Path) -> None:
    from diffsky_factory.factory.opening.catalogs import open_catalog

    ds = open_catalog(path, allow_partial=True)
    _say(str(ds))
    if "selection" in ds.attrs:
        _say(f"sky: {ds.sky!r}" if ds.attrs["geometry"] == "lightcone" else f"box: {ds.box!r}")


def _say(text: str) -> None:
    out.print(_shown(text), markup=False, emoji=False, highlight=False, soft_wrap=True)


def _print(table: Table) -> None:
    """A table, as wide as the terminal; in a pipe or file no line is wrapped."""
    (out if out.is_terminal else Console(width=WIDEST)).print(table)


def _shown(text: str) -> str:
    """Text whose control characters are written out, so that no name or title acts on the terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


@contextmanager
def _client(workers: int | None, processes: bool):
    if not processes:
        yield None
        return
    import warnings

    from diffsky_factory.factory.runs.tasks import cluster_here

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Port \d+ is already in use")  # of another build, which is no matter
        with cluster_here(workers) as client:
            yield client


@contextmanager
def _progress(doing: str = "building", parts: str = "tiles", rows_are: str = "galaxies"):
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{parts}  {{task.fields[rows]}} {rows_are}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=err)
    task = bar.add_task(doing, total=None, rows="0")

    def update(done: int, total: int, rows: int, all_rows: int | None = None) -> None:
        bar.start()  # with the first tile known, so that an error before it is one line
        bar.update(task, completed=done, total=total, rows=f"{rows:,}" + (f" of {all_rows:,}" if all_rows else ""))

    try:
        yield update
    finally:
        bar.stop()


if __name__ == "__main__":
    main()
