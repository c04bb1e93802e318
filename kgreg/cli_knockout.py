"""The command about knockouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kgreg import console
from kgreg.cli_options import RunArgument, continue_run
from kgreg.errors import ExperimentError, OutputError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()

KnockoutForm = Literal["table", "csv", "json", "text"]


@app.command()
def knockout(
    folder: RunArgument,
    genes: Annotated[list[str] | None, typer.Argument(help="Genes to knock out, one at a time.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=GENE,GENE,...: genes to knock out together.")
    ] = None,
    dose: Annotated[
        list[float] | None,
        typer.Option("--dose", help="0 silent, 0.5 half of what was measured, 2 double; several are allowed."),
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", help="silent, altered (of genotypes: set to 1), or a number.")
    ] = None,
    pairs: Annotated[
        str | None, typer.Option("--pairs", help="GENE,GENE,...: all pairs of them, against single knockouts.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every gene of the network, one by one.")] = False,
    per_sample: Annotated[
        Path | None,
        typer.Option("--per-sample", help="Also write the effect on every sample: .h5ad, .parquet or .csv."),
    ] = None,
    drugs: Annotated[
        str | None,
        typer.Option("--drugs", help="DRUG,DRUG,...: the knockouts under each of them; without genes, pairs of drugs."),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Column of obs that names the drug of a sample.")] = "drug",
    random: Annotated[
        int | None, typer.Option("--random", min=0, help="Random genes expressed alike to compare with.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="[default: those of the training]")] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Effects of each knockout that a table shows.")] = 5,
    form: Annotated[KnockoutForm, typer.Option("--format", "-f", help="How to print; text: sentences.")] = "table",
) -> None:
    """Knock genes out of the trained networks of a run (those of its experiment, unless you name others).

    [dim]Example:[/]  kgreg knockout runs/one CD79A NKG7 --set 'CD3 complex=CD3D,CD3E,CD3G' --format text

    [dim]Example:[/]  kgreg knockout runs/one --pairs CD79A,CD79B,MS4A1

    [dim]Example:[/]  kgreg knockout runs/drugcell BRAF --drugs dabrafenib,paclitaxel

    [dim]Example:[/]  kgreg knockout runs/one --all --format csv > every-gene.csv
    """
    asked = {gene: [gene] for gene in genes or []}
    for text in sets or []:
        name, found, listed = text.partition("=")
        if not found:
            raise ExperimentError(f"'{text}' is not of the form NAME=GENE,GENE.", "For example: --set CD3=CD3D,CD3E.")
        asked[name.strip()] = _listed(listed)
    if sum((bool(asked), pairs is not None, every)) > 1 or (drugs is not None and (pairs is not None or every)):
        raise ExperimentError("Genes, --pairs and --all are three different tables.", "Ask for one at a time.")
    changed = _changed(dose, value, random, threads)
    if drugs is not None:
        if form == "text":
            raise ExperimentError("There are no sentences on drugs.", "Use --format table, csv or json.")
        with console.progress_bar("starting") as progress:
            from kgreg.runs.knocking import compare_drugs

            compared = compare_drugs(folder, _listed(drugs), asked, by=by, progress=progress, **changed)
        if form == "table":
            size = "difference" if asked else "gain"
            compared = compared.sort_values(size, key=abs, ascending=False, kind="stable").head(top)
        console.write_frame(compared, form)
        return
    if per_sample is not None and not asked:
        raise ExperimentError("--per-sample needs genes or a --set.", "Name the knockouts to follow in every sample.")
    if asked or pairs is not None or every:
        with console.progress_bar("starting") as progress:
            table = _knock_out(folder, asked, pairs, every, per_sample, changed, progress)
    elif changed:
        raise ExperimentError("--dose, --value, --random and --threads are for knockouts that you name.", "Name genes.")
    else:
        table = continue_run(folder, "knockout").knockouts
    _show(table, form, top)
    if per_sample is not None:
        console.err.print(f"Effects on every sample: {per_sample}", highlight=False, markup=False, soft_wrap=True)


def _knock_out(
    folder: Path,
    asked: dict[str, list[str]],
    pairs: str | None,
    every: bool,
    per_sample: Path | None,
    changed: dict[str, Any],
    progress: Any,
) -> pd.DataFrame:
    from kgreg.runs import knocking

    if per_sample is not None:
        knocking.check_ending(per_sample)
        if per_sample.is_dir():
            raise OutputError(f"{per_sample} is a folder.", "Name a file.")
    if pairs is not None:
        return knocking.knock_out_pairs(folder, _listed(pairs), progress=progress, **changed)
    if every:
        return knocking.sweep_genes(folder, progress=progress, **changed)
    table = knocking.knock_out_again(folder, asked, progress=progress, **changed)
    if per_sample is not None:
        found = knocking.knock_out_samples(folder, asked, progress=progress, **changed)
        knocking.write_samples(found, per_sample)
    return table


def _changed(dose: list[float] | None, value: str | None, random: int | None, threads: int | None) -> dict[str, Any]:
    """Return the options that are given, as fields of ``KnockoutOptions``."""
    changed: dict[str, Any] = {"random": random, "threads": threads, "dose": dose or None}
    if value is not None:
        changed["value"] = value
        if value not in ("auto", "silent", "altered"):
            try:
                changed["value"] = float(value)
            except ValueError:
                raise ExperimentError(f"--value {value} is no value.", "Use silent, altered or a number.") from None
        if dose is None:
            changed["dose"] = [0.0]
    elif dose is not None and any(dose):
        changed["value"] = "silent"
    return {name: given for name, given in changed.items() if given is not None}


def _show(table: pd.DataFrame, form: KnockoutForm, top: int) -> None:
    if form == "text":
        from kgreg.decode.knockout import sentences

        for sentence in sentences(table):
            console.out.print(sentence, highlight=False, markup=False, soft_wrap=True)
    elif form != "table":
        console.write_frame(table, form)
    elif "epistasis" in table:
        console.show_pairs(table, top)
    elif "gene" in table:
        console.show_sweep(table, top)
    else:
        console.show_knockouts(table, top)


def _listed(text: str) -> list[str]:
    return [gene.strip() for gene in text.split(",") if gene.strip()]
