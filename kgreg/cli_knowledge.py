"""The commands about knowledge: fetch, load, sources, query, writeback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kgreg import console
from kgreg.cli_options import Form, RunArgument, Store, read_parameters, say
from kgreg.errors import QueryError, SourceError

app = typer.Typer()

Species = Annotated[str, typer.Option("--species", help="human, mouse, yeast, or an NCBI taxon.")]
Release = Annotated[str | None, typer.Option("--release", help="Which release; by default the one of the source.")]
FromDir = Annotated[Path | None, typer.Option("--from-dir", help="Folder that holds the official files already.")]


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Such as go, goa, reactome, string.")],
    species: Species = "human",
    release: Release = None,
    from_dir: FromDir = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="Only these files of the source.")] = None,
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
                roles=role or None,
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
        from kgreg.store import default_location
        from kgreg.store import load as load_store

        path = store or default_location()
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
    from kgreg.fetch import plain_options, read_official_source

    if not names or (files and len(names) > 1):
        raise SourceError("Name the source whose files these are.", "For example: kgreg load go --file ontology=go.obo")
    given = read_parameters(options)
    for name in names:
        unknown = [key for key in given if key not in plain_options(name)]
        if unknown:
            takes = ", ".join(f"{key}={value}" for key, value in plain_options(name).items())
            raise SourceError(f"The source '{name}' has no option {', '.join(unknown)}.", f"It takes: {takes or '-'}.")
    located = dict(_pair(text, "--file ROLE=PATH") for text in files) or None
    return [
        read_official_source(
            name,
            files=located,
            species=species,
            release=release,
            from_dir=from_dir,
            options=given,
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
    given = read_parameters(param or [])
    with open_store(store, read_only=not write) as opened:
        named = cypher in query_names() or cypher.endswith(".cypher")
        result = run_named(opened, cypher, **given) if named else opened.query(cypher, given)
    rows = [list(row) for row in zip(*(column.to_pylist() for column in result.columns), strict=True)]
    console.write_table(result.column_names, rows, form)
    if form == "table":
        console.err.print(f"[dim]{len(rows):,} rows[/]")


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
    say("Run", run_id(run))
