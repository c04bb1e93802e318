"""Variants through the networks of a run, and motifs through a FASTA file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence import Genome, Tally, read_variants, variant_windows
from kgreg.data.sequence.fasta import read_fasta
from kgreg.data.sequence.vcf import Mismatches
from kgreg.decode.sequence.functions import Scale
from kgreg.decode.sequence.sites import scan
from kgreg.decode.sequence.variants import variant_effects
from kgreg.errors import DataError, OutputError, QueryError
from kgreg.progress import Progress, no_progress
from kgreg.runs.pipeline import trained_networks
from kgreg.sources.motif_files import read_motifs
from kgreg.store import open_store
from kgreg.store.queries import find_query, run_named


def score_variants(
    run: Path | str,
    vcf: Path | str,
    genome: Path | str,
    *,
    scale: Scale = "prediction",
    mismatches: Mismatches = "error",
    progress: Progress = no_progress,
) -> tuple[pd.DataFrame, Tally]:
    """Score the variants of a VCF file with all networks of a run that were trained on the real graph.

    With ``scale="logit"``, logits of classes are taken minus the mean logit.

    Returns
    -------
    table
        Of :func:`kgreg.decode.sequence.variants.variant_effects`.
    tally
        What was left out of the file, and what was read otherwise than it stands there.

    Raises
    ------
    KgregError
        If the run has no trained networks or reads no sequences, or the files do not go together.
    """
    tally = Tally()
    with Genome(genome) as opened:
        variants = read_variants(vcf, opened, mismatches, tally)
        result = trained_networks(run, progress=lambda text, share: progress(text, 0.3 * share))
        if result.samples.sequences is None:
            raise DataError(f"The networks of {run} read no sequences.", "Give a run with [data.sequences].")
        length = int(result.samples.sequences.shape[1])
        table = variant_effects(
            [model for _, model in result.fits("graph")],
            variants,
            lambda rows: variant_windows(rows, opened, length),
            result.outputs,
            scale="centred" if scale == "logit" and result.samples.task == "classification" else scale,
            seed=result.seed,
            progress=lambda text, share: progress(text, 0.3 + 0.7 * share),
        )
    return table, tally


def scan_fasta(
    fasta: Path | str,
    motifs: str = "motifs",
    *,
    parameters: Mapping[str, Any] | None = None,
    store: Path | str | None = None,
    threshold: float = 1e-4,
    progress: Progress = no_progress,
) -> tuple[pd.DataFrame, Tally]:
    """Find the sites of motifs in the sequences of a FASTA file; see :func:`kgreg.decode.sequence.sites.scan`.

    Parameters
    ----------
    motifs
        A file of motifs (MEME, JASPAR, TRANSFAC), or the name of a query or a ``.cypher`` file whose column ``motif``
        names motifs of the store; ``parameters`` are its values.
    """
    matrices, labels = find_motifs(motifs, parameters or {}, store)
    tally = Tally()
    records = ((record.name, record.codes) for record in read_fasta(fasta, tally))
    return scan(records, matrices, labels, threshold=threshold, progress=progress), tally


def find_motifs(
    motifs: str, parameters: Mapping[str, Any], store: Path | str | None = None
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Return id -> counts ``[width, 4]`` and id -> name of the motifs of a file or a query; see :func:`scan_fasta`.

    Raises
    ------
    QueryError
        If the query has no column ``motif`` or finds none.
    SourceError
        If the file cannot be read.
    """
    if Path(motifs).suffix and not motifs.endswith(".cypher"):
        found = read_motifs(motifs)
        return {m.id: np.asarray(m.counts, dtype=float) for m in found}, {m.id: m.name for m in found}
    query = find_query(motifs)
    if "motif" not in query.columns:
        raise QueryError(f"The query '{query.name}' returns no column motif.", "Name ids: RETURN m.id AS motif.")
    with open_store(store) as opened:
        chosen = run_named(opened, motifs, **parameters).to_pandas()["motif"].drop_duplicates().tolist()
        if not chosen:
            raise QueryError(
                f"The query '{query.name}' found no motifs in {opened.location}.",
                "Check its parameters; load the motifs with `kgreg load jaspar`.",
            )
        names = run_named(opened, "motifs").to_pandas().set_index("motif")["name"]
        pfm = run_named(opened, "motif_matrices", motifs=chosen).to_pydict()
    matrices = {
        motif: np.asarray(counts, dtype=float).reshape(-1, 4)
        for motif, counts in zip(pfm["motif"], pfm["pfm"], strict=True)
    }
    return matrices, {motif: str(names[motif]) for motif in matrices}


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says (``.csv``, ``.tsv``, each ``.gz`` too, or ``.parquet``), whole or not at all.

    Raises
    ------
    OutputError
        If the suffix is another, or the file cannot be written.
    """
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind not in ("csv", "tsv", "parquet") or path.name.endswith(".parquet.gz"):
        raise OutputError(f"A table cannot be written as {path.name}.", "End its name with .csv, .tsv or .parquet.")
    aside = path.with_name(f".part.{path.name}")
    try:
        if kind == "parquet":
            frame.to_parquet(aside, index=False)
        else:
            frame.to_csv(aside, index=False, sep="\t" if kind == "tsv" else ",")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
