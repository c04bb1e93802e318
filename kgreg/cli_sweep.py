"""``kgreg sweep``: an experiment with several seeds and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kgreg import console
from kgreg.cli_options import Form, say
from kgreg.errors import ExperimentError

app = typer.Typer()


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the runs.  [default: sweep]")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from that of the experiment on.")] = 1,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="SECTION.KEY=VALUE,VALUE,...: a run for each; may be repeated.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Runs side by side.  [default: cores]")
    ] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS", help="Run on this Ray cluster, or on a 'local' one.")
    ] = None,
    form: Form = "table",
) -> None:
    """Run an experiment with several seeds and settings, and say how far the runs agree.

    Every combination is a run of its own. Call it again to continue: finished runs are kept.

    [dim]Example:[/]  kgreg sweep experiment.toml --seeds 5 --set training.learning_rate=1e-3,3e-3 --output sweeps/rate
    """
    folder = output or Path("sweep")
    asked = dict(map(_read_values, values or []))
    with console.progress_bar("starting") as progress:
        from kgreg.runs.sweep import sweep_experiment

        try:
            found = sweep_experiment(
                experiment, folder, seeds=seeds, values=asked, workers=workers, ray=ray, progress=progress
            )
        except KeyboardInterrupt:
            if folder.is_dir():
                console.err.print("Stopped; finished runs and fits are kept. Go on with the same command.")
            raise
    if form != "table":
        console.write_frame(found.metrics, form)
    else:
        _show(found)
        say("Tables", folder / "sweep.parquet")
    for name, problem in found.failed.items():
        console.err.print(f"[bold red]Failed:[/] {escape(name)}: {escape(problem)}", highlight=False, soft_wrap=True)
    if found.failed:
        raise typer.Exit(1)


def _read_values(text: str) -> tuple[str, list[Any]]:
    """Return key and values of ``section.key=VALUE,VALUE``; values are JSON, or words."""
    key, found, listed = text.partition("=")
    if not found or not listed:
        raise ExperimentError(
            f"'{text}' is not of the form SECTION.KEY=VALUE,VALUE.", "For example: --set network.width=2,4,8."
        )
    try:
        return key.strip(), list(json.loads(f"[{listed}]"))
    except ValueError:
        return key.strip(), [_value(word.strip()) for word in listed.split(",")]


def _value(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word


def _show(found: Any) -> None:
    """Print the main metric of every run, and how far the rankings of all runs agree."""
    first = next(iter(found.runs.values()))
    main = first.metrics["metric"]
    table = found.metrics[found.metrics["metric"] == main]
    arms = [arm for arm in ("graph", "baseline", "rewired", "labels") if (table["arm"] == arm).any()]
    rows = []
    for name, own in table.groupby("run", sort=False):
        by_arm = own.set_index("arm")
        rows.append([str(name), *(console.with_interval(by_arm.loc[arm].to_dict(), "mean") for arm in arms)])
    console.write_table(["run", *arms], rows, "table", f"{main.replace('_', ' ')}, with its interval within the run")
    if len(found.runs) < 2:
        console.out.print("One run: nothing to agree with.", style="italic")
        return
    shown = found.agreement[found.agreement["output"] == "all"]
    columns = ["among", "kind", "runs", "kendall_w", "rank_correlation", "top_overlap"]
    console.write_frame(
        shown[columns], "table", f"How far the rankings agree (overlap of the {shown['top'].max()} best)"
    )
