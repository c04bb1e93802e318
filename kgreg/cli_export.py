"""The command that hands the results of a run to other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgreg import console
from kgreg.cli_options import RunArgument, say

app = typer.Typer()


@app.command()
def export(
    folder: RunArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .h5ad, or .h5mu for several modalities.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="Samples to put the results into.  [default: those of the experiment]")
    ] = None,
    activities: Annotated[
        bool, typer.Option("--activities", help="Samples by subsystems, in the place of samples by genes.")
    ] = False,
) -> None:
    """Write the results of a run into AnnData or MuData: activities, scores of genes, predictions, the run.

    [dim]Example:[/]  kgreg export runs/one --output one.h5ad
    """
    with console.progress_bar("writing") as progress:
        from kgreg.runs import open_run
        from kgreg.runs.annotated import export as write

        run = open_run(folder)
        progress("writing", 0.3)
        write(run, output, data, activities=activities)
        progress("writing", 1.0)
    say("Exported", output)
    say(
        "Fields",
        "X, var (ranking)" if activities else 'obsm["kgreg_activity"], varm["kgreg_scores"], obs, uns["kgreg"]',
    )
