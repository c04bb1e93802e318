"""The commands about DNA: variants, scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kgreg import console
from kgreg.cli_options import RunArgument, Store, read_parameters, say

app = typer.Typer()

Table = Annotated[Path, typer.Option("--output", "-o", help="Table to write: .csv, .tsv or .parquet.")]


@app.command()
def variants(
    folder: RunArgument,
    vcf: Annotated[Path, typer.Option("--vcf", help="The variants: VCF, plain or gzip.")],
    genome: Annotated[Path, typer.Option("--genome", help="The genome in FASTA that they are relative to.")],
    output: Table = Path("variants.csv"),
    scale: Annotated[
        Literal["prediction", "logit"], typer.Option("--scale", help="Compare predictions, or the logits behind them.")
    ] = "prediction",
    mismatches: Annotated[
        Literal["error", "skip"], typer.Option("--mismatches", help="What to do where REF is not what the genome has.")
    ] = "error",
) -> None:
    """Score variants with the networks of a run: predictions with either allele, and their difference.

    [dim]Example:[/]  kgreg variants runs/one --vcf variants.vcf.gz --genome hg38.fa -o effects.csv
    """
    with console.progress_bar("starting") as progress:
        from kgreg.runs.scoring import score_variants, write_table

        table, tally = score_variants(folder, vcf, genome, scale=scale, mismatches=mismatches, progress=progress)
        write_table(table, output)
    _show_tally(tally)
    say(f"{len(table):,} rows", output)


@app.command()
def scan(
    fasta: Annotated[Path, typer.Argument(metavar="FASTA", help="The sequences, plain or gzip.")],
    output: Table = Path("hits.csv"),
    motifs: Annotated[
        str, typer.Option("--motifs", help="A file of motifs, or a query (or .cypher file) that returns motif.")
    ] = "motifs",
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE of the query.")] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="Largest p value of a hit.")] = 1e-4,
    store: Store = None,
) -> None:
    """Find the sites of binding motifs in sequences, as FIMO does.

    [dim]Example:[/]  kgreg scan peaks.fa --motifs motifs_of_factors -p 'factors=["CTCF"]' -o hits.csv
    """
    with console.progress_bar("starting") as progress:
        from kgreg.runs.scoring import scan_fasta, write_table

        table, tally = scan_fasta(
            fasta, motifs, parameters=read_parameters(param or []), store=store, threshold=threshold, progress=progress
        )
        write_table(table, output)
    _show_tally(tally)
    say(f"{len(table):,} hits", output)


def _show_tally(tally: Any) -> None:
    rows = [[what, f"{n:,}"] for counts in (tally.repairs, tally.left_out) for what, n in counts.items() if n]
    if rows:
        console.write_table(["what was mended or left out", "how many"], rows, "table")
