"""The command line."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.logging import RichHandler
from rich.markup import escape

from kgreg import (
    __version__,
    cli_decode,
    cli_export,
    cli_import,
    cli_knockout,
    cli_knowledge,
    cli_network,
    cli_sequences,
    cli_sweep,
    console,
)
from kgreg.cli_options import Form, RunArgument, continue_run, resumable, say
from kgreg.errors import KgregError
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
Replicates = Annotated[int | None, typer.Option("--replicates", help="Fits a fold, each with its own seed.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of splits, networks and nulls.")]
Folds = Annotated[int | None, typer.Option("--folds", help="Of the cross-validation.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Fits side by side.  \\[default: one a core]")]
Accelerator = Annotated[str | None, typer.Option("--accelerator", help="auto, cpu or cuda.")]
ExperimentArgument = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).")]


app.add_typer(cli_decode.app)
app.add_typer(cli_knowledge.app)
app.add_typer(cli_import.app)
app.add_typer(cli_sequences.app)
app.add_typer(cli_export.app)
app.add_typer(cli_knockout.app)
app.add_typer(cli_network.app)
app.add_typer(cli_sweep.app)


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
    with console.progress_bar("starting") as progress, resumable(folder):
        from kgreg.runs import run_experiment

        finished = run_experiment(asked, output=folder, force=force, resume=resume, workers=workers, progress=progress)
    console.show_compiled(finished)
    console.show_metrics(finished)
    console.show_ranking(finished)
    console.show_knockouts(finished.knockouts)
    say("Report", finished.report)


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
    say("Next", f"kgreg train {folder}")


@app.command()
def train(folder: RunArgument, workers: Workers = None) -> None:
    """Train the networks of a compiled run; continues where it was interrupted.

    [dim]Example:[/]  kgreg train runs/one
    """
    console.show_metrics(continue_run(folder, "train", workers=workers))
    say("Next", f"kgreg explain {folder}")


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
    finished = continue_run(folder, "explain")
    ranking = finished.explanation.ranking
    outputs = list(dict.fromkeys(ranking["output"]))
    if output is not None:
        from kgreg.decode.tables import of_output

        of_output(ranking, output)
    if form == "table":
        console.show_ranking(finished, top, output)
    else:
        chosen = ranking[(ranking["rank"] <= top) & (ranking["output"].isin([output] if output else outputs))]
        console.write_frame(chosen.sort_values(["output", "kind", "rank"], kind="stable"), form)


@app.command()
def report(
    folder: RunArgument,
    form: Annotated[
        Literal["html", "md", "json", "xlsx"], typer.Option("--format", "-f", help="html, md, json or xlsx.")
    ] = "html",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.  [default: report.<format> in the run]")
    ] = None,
) -> None:
    """Write the report of a run again (finishing first what is unfinished), as a page, a text, data or a workbook.

    [dim]Example:[/]  kgreg report runs/one --format xlsx --output one.xlsx
    """
    if form == "html" and output is None:
        say("Report", continue_run(folder, "report", again=["report"]).report)
        return
    continue_run(folder, "knockout")
    from kgreg.runs import write_run_report

    say("Report", write_run_report(folder, form, output))


# ---- shared ----------------------------------------------------------------------------------------------------------


def _experiment(
    path: Path, replicates: int | None, seed: int | None, folds: int | None, accelerator: str | None
) -> Any:
    from kgreg.experiment import read_experiment

    asked = read_experiment(path)
    return asked.replace("training", replicates=replicates, seed=seed, folds=folds, accelerator=accelerator)


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
