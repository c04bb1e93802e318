"""Knockouts that need no trained network, from files to a folder of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kgreg import __version__
from kgreg.data.cells import read_cells
from kgreg.decode.tenifold import TenifoldResult, TenifoldSettings, virtual_knockouts
from kgreg.disk import replace_text
from kgreg.errors import OutputError
from kgreg.progress import Progress, no_progress
from kgreg.runs.scoring import write_table


def run_tenifold(
    data: Path | str,
    knockouts: Mapping[str, Sequence[str]],
    output: Path,
    *,
    settings: TenifoldSettings | None = None,
    layer: str | None = None,
    group: str | None = None,
    only: Sequence[str] = (),
    replicates: int = 5,
    null: int = 50,
    seed: int = 0,
    whole_network: bool = False,
    force: bool = False,
    progress: Progress = no_progress,
) -> TenifoldResult:
    """Knock genes out virtually, see :func:`kgreg.decode.tenifold.virtual_knockouts`, and write what was found.

    Writes ``perturbed.csv`` (the table), ``knockouts.csv`` (the summary), ``network.parquet`` (links from the genes
    that were knocked out, or all with ``whole_network``) and ``about.json`` into ``output``. Nothing is written before
    all is done.

    Raises
    ------
    KgregError
        If the data do not allow it, or the folder holds something already (unless ``force``).
    """
    check_new(output, force)
    cells = read_cells(data, layer=layer, group=group, only=only)
    result = virtual_knockouts(
        cells, knockouts, settings, replicates=replicates, null=null, seed=seed, progress=progress
    )
    asked = None if whole_network else list(dict.fromkeys(gene for genes in knockouts.values() for gene in genes))
    tables = {
        "perturbed.csv": result.table,
        "knockouts.csv": result.summary,
        "network.parquet": result.edges(asked),
    }
    about = {"knockouts": {name: list(genes) for name, genes in knockouts.items()}, **result.about}
    write_folder(output, tables, about)
    return result


def check_new(folder: Path, force: bool) -> None:
    """Refuse a folder that holds something, unless it may be written into.

    Raises
    ------
    OutputError
        If it does, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file.", "Name a folder.")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder} is not empty; nothing in it was touched.", "Name a new folder, or add --force.")


def write_folder(folder: Path, tables: Mapping[str, pd.DataFrame], about: Mapping[str, Any]) -> None:
    """Write tables and ``about.json``, each file whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            write_table(table, folder / name)
        replace_text(folder / "about.json", json.dumps({"kgreg": __version__, **about}, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from error
