"""The commands that knock genes out of networks of genes, without a trained network: tenifold, propagate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from kgreg import console
from kgreg.cli_options import say
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
    sets: Sets = None,
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
    whole: Annotated[
        bool, typer.Option("--whole-network", help="Write all links, not the knocked-out genes'.")
    ] = False,
    top: Top = 10,
    force: Force = False,
) -> None:
    """Knock genes out of networks that are built from cells alone, as scTenifoldKnk does.

    [dim]Example:[/]  kgreg tenifold cells.h5ad --gene CD79A --set 'CD3=CD3D,CD3E' --group cell_type --only B -o out
    """
    asked = read_knockouts(gene, sets)
    with console.progress_bar("starting") as progress:
        from kgreg.decode.tenifold import TenifoldSettings
        from kgreg.runs.virtual import run_tenifold

        result = run_tenifold(
            cells,
            asked,
            output,
            settings=TenifoldSettings(least_share=least, networks=networks, cells=drawn, direction=direction),
            layer=layer,
            group=group,
            only=only or (),
            replicates=replicates,
            null=null,
            seed=seed,
            whole_network=whole,
            force=force,
            progress=progress,
        )
    about = result.about
    say("Cells", f"{about['cells']:,}, {about['genes']:,} genes ({about['genes_left_out']:,} left out)")
    for row in result.summary.to_dict("records"):
        table = result.table[(result.table["knockout"] == row["knockout"]) & ~result.table["knocked"]].head(top)
        shown = [
            [r["gene"], _interval(r), r["q"], r["p_null"], f"{r['top']:.0%}", r["weight"]]
            for r in table.to_dict("records")
        ]
        columns = ["gene", "fold change", "q", "p, random", "top 20", "link"]
        console.write_table(columns, shown, "table", f"{row['knockout']} knocked out: the genes that move most")
        console.out.print(_verdict(dict(row)), style="italic", highlight=False)
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


def _interval(row: dict[Any, Any]) -> str:
    text = f"{row['fold_change']:.1f}"
    return text if math.isnan(row["low"]) else f"{text} [{row['low']:.1f}, {row['high']:.1f}]"


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
