"""The ranked genes of a finished run held against gene sets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from kgreg.decode.enrichment import METHODS, GeneSets, enrich
from kgreg.errors import OutputError
from kgreg.progress import Progress, no_progress
from kgreg.runs.folder import RunFolder
from kgreg.runs.gene_sets import default_collections, read_collections
from kgreg.runs.run import Run


def enrich_run(
    run: Run,
    collections: Sequence[str] = (),
    *,
    output: str | None = None,
    top: int | None = None,
    methods: Sequence[str] = METHODS,
    progress: Progress = no_progress,
) -> tuple[pd.DataFrame, list[GeneSets]]:
    """Hold the ranked genes of a finished run against gene sets; nothing is written.

    Parameters
    ----------
    collections
        See :func:`kgreg.decode.enrichment.read_gene_sets`. Default: those of the experiment, else the run's own
        subsystems ("network").
    output
        One output only.
    top, methods
        See :func:`kgreg.decode.enrichment.enrich`.

    Returns
    -------
    table, collections
        As :func:`kgreg.decode.enrichment.enrich` makes it, and what was read.

    Raises
    ------
    OutputError
        If the run was not explained yet.
    """
    folder = RunFolder(run.path)
    if not folder.finished("explain"):
        raise OutputError(f"{run.path} has no ranking yet.", f"Run `kgreg explain {run.path}`.")
    names = list(collections) or default_collections(run.experiment) or ["network"]
    found = read_collections(run.experiment, run.blueprint, names, lambda text, share: progress(text, 0.4 * share))
    table = enrich(
        run.explanation.ranking,
        found,
        outputs=None if output is None else [output],
        top=top,
        methods=methods,
        node_scores=run.tables.get("node_scores"),
        progress=lambda text, share: progress(text, 0.4 + 0.6 * share),
    )
    return table, found
