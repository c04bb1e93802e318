"""Commands that read more out of finished runs: enrichment in gene sets, comparison of two runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from kgreg import console
from kgreg.cli_options import Form, RunArgument

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()

#: What the two sides of a comparison are called in its tables.
SIDES = ("first", "second")

For = Annotated[str | None, typer.Option("--for", help="One output only, such as a class.")]


@app.command()
def enrich(
    folder: RunArgument,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--sets",
            help="go, go_molecular_function, go_cellular_component, reactome, tf_targets, gene_sets, network, or a "
            ".gmt or .cypher file; may be repeated.  \\[default: those of the experiment]",
        ),
    ] = None,
    output: For = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Best genes, for overlaps.  \\[default: 50, at most a fifth]")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="hypergeometric, rank, goatools or elim (GO by goatools); may be repeated.  "
            "\\[default: the first two]",
        ),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Rows of every output in a table.")] = 5,
    form: Form = "table",
) -> None:
    """Hold the ranked genes of a run against gene sets: GO, Reactome, a GMT file.

    [dim]Example:[/]  kgreg enrich runs/one --sets reactome --for 'CD19+ B' --method rank --format csv > b-cells.csv
    """
    with console.progress_bar("starting") as progress:
        from kgreg.decode.enrichment import METHODS
        from kgreg.runs import enrich_run, open_run

        table, collections = enrich_run(
            open_run(folder), sets or (), output=output, top=top, methods=method or METHODS, progress=progress
        )
    if form != "table":
        console.write_frame(table, form)
        return
    for found in collections:
        text = f"{len(found.sets):,} sets over {len(found.genes):,} genes of the network, which are the background"
        more = f"; {found.unknown:,} genes of the sets are not in the network" if found.unknown else ""
        console.out.print(f"[bold]{escape(found.collection)}[/] {text}{more}", highlight=False)
    _show_enrichment(table, rows)


def _show_enrichment(table: pd.DataFrame, n: int) -> None:
    if table.empty:
        console.out.print("No set has from 5 to 500 genes of the network.", style="italic")
    for (collection, method), part in table.groupby(["collection", "method"], sort=False):
        null = part["null"].iloc[0]
        ps = {name: head for name, head in _PS.items() if part[name].notna().any()}
        against = "" if null == "none" else f"; null: networks on {_NULLS[null]}"
        outputs = list(dict.fromkeys(part["output"]))
        of = "every output" if len(outputs) > 1 else outputs[0]
        shown = Table(title=f"{collection}, {method}: best sets of {of}{against}", title_justify="left")
        shown.title_style = "bold"
        if len(outputs) > 1:
            shown.add_column("output", overflow="fold")
        shown.add_column("set", overflow="fold")
        for name in ("genes", "above others" if method == "rank" else "x chance", *ps.values()):
            shown.add_column(name, no_wrap=True)
        shown.add_column("leading genes", overflow="fold")
        for output, own in part.groupby("output", sort=False):
            for at, row in enumerate(console.records(own.head(n))):
                genes = f"{row['genes_in_set']}" if method == "rank" else f"{row['overlap']} of {row['genes_in_set']}"
                size = f"{row['statistic']:.0%}" if method == "rank" else f"{row['statistic']:.2g}"
                cells = [row["label"], genes, size, *(_p_and_q(row, name) for name in ps), _first(row["leading"])]
                if len(outputs) > 1:
                    cells.insert(0, output if at == 0 else "")
                shown.add_row(*(escape(str(cell)) for cell in cells), end_section=at == min(n, len(own)) - 1)
        console.out.print(shown)


def _first(genes: str, most: int = 5) -> str:
    listed = genes.split(", ")
    return ", ".join(listed[:most]) + (" ..." if len(listed) > most else "")


#: p-values of an enrichment and what they are called, each with its q if it has one.
_PS = {"p": "p (q)", "p_null": "p null (q)", "p_rewired": "p rewired"}
_NULLS = {"labels": "permuted labels", "rewired": "rewired graphs"}


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of another.")],
    kind: Annotated[str | None, typer.Option("--kind", help="One kind of node only: gene, term, ...")] = None,
    output: For = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many nodes count as the best.")] = 20,
    table: Annotated[
        Literal["nodes", "agreement", "metrics"], typer.Option("--table", help="Which table csv and json print.")
    ] = "nodes",
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Rows of a table of nodes.")] = 10,
    form: Form = "table",
) -> None:
    """Compare two runs: metrics, rankings, and which nodes differ by more than networks do.

    [dim]Example:[/]  kgreg compare runs/go runs/reactome --kind gene --for 'CD19+ B'
    """
    with console.progress_bar("reading the runs"):
        from kgreg.runs import compare_runs, open_run

        found = compare_runs(open_run(first), open_run(second), kind=kind, output=output, top=top)
    if form != "table":
        tables = {"nodes": found.ranking.nodes, "agreement": found.ranking.agreement, "metrics": found.metrics}
        console.write_frame(tables[table], form)
        return
    for note in found.notes:
        console.out.print(escape(note), highlight=False)
    _show_metrics(found.metrics)
    _show_agreement(found.ranking.agreement)
    _show_differences(found.ranking.nodes, rows)


def _show_metrics(metrics: pd.DataFrame) -> None:
    shown = Table(title="Metrics of the networks on the graph", title_justify="left", title_style="bold")
    for name in ("metric", "first", "second", "first - second", "p"):
        shown.add_column(name)
    for row in console.records(metrics):
        sides = [console.with_interval({**row, "low": row[f"{s}_low"], "high": row[f"{s}_high"]}, s) for s in SIDES]
        cells = [row["metric"].replace("_", " "), *sides, console.with_interval(row, "difference", "+"), _p(row["p"])]
        shown.add_row(*(escape(cell) for cell in cells))
    console.out.print(shown)


def _show_agreement(agreement: pd.DataFrame) -> None:
    shown = Table(title="Agreement of the rankings", title_justify="left", title_style="bold")
    for name in ("output", "kind", "shared", "correlation of ranks", "among the best of both", "by chance", "p"):
        shown.add_column(name, overflow="fold")
    for row in console.records(agreement):
        best = f"{row['overlap']} of {row['top']}"
        numbers = [f"{row['shared']:,}", f"{row['rank_correlation']:.2f}", best, f"{row['expected']:.1f}", _p(row["p"])]
        shown.add_row(*(escape(str(cell)) for cell in (row["output"], row["kind"], *numbers)))
    console.out.print(shown)


def _show_differences(nodes: pd.DataFrame, n: int) -> None:
    """Print the nodes whose scores differ most surely, of every kind; of all outputs together unless one was asked."""
    names = list(dict.fromkeys(nodes["output"]))
    output = "all" if "all" in names else names[0]
    for kind, own in nodes[nodes["output"] == output].groupby("kind", sort=False):
        networks = f"{own['n_first'].max()} and {own['n_second'].max()} networks"
        title = f"Scores that differ most, {kind}, {output}; 1 is the median size; {networks}, 95 % intervals"
        shown = Table(title=title, title_justify="left", title_style="bold")
        for name in ("label", "first (rank)", "second (rank)", "first - second", "p", "q"):
            shown.add_column(name, overflow="fold")
        for row in console.records(own.head(n)):
            sides = [f"{row[side]:.3g} ({row[f'rank_{side}']})" for side in SIDES]
            cells = [row["label"], *sides, console.with_interval(row, "difference", "+"), _p(row["p"]), _p(row["q"])]
            shown.add_row(*(escape(str(cell)) for cell in cells))
        console.out.print(shown)


def _p_and_q(row: dict[str, Any], name: str) -> str:
    q = name.replace("p", "q", 1)
    return f"{_p(row[name])} ({_p(row[q])})" if q in row else _p(row[name])


def _p(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "–"
