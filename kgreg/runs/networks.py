"""Directed networks of proteins for ``guide = "network"``: from a table or the store, and what outputs predict."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from kgreg.blueprint import Blueprint, compile_network
from kgreg.blueprint.directed_links import EXPRESSION, Direction
from kgreg.blueprint.signalling import TRANSCRIPTION
from kgreg.data import Samples
from kgreg.data.knowledge_tables import read_knowledge_table
from kgreg.errors import ExperimentError, SourceError, some
from kgreg.experiment import Experiment
from kgreg.experiment_sections import KnowledgeSection, NetworkSection
from kgreg.sources.files import read_lines
from kgreg.store import GraphStore
from kgreg.store.queries import find_query, run_named

#: Columns of a table of transcription factors and the genes they regulate.
REGULATION = ("tf", "target")

#: Names of the two ends that a table may use.
_ENDS = (("source", "target"), ("parent", "child"), REGULATION)


def in_file(network: str) -> bool:
    """Say whether a network is a table in a file, and not asked of a store."""
    return Path(network).suffix not in ("", ".cypher")


def read_network(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the links of a table (``source, target``, ``parent, child`` or ``tf, target``), and their provenance.

    Links from factors to targets are transcriptional, unless the table has relations.

    Raises
    ------
    DataError, SourceError
        See :func:`kgreg.data.knowledge_tables.read_knowledge_table`.
    """
    if is_regulation(path):
        table = read_knowledge_table(path, REGULATION, ("relation",), ("weight", "sign"))
        table = table.rename(columns={"tf": "source"}).assign(relation=table.get("relation", TRANSCRIPTION[0]))
    else:
        ends = ("parent", "child") if {"parent", "child"} <= _header(path) else ("source", "target")
        table = read_knowledge_table(path, ends, ("relation",), ("weight", "sign"))
    return table, {"guide": f"network of {path.name}", "file": str(path)}


def is_regulation(path: Path) -> bool:
    """Say whether a table in a file has the columns ``tf`` and ``target``, and no ``source``."""
    header = _header(path)
    return set(REGULATION) <= header and "source" not in header


def _header(path: Path) -> set[str]:
    """Return the names of the columns of a table, in lower case; none if it cannot be read."""
    try:
        if path.suffix == ".parquet":
            return set(pq.read_schema(path).names)
        line = next((text for _, text in read_lines(path) if text.strip()), "")
    except (OSError, ValueError, SourceError):
        return set()  # whoever reads the table says what is wrong
    return {name.strip(' "#').lower() for name in re.split("[,;\t]", line)}


def names_of(table: pd.DataFrame) -> set[str]:
    """Return the names of all nodes, and of the genes whose expression is among them."""
    ends = next(pair for pair in _ENDS if set(pair) <= set(table.columns))
    names = {str(name) for end in ends for name in table[end]}
    return names | {name.removesuffix(EXPRESSION) for name in names}


def stored_network(knowledge: KnowledgeSection, store: GraphStore) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the links that a query finds, and their provenance.

    Raises
    ------
    ExperimentError
        If the query does not return the two ends of links, or finds none.
    """
    name = str(knowledge.network)
    query = find_query(name)
    if not any(set(pair) <= set(query.columns) for pair in _ENDS):
        raise ExperimentError(
            f"The query '{query.name}', which is to return a network, returns {', '.join(query.columns)}.",
            "Name the ends of a link with AS: source and target, or parent and child.",
        )
    parameters = {key: knowledge.parameters[key] for key in query.parameters if key in knowledge.parameters}
    table = run_named(store, name, **parameters).to_pandas()
    if table.empty:
        raise ExperimentError(
            f"The query '{query.name}' finds no links in {store.location}.",
            "Load a source of signalling or regulation into the store.",
        )
    if "tf" in table:
        table = table.rename(columns={"tf": "source"}).assign(relation=TRANSCRIPTION[0])
        if "weight" in table:
            # Its sign is that of the regulation, which has a column of its own; some sources give none.
            table = table.assign(weight=table["weight"].abs()).dropna(axis="columns", how="all")
    text = {"role": "network", "query": query.name, "text": query.text, "parameters": parameters}
    origin = {
        "guide": f"network ({query.name})",
        "store": str(store.location),
        "sources": store.sources().to_pylist(),
        "cypher": [text],
    }
    return table, origin


def compile_links(
    experiment: Experiment,
    samples: Samples,
    table: pd.DataFrame,
    inputs: pd.DataFrame,
    origin: dict[str, Any],
    direction: Direction,
    labels: dict[str, str],
) -> Blueprint:
    """Compile links into a blueprint whose outputs are those of the samples.

    Outputs that are not named are the labels, or the classes, if these are nodes; else the nodes that no other reads.

    Raises
    ------
    ExperimentError
        If the outputs are other in number than what is to be predicted, where they are the predictions themselves.
    """
    knowledge = experiment.knowledge
    outputs = knowledge.outputs
    if outputs is None and set(samples.outputs) <= names_of(table) | set(labels.values()):
        outputs = samples.outputs
    blueprint = compile_network(
        table,
        inputs,
        outputs,
        direction=knowledge.direction or direction,
        signs=knowledge.signs,
        min_weight=knowledge.min_weight,
        cycles=knowledge.cycles,
        labels=labels,
        width=getattr(experiment.network, "width", 1),
        source=origin["guide"],
        provenance=origin,
    )
    network = experiment.network
    if not isinstance(network, NetworkSection) or network.readout != "nodes":
        return blueprint
    return replace(blueprint, outputs=_predicting(blueprint, samples))


def _predicting(blueprint: Blueprint, samples: Samples) -> pd.DataFrame:
    """Return ``task, node`` in the order of the outputs of the samples."""
    nodes = blueprint.outputs["node"].tolist()
    label = blueprint.nodes.set_index("id")["label"]
    if len(nodes) == 1 and samples.task == "classification" and len(samples.outputs) == 2:
        return pd.DataFrame({"task": samples.outputs[1:], "node": nodes})
    if len(nodes) != len(samples.outputs):
        raise ExperimentError(
            f"The network has {len(nodes)} outputs ({some(label[nodes])}), what is to be predicted has "
            f"{len(samples.outputs)} ({some(samples.outputs)}).",
            "Name an output for each: [knowledge] outputs = [...]; of two classes one node is enough.",
        )
    by_name = {str(label[node]): node for node in nodes}
    if set(by_name) == set(samples.outputs):
        nodes = [by_name[name] for name in samples.outputs]
    return pd.DataFrame({"task": samples.outputs, "node": nodes})
