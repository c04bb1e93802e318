"""The commands that make data and an experiment: from the files of published projects, and by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kgreg import console
from kgreg.cli_options import say

app = typer.Typer()


@app.command(name="import")
def import_(
    form: Annotated[
        Literal["nest", "drugcell", "dcell"], typer.Argument(metavar="FORMAT", help="nest, drugcell or dcell.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds the files of the project.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder for what is made of them.")],
) -> None:
    """Turn the files of a published project into a blueprint, an h5ad file and an experiment to run.

    [dim]Example:[/]  kgreg import nest nest_vnn/sample --output palbociclib && kgreg run palbociclib/experiment.toml
    """
    from kgreg.data.published import FORMATS, write_import
    from kgreg.data.published.imported import refuse_output

    refuse_output(output)
    imported = FORMATS[form](folder)
    experiment = write_import(imported, output)
    say("Imported", ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in imported.figures().items()))
    for note in imported.notes:
        say("Note", note)
    console.out.print()
    say("Next", f"kgreg run {experiment}")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A simulator; 'list' names them.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A new folder for what is made.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all random numbers.")] = 0,
) -> None:
    """Make data with a planted truth, the knowledge that goes with them, and an experiment to run.

    [dim]Example:[/]  kgreg simulate modules --output modules && kgreg run modules/experiment.toml
    """
    from kgreg.data.simulate import experiment_of, simulate, simulators
    from kgreg.disk import replace_text

    if name == "list":
        for known, function in simulators().items():
            say(known, (function.__doc__ or "").strip().splitlines()[0])
        return
    folder = output or Path(name)
    made = simulate(name, seed)
    made.write(folder)
    replace_text(folder / "experiment.toml", experiment_of(name))
    what = [f"{made.about['n_samples']:,} samples"]
    if made.adata is not None:
        what.append(f"{made.adata.n_vars:,} features")
    say("Simulated", ", ".join([*what, f"{int(made.truth['planted'].sum()):,} planted nodes"]))
    say("Written", ", ".join(sorted(file.name for file in folder.iterdir())))
    say("Next", f"kgreg run {folder / 'experiment.toml'}")
