"""Knockouts that need no trained network, from files to a folder of tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import sparse

from kgreg import __version__
from kgreg.data.cells import Cells, read_cells
from kgreg.data.knowledge_tables import read_knowledge_table
from kgreg.data.matching import match_genes
from kgreg.decode.propagation import PropagationResult, PropagationSettings, propagate_knockouts
from kgreg.decode.tenifold import TenifoldResult, TenifoldSettings, virtual_knockouts
from kgreg.disk import replace_text
from kgreg.errors import OutputError, QueryError
from kgreg.progress import Progress, no_progress
from kgreg.runs.perturbed_sets import enrich_perturbed, read_sets
from kgreg.runs.scoring import write_table
from kgreg.store import open_store
from kgreg.store.queries import find_query, run_named


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
    collections: Sequence[str] = (),
    store: Path | str | None = None,
    whole_network: bool = False,
    force: bool = False,
    progress: Progress = no_progress,
) -> tuple[TenifoldResult, pd.DataFrame]:
    """Knock genes out virtually, see :func:`kgreg.decode.tenifold.virtual_knockouts`, and write what was found.

    Writes ``perturbed.csv`` (the table), ``knockouts.csv`` (the summary), ``network.parquet`` (links from the genes
    that were knocked out, or all with ``whole_network``) and ``about.json`` into ``output``; with ``collections``, also
    ``enrichment.csv`` (:func:`kgreg.runs.perturbed_sets.enrich_perturbed`, the second that is returned). Nothing is
    written before all is done.

    Raises
    ------
    KgregError
        If the data do not allow it, or the folder holds something already (unless ``force``).
    """
    check_new(output, force)
    cells = read_cells(data, layer=layer, group=group, only=only)
    sets = read_sets(cells.genes, collections, store)
    result = virtual_knockouts(
        cells, knockouts, settings, replicates=replicates, null=null, seed=seed, progress=progress
    )
    enriched = enrich_perturbed(result, sets, progress) if sets else pd.DataFrame()
    asked = None if whole_network else list(dict.fromkeys(gene for genes in knockouts.values() for gene in genes))
    tables = {
        "perturbed.csv": result.table,
        "knockouts.csv": result.summary,
        "network.parquet": result.edges(asked),
    }
    if sets:
        tables["enrichment.csv"] = enriched
    about = {"knockouts": {name: list(genes) for name, genes in knockouts.items()}, **result.about}
    write_folder(output, tables, about)
    return result, enriched


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


def run_propagation(
    data: Path | str,
    network: str,
    knockouts: Mapping[str, Sequence[str]],
    output: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    store: Path | str | None = None,
    settings: PropagationSettings | None = None,
    layer: str | None = None,
    group: str | None = None,
    only: Sequence[str] = (),
    embedding: str | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress = no_progress,
) -> PropagationResult:
    """Propagate knockouts, see :func:`kgreg.decode.propagation.propagate_knockouts`, and write what was found.

    Writes ``changes.csv`` (the table), ``groups.csv``, ``links.parquet``, ``cells.h5ad`` and ``about.json`` into
    ``output``. ``cells.h5ad`` has a layer ``knockout_NAME`` with the change of every cell and, with an embedding
    ``X_umap``, ``obsm["knockout_NAME_umap"]`` and ``obsm["control_NAME_umap"]``, which scVelo draws as ``vkey``.

    Parameters
    ----------
    network
        A table with the columns ``tf, target`` (by the names of the data's genes), the name of a query, or a
        ``.cypher`` file that returns them as ids of the store's genes.

    Raises
    ------
    KgregError
        If the data or the network do not allow it, or the folder holds something already (unless ``force``).
    """
    check_new(output, force)
    cells = read_cells(data, layer=layer, group=group, only=only, embedding=embedding)
    table = read_network(network, cells.genes, parameters or {}, store)
    result = propagate_knockouts(cells, table, knockouts, settings, seed=seed, progress=progress)
    about = {"knockouts": {name: list(genes) for name, genes in knockouts.items()}, "network": network, **result.about}
    tables = {"changes.csv": result.table, "groups.csv": result.groups, "links.parquet": result.links}
    write_folder(output, tables, about)
    _write_cells(output / "cells.h5ad", cells, group, embedding, result)
    return result


def read_network(
    network: str, genes: Sequence[str], parameters: Mapping[str, Any], store: Path | str | None
) -> pd.DataFrame:
    """Return the links ``tf, target`` of a table, of a named query or of a ``.cypher`` file, by the names of the data.

    Raises
    ------
    DataError
        If the table cannot be read, or no gene of the data is in the store.
    QueryError
        If the query does not return ``tf`` and ``target``, or returns no rows.
    """
    if Path(network).suffix and not network.endswith(".cypher"):
        return read_knowledge_table(Path(network), ("tf", "target"))
    query = find_query(network)
    if not {"tf", "target"} <= set(query.columns):
        raise QueryError(
            f"The query '{query.name}' does not return the columns tf and target.", "For example: tf_targets."
        )
    with open_store(store) as opened:
        table = run_named(opened, network, **parameters).to_pandas()
        if table.empty:
            raise QueryError(
                f"The query '{query.name}' found no links in {opened.location}.",
                "Check its parameters; load a file of targets (`kgreg load tf_targets --file targets=collectri.csv`).",
            )
        matched = match_genes(list(genes), opened).matched
    names = dict(zip(matched["gene"], matched["feature"], strict=True))
    links = pd.DataFrame({"tf": table["tf"].map(names), "target": table["target"].map(names)})
    return links.dropna().drop_duplicates(ignore_index=True)


def _write_cells(path: Path, cells: Cells, group: str | None, embedding: str | None, result: PropagationResult) -> None:
    import anndata

    obs = pd.DataFrame(index=cells.names)
    if group is not None and cells.groups is not None:
        obs[group] = pd.Categorical(cells.groups)
    made = anndata.AnnData(cells.x, obs=obs, var=pd.DataFrame(index=cells.genes))
    for name, change in result.change.items():
        made.layers[f"knockout_{_key(name)}"] = sparse.csr_matrix(change)
    if embedding is not None and cells.embedding is not None:
        made.obsm[embedding] = cells.embedding
        basis = embedding.removeprefix("X_")
        for name in result.change:
            made.obsm[f"knockout_{_key(name)}_{basis}"] = result.shift[name]
            made.obsm[f"control_{_key(name)}_{basis}"] = result.shift[f"{name}, control"]
    aside = path.with_name(f".part.{path.name}")
    try:
        made.write_h5ad(aside)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error}.", "Choose another folder.") from error


def _key(name: str) -> str:
    """Return a name as a key of an h5ad file, which takes no slash."""
    return re.sub(r"[^\w.-]+", "_", name)
