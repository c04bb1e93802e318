"""The commands that knock genes out of networks of genes, without a trained network: tenifold, propagate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kgreg import console
from kgreg.cli_options import Store, read_parameters, say
from kgreg.errors import ExperimentError

app = typer.Typer()

CellsArgument = Annotated[
    str, typer.Argument(metavar="CELLS", help="An .h5ad file, or a bundled one: scanpy:pbmc68k_reduced.")
]
Genes = Annotated[list[str] | None, typer.Option("--gene", "-g", help="A gene to knock out; may be given again.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="NAME=GENE,GENE,...: genes to knock out together.")]
Folder = Annotated[Path, typer.Option("--output", "-o", help="A new folder for the tables.")]
Layer = Annotated[str | None, typer.Option("--layer", help="X, raw or a layer.  [default: raw where there is one]")]
Only = Annotated[list[str] | None, typer.Option("--only", help="A group of --group to keep; may be given again.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all random numbers.")]
Top = Annotated[int, typer.Option("--top", "-n", min=1, help="How many genes to print of each.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds something.")]


@app.command()
def tenifold(
    cells: CellsArgument,
    gene: Genes = None,
    together: Sets = None,
    output: Folder = Path("tenifold"),
    layer: Layer = None,
    group: Annotated[str | None, typer.Option("--group", help="Column of obs with the groups of --only.")] = None,
    only: Only = None,
    replicates: Annotated[int, typer.Option("--replicates", min=1, help="Networks, each of its own draws.")] = 5,
    null: Annotated[int, typer.Option("--null", min=0, help="Random genes knocked out beside each one.")] = 50,
    seed: Seed = 0,
    networks: Annotated[int, typer.Option("--networks", min=2, help="Subsampled networks of a replicate.")] = 10,
    drawn: Annotated[int, typer.Option("--cells", min=50, help="Cells of a subsampled network.")] = 500,
    least: Annotated[float, typer.Option("--min-share", min=0, max=1, help="Of cells that express a gene.")] = 0.05,
    direction: Annotated[
        float, typer.Option("--direction", min=0, max=1, help="Weakens the weaker of two opposite links.")
    ] = 0.0,
    expectation: Annotated[
        Literal["others", "published"],
        typer.Option("--expectation", help="Fold changes relative to the genes not knocked out, or as published."),
    ] = "others",
    sets: Annotated[
        list[str] | None, typer.Option("--sets", help="Gene sets to hold the genes against: go, reactome, a .gmt file.")
    ] = None,
    store: Store = None,
    whole: Annotated[
        bool, typer.Option("--whole-network", help="Write all links, not the knocked-out genes'.")
    ] = False,
    top: Top = 10,
    force: Force = False,
) -> None:
    """Knock genes out of networks that are built from cells alone, as scTenifoldKnk does.

    [dim]Example:[/]  kgreg tenifold cells.h5ad --gene CD79A --set 'CD3=CD3D,CD3E' --group cell_type --only B -o out
    """
    asked = read_knockouts(gene, together)
    with console.progress_bar("starting") as progress:
        from kgreg.decode.tenifold import TenifoldSettings
        from kgreg.runs.virtual import run_tenifold

        result, enriched = run_tenifold(
            cells,
            asked,
            output,
            settings=TenifoldSettings(
                least_share=least, networks=networks, cells=drawn, direction=direction, expectation=expectation
            ),
            layer=layer,
            group=group,
            only=only or (),
            replicates=replicates,
            null=null,
            seed=seed,
            collections=sets or (),
            store=store,
            whole_network=whole,
            force=force,
            progress=progress,
        )
    about = result.about
    say("Cells", f"{about['cells']:,}, {about['genes']:,} genes ({about['genes_left_out']:,} left out)")
    for row in result.summary.to_dict("records"):
        table = result.table[(result.table["knockout"] == row["knockout"]) & ~result.table["knocked"]].head(top)
        shown = [
            [r["gene"], _interval(r, "fold_change", 1), r["q"], r["p_null"], f"{r['top']:.0%}", r["weight"]]
            for r in table.to_dict("records")
        ]
        columns = ["gene", "fold change", "q", "p, random", "top 20", "link"]
        console.write_table(columns, shown, "table", f"{row['knockout']} knocked out: the genes that move most")
        console.out.print(_verdict(dict(row)), style="italic", highlight=False)
    if len(enriched):
        _show_sets(enriched, 5)
    say("Written", output)


@app.command()
def propagate(
    cells: CellsArgument,
    network: Annotated[
        str, typer.Option("--network", help="A table with the columns tf and target, or a query such as tf_targets.")
    ],
    gene: Genes = None,
    sets: Sets = None,
    output: Folder = Path("propagated"),
    group: Annotated[str | None, typer.Option("--group", help="Column of obs: a network for every group.")] = None,
    only: Only = None,
    layer: Layer = None,
    embedding: Annotated[
        str | None, typer.Option("--embedding", help="Matrix of obsm on which cells shift, such as X_umap.")
    ] = None,
    dose: Annotated[float, typer.Option("--dose", min=0, help="0: silent, 2: double.")] = 0.0,
    steps: Annotated[int, typer.Option("--steps", min=1, help="How far the signal spreads.")] = 3,
    alpha: Annotated[float, typer.Option("--alpha", help="Penalty of the ridge regression.")] = 10.0,
    p: Annotated[float, typer.Option("--p", help="Links with a larger p are dropped; 1 keeps all.")] = 0.05,
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Draws of cells for the intervals.")] = 50,
    rewired: Annotated[int, typer.Option("--rewired", min=0, help="Rewired networks to compare with.")] = 20,
    param: Annotated[list[str] | None, typer.Option("--param", help="NAME=VALUE of the query.")] = None,
    store: Store = None,
    seed: Seed = 0,
    top: Top = 10,
    force: Force = False,
) -> None:
    """Let a knockout spread over a network of factors and targets that is fitted to cells, as CellOracle does.

    [dim]Example:[/]  kgreg propagate cells.h5ad --network targets.csv --gene GATA1 --group cell_type -o out
    """
    asked = read_knockouts(gene, sets)
    with console.progress_bar("starting") as progress:
        from kgreg.decode.propagation import PropagationSettings
        from kgreg.runs.virtual import run_propagation

        result = run_propagation(
            cells,
            network,
            asked,
            output,
            parameters=read_parameters(param or []),
            store=store,
            settings=PropagationSettings(
                alpha=alpha, p=p, dose=dose, steps=steps, bootstrap=bootstrap, rewired=rewired
            ),
            layer=layer,
            group=group,
            only=only or (),
            embedding=embedding,
            seed=seed,
            force=force,
            progress=progress,
        )
    columns = ["group", "cells", "targets", "links", "held-out R2", "rewired", "p"]
    rows = [
        [r["group"], r["cells"], r["targets"], r["links"], _interval(r, "r2", 2), r["r2_rewired"], r["p_rewired"]]
        for r in result.groups.to_dict("records")
    ]
    console.write_table(columns, rows, "table", "The network of every group: what factors predict in other cells")
    for (name, where), found in result.table.groupby(["knockout", "group"], sort=False):
        best = found[~found["knocked"]].head(top)
        shown = [[r["gene"], _interval(r, "delta", 3), r["q"], r["alone"]] for r in best.to_dict("records")]
        title = f"{name} at {dose:g} times its expression, {where}: the genes that change most"
        console.write_table(["gene", "change", "q", "without a network"], shown, "table", title)
    draws = f"95 % intervals over {bootstrap} draws of cells" if bootstrap else "no draws of cells: no interval"
    console.out.print(f"Changes are means over the cells; {draws}, seed {seed}.", style="italic", highlight=False)
    say("Written", output)


def read_knockouts(genes: list[str] | None, sets: list[str] | None) -> dict[str, list[str]]:
    """Return name -> genes to knock out together.

    Raises
    ------
    ExperimentError
        If nothing is asked for, or a set is not of its form.
    """
    asked = {name: [name] for name in genes or []}
    for text in sets or []:
        name, found, listed = text.partition("=")
        members = [one.strip() for one in listed.split(",") if one.strip()]
        if not found or not name.strip() or not members:
            raise ExperimentError(f"'{text}' is not of the form NAME=GENE,GENE.", "For example: --set CD3=CD3D,CD3E.")
        asked[name.strip()] = members
    if not asked:
        raise ExperimentError("No gene is to be knocked out.", "Name one: --gene CD79A, or --set CD3=CD3D,CD3E.")
    return asked


def _show_sets(table: Any, most: int) -> None:
    for (name, collection), own in table[table["method"] == "rank"].groupby(["output", "collection"], sort=False):
        rows = [
            [
                r["label"],
                r["genes_in_set"],
                f"{r['statistic']:.0%}",
                r["q"],
                r["p_null"],
                ", ".join(r["leading"].split(", ")[:5]),
            ]
            for r in own.head(most).to_dict("records")
        ]
        columns = ["set", "genes", "above others", "q", "p, random", "leading genes"]
        title = f"{name} knocked out, {collection}: sets whose genes move most (rank test)"
        console.write_table(columns, rows, "table", title)


def _interval(row: dict[Any, Any], name: str, digits: int) -> str:
    text = f"{row[name]:.{digits}f}"
    return text if math.isnan(row["low"]) else f"{text} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def _verdict(row: dict[Any, Any]) -> str:
    of = f"n = {row['n']} replicates, {row['n_null']} random knockouts, seed {row['seed']}"
    if row["n"] == 1:
        of += "; one replicate: no interval (ask for more with --replicates)"
    if not row["n_null"]:
        return f"Not compared with random knockouts ({of})."
    times = row["effect"] / row["effect_null"] if row["effect_null"] > 0 else float("inf")
    return (
        f"The knockout moves the other genes {times:.1f} times as far (mean squared distance) as the median of random "
        f"genes of like expression, p = {row['p_null']:.2g} ({of})."
    )
