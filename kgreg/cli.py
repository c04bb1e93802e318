"""The command line."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.logging import RichHandler
from rich.markup import escape

from kgreg import __version__, console
from kgreg.errors import ExperimentError, KgregError, QueryError
from kgreg.resources import recipe_file

app = typer.Typer(
    name="kgreg",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Compile biological knowledge into neural networks that can be read.\n\n"
    "Start with [bold]kgreg demo[/]. Every command has an example in its --help.",
)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the run.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run that is in the folder.")]
Store = Annotated[
    Path | None, typer.Option("--store", help="The graph store.  [default: $KGREG_STORE or your data folder]")
]
Replicates = Annotated[int | None, typer.Option("--replicates", help="Fits a fold, each with its own seed.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of splits, networks and nulls.")]
Folds = Annotated[int | None, typer.Option("--folds", help="Of the cross-validation.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Fits side by side.  [default: one a core]")]
Accelerator = Annotated[str | None, typer.Option("--accelerator", help="auto, cpu or cuda.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
ExperimentArgument = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).")]
Form = Annotated[console.Format, typer.Option("--format", "-f", help="How to print.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"kgreg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and log messages.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=console.err, show_path=debug)],
    )
    if debug:
        # Libraries' own debugging is not what is asked for.
        for name in ("matplotlib", "fsspec", "h5py", "numba"):
            logging.getLogger(name).setLevel(logging.WARNING)


@app.command()
def demo(
    output: Output = Path("kgreg-demo"),
    force: Force = False,
    replicates: Replicates = None,
    seed: Seed = None,
    workers: Workers = None,
) -> None:
    """Tell ten types of blood cells apart through GO biological process, and explain how.

    700 real cells, 765 genes, offline; about a minute on two cores.

    [dim]Example:[/]  kgreg demo --output my-first-run
    """
    run(recipe_file("pbmc68k"), output, force, False, replicates, seed, None, None, workers)


@app.command()
def run(
    experiment: ExperimentArgument,
    output: Output = None,
    force: Force = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run that is in the folder.")] = False,
    replicates: Replicates = None,
    seed: Seed = None,
    folds: Folds = None,
    accelerator: Accelerator = None,
    workers: Workers = None,
) -> None:
    """Do a whole experiment: compile, train, explain, knock out, report.

    [dim]Example:[/]  kgreg run experiment.toml --replicates 3 --output runs/three
    """
    asked = _experiment(experiment, replicates, seed, folds, accelerator)
    folder = Path(output or asked.output.folder)
    with console.progress_bar("starting") as progress, _resumable(folder):
        from kgreg.runs import run_experiment

        finished = run_experiment(asked, output=folder, force=force, resume=resume, workers=workers, progress=progress)
    console.show_compiled(finished)
    console.show_metrics(finished)
    console.show_ranking(finished)
    console.show_knockouts(finished.knockouts)
    _say("Report", finished.report)


Species = Annotated[str, typer.Option("--species", help="human, mouse, yeast, or an NCBI taxon.")]
Release = Annotated[str | None, typer.Option("--release", help="Which release; by default the one of the source.")]
FromDir = Annotated[Path | None, typer.Option("--from-dir", help="Folder that holds the official files already.")]


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Such as go, goa, reactome, string.")],
    species: Species = "human",
    release: Release = None,
    from_dir: FromDir = None,
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Accept addresses that are not https.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
) -> None:
    """Fetch the official files of sources into the cache, checked and with a record of where they came from.

    [dim]Example:[/]  kgreg fetch go goa --species mouse && kgreg load go goa --species mouse --fetched
    """
    rows = []
    with console.progress_bar("starting") as progress:
        from kgreg.fetch import fetch as fetch_files

        for i, name in enumerate(names):
            found = fetch_files(
                name,
                species=species,
                release=release,
                from_dir=from_dir,
                allow_http=allow_http,
                force=force,
                progress=lambda text, share, i=i: progress(text, (i + share) / len(names)),  # type: ignore[misc]
            )
            rows += [[name, one.role, one.path.name, one.release, f"{one.bytes:,}", one.sha256[:12]] for one in found]
    console.write_table(["source", "role", "file", "release", "bytes", "sha256"], rows, "table")


@app.command()
def load(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Which sources; all bundled ones by default.")
    ] = None,
    store: Store = None,
    force: Annotated[bool, typer.Option("--force", help="Write the store anew.")] = False,
    fetched: Annotated[bool, typer.Option("--fetched", help="From what `kgreg fetch` brought.")] = False,
    from_dir: FromDir = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", help="ROLE=PATH of an official file (one source).")
    ] = None,
    option: Annotated[list[str] | None, typer.Option("--option", help="NAME=VALUE of the source's reader.")] = None,
    species: Species = "human",
    release: Release = None,
) -> None:
    """Load knowledge into a graph store: what is bundled (GO, human annotations, Reactome, JASPAR), or official files.

    A newer release replaces exactly what came from the older one, and the difference is printed.

    [dim]Example:[/]  kgreg load go goa_human --store my.lbug

    [dim]Example:[/]  kgreg load string --file links=9606.protein.links.v12.0.txt.gz --option min_score=900
    """
    changed: list[Any] = []
    with console.progress_bar("starting") as progress:
        from kgreg.store import default_store_path
        from kgreg.store import load as load_store

        path = store or default_store_path()
        asked: list[Any] = list(names) if names else []
        if fetched or from_dir is not None or file:
            asked = _read_official(asked, species, release, from_dir, file or [], option or [], progress)
        counts = load_store(path, asked or None, progress, force, changed.append)
    console.write_table(
        ["what", "how many"], [[name, f"{n:,}"] for name, n in counts.items() if n], "table", f"In {path}"
    )
    for change in changed:
        title = f"{change.source}: from {change.before} to {change.after}"
        console.write_table(["what", "of", "how many", "such as"], change.summary(), "table", title)


def _read_official(
    names: list[str],
    species: str,
    release: str | None,
    from_dir: Path | None,
    files: list[str],
    options: list[str],
    progress: Any,
) -> list[Any]:
    from kgreg.errors import SourceError
    from kgreg.fetch import read_official_source

    if not names or (files and len(names) > 1):
        raise SourceError("Name the source whose files these are.", "For example: kgreg load go --file ontology=go.obo")
    located = dict(_pair(text, "--file ROLE=PATH") for text in files) or None
    return [
        read_official_source(
            name,
            files=located,
            species=species,
            release=release,
            from_dir=from_dir,
            options=_parameters(options),
            progress=progress,
        )
        for name in names
    ]


def _pair(text: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise QueryError(f"'{text}' is not of the form {form}.")
    return name, value


@app.command()
def sources(store: Store = None, form: Form = "table") -> None:
    """List what a store holds: source, release, licence, rows.

    [dim]Example:[/]  kgreg sources --store my.lbug --format csv
    """
    from kgreg.store import open_store

    with open_store(store) as opened:
        found = opened.sources().to_pandas()
        console.write_frame(found, form, f"In {opened.location}")


@app.command()
def query(
    cypher: Annotated[
        str | None, typer.Argument(help="A Cypher statement, or the name of a query; values as $name with --param.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE (VALUE as JSON, else text).")
    ] = None,
    form: Form = "table",
    store: Store = None,
    write: Annotated[bool, typer.Option("--write", help="Let the statement change the store.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the named queries.")] = False,
) -> None:
    """Ask the graph store, in Cypher or by the name of a query; read-only unless told otherwise.

    [dim]Example:[/]  kgreg query 'MATCH (g:Gene {symbol: $s})-[:ANNOTATED_TO]->(t:Term) RETURN t.id, t.name' -p s=CD79A
    """
    from kgreg.store import named_query, open_store, query_names, run_named

    if listed:
        found = [named_query(name) for name in query_names()]
        rows = [[q.name, ", ".join(q.parameters), ", ".join(q.columns), q.description] for q in found]
        console.write_table(["query", "parameters", "columns", "what it returns"], rows, form)
        return
    if cypher is None:
        raise QueryError("There is nothing to ask.", "Give a Cypher statement or a query's name; --list shows them.")
    given = _parameters(param or [])
    with open_store(store, read_only=not write) as opened:
        named = cypher in query_names() or cypher.endswith(".cypher")
        result = run_named(opened, cypher, **given) if named else opened.query(cypher, given)
    rows = [list(row) for row in zip(*(column.to_pylist() for column in result.columns), strict=True)]
    console.write_table(result.column_names, rows, form)
    if form == "table":
        console.err.print(f"[dim]{len(rows):,} rows[/]")


@app.command(name="compile")
def compile_(
    experiment: ExperimentArgument,
    output: Output = None,
    force: Force = False,
    seed: Seed = None,
    folds: Folds = None,
    replicates: Replicates = None,
) -> None:
    """Compile the network of an experiment, and say what was left out; trains nothing.

    [dim]Example:[/]  kgreg compile experiment.toml --output runs/one
    """
    asked = _experiment(experiment, replicates, seed, folds, None)
    folder = Path(output or asked.output.folder)
    with console.progress_bar("starting") as progress:
        from kgreg.runs import run_experiment

        compiled = run_experiment(asked, output=folder, force=force, until="compile", progress=progress)
    console.show_compiled(compiled)
    _say("Next", f"kgreg train {folder}")


@app.command()
def train(folder: RunArgument, workers: Workers = None) -> None:
    """Train the networks of a compiled run; continues where it was interrupted.

    [dim]Example:[/]  kgreg train runs/one
    """
    console.show_metrics(_continue(folder, "train", workers=workers))
    _say("Next", f"kgreg explain {folder}")


@app.command()
def explain(
    folder: RunArgument,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="How many subsystems and genes of every output.")] = 5,
    form: Form = "table",
    output: Annotated[str | None, typer.Option("--for", help="One output only, such as a class.")] = None,
) -> None:
    """Rank genes and subsystems against their nulls (training first what is not trained yet).

    [dim]Example:[/]  kgreg explain runs/one --for 'CD19+ B' --top 20 --format csv > b-cells.csv
    """
    finished = _continue(folder, "explain")
    ranking = finished.explanation.ranking
    outputs = list(dict.fromkeys(ranking["output"]))
    if output is not None and output not in outputs:
        raise ExperimentError(f"There is no output '{output}' in {folder}.", f"Choose one of: {', '.join(outputs)}.")
    if form == "table":
        console.show_ranking(finished, top, output)
    else:
        chosen = ranking[(ranking["rank"] <= top) & (ranking["output"].isin([output] if output else outputs))]
        console.write_frame(chosen.sort_values(["output", "kind", "rank"], kind="stable"), form)


@app.command()
def knockout(
    folder: RunArgument,
    genes: Annotated[list[str] | None, typer.Argument(help="Genes to knock out, one at a time.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=GENE,GENE,...: genes to knock out together.")
    ] = None,
    form: Form = "table",
) -> None:
    """Knock genes out of the trained networks of a run (those of its experiment, unless you name others).

    [dim]Example:[/]  kgreg knockout runs/one CD79A NKG7 --set 'CD3 complex=CD3D,CD3E,CD3G'
    """
    asked = {gene: [gene] for gene in genes or []}
    for text in sets or []:
        name, found, listed = text.partition("=")
        if not found:
            raise ExperimentError(f"'{text}' is not of the form NAME=GENE,GENE.", "For example: --set CD3=CD3D,CD3E.")
        asked[name.strip()] = [gene.strip() for gene in listed.split(",") if gene.strip()]
    if asked:
        with console.progress_bar("starting") as progress:
            from kgreg.runs import knock_out_again

            table = knock_out_again(folder, asked, progress=progress)
    else:
        table = _continue(folder, "knockout").knockouts
    if form == "table":
        console.show_knockouts(table, 5)
    else:
        console.write_frame(table, form)


@app.command()
def report(folder: RunArgument) -> None:
    """Write the report of a run again (finishing first what is unfinished).

    [dim]Example:[/]  kgreg report runs/one
    """
    _say("Report", _continue(folder, "report", again=["report"]).report)


@app.command()
def writeback(folder: RunArgument, store: Store = None) -> None:
    """Write the scores of a run into the graph store, so that a report is also a query.

    [dim]Example:[/]  kgreg writeback runs/one && kgreg query run_top -p run=run:0123456789ab -p output=all -p most=10
    """
    with console.progress_bar("starting") as progress:
        from kgreg.runs import open_run, run_id, write_back
        from kgreg.store import open_store

        run = open_run(folder)
        with open_store(store, read_only=False) as opened:
            counts = write_back(run, opened, progress)
    console.write_table(["nodes", "scores"], [[name, f"{n:,}"] for name, n in counts.items()], "table")
    _say("Run", run_id(run))


# ---- shared ----------------------------------------------------------------------------------------------------------


def _experiment(
    path: Path, replicates: int | None, seed: int | None, folds: int | None, accelerator: str | None
) -> Any:
    from kgreg.experiment import read_experiment

    asked = read_experiment(path)
    return asked.replace("training", replicates=replicates, seed=seed, folds=folds, accelerator=accelerator)


def _continue(folder: Path, until: str, again: list[str] | None = None, workers: int | None = None) -> Any:
    with console.progress_bar("starting") as progress, _resumable(folder):
        # Importing torch is most of the first seconds; the bar is there already.
        from kgreg.runs import continue_run

        return continue_run(folder, again=again or (), until=until, workers=workers, progress=progress)


class _resumable:  # noqa: N801 (a context manager, used like a function)
    """Say after Ctrl-C how to go on, if there is something to go on with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is KeyboardInterrupt and (self.folder / "run.json").is_file():
            console.err.print(f"Stopped; finished fits are kept. Go on with: kgreg report {escape(str(self.folder))}")


def _parameters(texts: list[str]) -> dict[str, Any]:
    import json

    values: dict[str, Any] = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found:
            raise QueryError(f"The parameter '{text}' is not of the form NAME=VALUE.", "For example: -p symbol=CD79A.")
        values[name] = value
        with suppress(ValueError):
            values[name] = json.loads(value)
    return values


def _say(what: str, text: Path | str) -> None:
    console.out.print(f"[bold]{what}[/] {escape(str(text))}", highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; a user meets messages, not tracebacks, unless they ask for them with ``--debug``."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(["--debug", *arguments] if debug else arguments)
    except KgregError as error:
        if debug:
            console.err.print_exception()
        console.show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        console.err.print("Interrupted.")
        sys.exit(130)
    except Exception as error:
        if debug:
            console.err.print_exception()
        name = type(error).__name__
        console.err.print(f"[bold red]Unexpected error:[/] {name}: {escape(str(error))}", highlight=False)
        console.err.print("This is a defect of kgreg. Run again with --debug and report what it shows.")
        sys.exit(70)
