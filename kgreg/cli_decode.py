"""Commands that read more out of finished runs: enrichment in gene sets, comparison of two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from kgreg import console
from kgreg.cli_options import Form, RunArgument

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()

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
    for (collection, method), part in table.groupby(["collection", "method"], sort=False):
        null = part["null"].iloc[0]
        against = "" if null == "none" else f"; p null: against networks on {_NULLS[null]}"
        title = f"{collection}, {method}: best {n} sets of every output{against}"
        shown = Table(title=title, title_justify="left", title_style="bold")
        effect = "above others" if method == "rank" else "times expected"
        for name in ("output", "set", "genes", effect, "p", "q", *(["p null"] if against else []), "leading genes"):
            shown.add_column(name, overflow="fold")
        for output, own in part.groupby("output", sort=False):
            for at, row in enumerate(own.head(n).to_dict("records")):
                genes = f"{row['genes_in_set']}" if method == "rank" else f"{row['overlap']} of {row['genes_in_set']}"
                size = f"{row['statistic']:.0%}" if method == "rank" else f"{row['statistic']:.2g}"
                ps = [f"{row[name]:.2g}" for name in ("p", "q", *(["p_null"] if against else []))]
                leading = ", ".join(row["leading"].split(", ")[:6])
                cells = [output if at == 0 else "", row["label"], genes, size, *ps, leading]
                shown.add_row(*(escape(str(cell)) for cell in cells), end_section=at == min(n, len(own)) - 1)
        console.out.print(shown)


_NULLS = {"labels": "permuted labels", "rewired": "rewired graphs"}
