"""The scores of a run go back into the graph, so that a report is also a query."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from kgreg.errors import OutputError, StoreError
from kgreg.progress import Progress, no_progress
from kgreg.resources import resource_dir
from kgreg.runs.folder import RunFolder
from kgreg.runs.run import Run
from kgreg.store import GraphStore, is_server

SOURCE = "kgreg"
_BATCH = 5_000
_COLUMNS = ("output", "score", "low", "high", "n", "rank", "z", "q")


def write_back(run: Run, store: GraphStore, progress: Progress = no_progress) -> dict[str, int]:
    """Store a run as ``(:Run)`` and its ranking as ``(:Run)-[:SCORED]->(node)``.

    Writing the same run again replaces what was written before.

    Parameters
    ----------
    run
        A run whose nodes were ranked.
    store
        Open for writing.

    Returns
    -------
    dict
        Label -> scores written, and ``missing``: scored nodes that the store does not hold.

    Raises
    ------
    OutputError
        If the run was not explained yet.
    StoreError
        If the store is read-only, or holds none of the nodes.
    """
    folder = RunFolder(run.path)
    if not folder.finished("explain"):
        raise OutputError(f"{run.path} has no ranking yet.", f"Run `kgreg explain {run.path}`.")
    ranking = run.explanation.ranking
    _make_schema(store)
    labels = _labels(store, sorted(set(ranking["node"])))
    if not labels:
        raise StoreError(
            f"The store {store.location} holds none of the {ranking['node'].nunique()} nodes that the run scored.",
            "Load the sources that the run was compiled from.",
        )
    name = run_id(run)
    for label in sorted(set(labels.values())):
        store.query(f"MATCH (r:Run)-[s:SCORED]->(:{label}) WHERE r.id = $run DELETE s", {"run": name})
    store.query("MATCH (r:Run) WHERE r.id = $run DELETE r", {"run": name})
    _write_run(store, name, run, folder)
    counts = _write_scores(store, name, ranking, labels, progress)
    return {**counts, "missing": int(ranking["node"].nunique()) - len(labels)}


def run_id(run: Run) -> str:
    """Return the id of a run in the graph: it follows from the experiment, the data and the network."""
    digest = hashlib.sha256()
    digest.update((run.path / "experiment.json").read_bytes())
    digest.update(str(run.data["sha256"]).encode())
    digest.update(run.blueprint.content_hash().encode())
    return f"run:{digest.hexdigest()[:12]}"


def _make_schema(store: GraphStore) -> None:
    if store.read_only:
        raise StoreError(f"The store {store.location} is open for reading.", "Open it with read_only=False.")
    if is_server(store.location):  # a server makes labels and types as they come
        return
    # A store of an earlier version lacks the tables for runs.
    text = (resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            store.query(statement)


def _labels(store: GraphStore, nodes: list[str]) -> dict[str, str]:
    """Return the label of every scored node that the store holds."""
    found: dict[str, str] = {}
    for label in ("Gene", "Term", "Pathway"):
        rows = store.query(f"UNWIND $nodes AS i MATCH (n:{label}) WHERE n.id = i RETURN n.id AS id", {"nodes": nodes})
        found |= dict.fromkeys((row["id"] for row in rows.to_pylist()), label)
    return found


def _write_run(store: GraphStore, name: str, run: Run, folder: RunFolder) -> None:
    metrics = run.metrics
    value = next(arm for arm in metrics["arms"] if arm["arm"] == "graph")["metrics"][metrics["metric"]]
    properties = {
        "id": name,
        "title": run.experiment.title,
        "started": folder.record["started"],
        "label": run.data["label"],
        "seed": metrics["seed"],
        "metric": metrics["metric"],
        "value": value["mean"],
        "low": value["low"],
        "high": value["high"],
        "verdict": metrics["verdict"],
        "source": SOURCE,
    }
    listed = ", ".join(f"{key}: ${key}" for key in properties)
    store.query(f"CREATE (:Run {{{listed}}})", properties)


def _write_scores(
    store: GraphStore, name: str, ranking: pd.DataFrame, labels: dict[str, str], progress: Progress
) -> dict[str, int]:
    counts: dict[str, int] = {}
    setting = ", ".join(f"{column}: row.{column}" for column in _COLUMNS)
    label_of = ranking["node"].map(labels)
    done, total = 0, int(label_of.notna().sum())
    for label in sorted(set(labels.values())):
        rows = _plain(ranking[label_of == label])
        for start in range(0, len(rows), _BATCH):
            progress(f"writing scores of {label} nodes", done / total)
            batch = rows[start : start + _BATCH]
            store.query(
                f"UNWIND $rows AS row MATCH (r:Run), (n:{label}) WHERE r.id = $run AND n.id = row.node "
                f"CREATE (r)-[:SCORED {{{setting}, source: '{SOURCE}'}}]->(n)",
                {"rows": batch, "run": name},
            )
            done += len(batch)
        counts[label] = len(rows)
    progress("scores written", 1.0)
    return counts


def _plain(ranking: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of plain values; what is not known is null."""
    table = ranking[["node", *_COLUMNS]].copy()
    for column in ("n", "rank"):
        table[column] = table[column].astype("Int64").astype(object)
    table = table.astype(object).where(table.notna(), None)
    return [
        {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
