"""The schema of the graph on a Neo4j server, in the terms of the embedded store's schema file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from kgreg.errors import StoreError
from kgreg.resources import resource_dir

#: Node labels that hold the state of a store and no knowledge.
STATE_LABELS = ("Store", "Load")

_NODES = re.compile(r"^CREATE NODE TABLE (?:IF NOT EXISTS )?(\w+)\s*\(", re.MULTILINE)
_RELATIONS = re.compile(r"^CREATE REL TABLE (?:IF NOT EXISTS )?(\w+)\s*\(([^)]*)\)", re.MULTILINE)
_ENDS = re.compile(r"\bFROM (\w+) TO (\w+)")


@dataclass(frozen=True)
class GraphSchema:
    """The labels of the graph, and of every relation type the pairs of labels that it joins."""

    labels: tuple[str, ...]
    ends: dict[str, list[tuple[str, str]]]


@cache
def graph_schema() -> GraphSchema:
    """Return the labels and relation types that ``graphs/schema.ladybug.cypher`` declares.

    A server needs the labels of both ends to find nodes through their unique ids, and has no tables to ask.
    """
    text = (resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8")
    labels = tuple(label for label in _NODES.findall(text) if label not in STATE_LABELS)
    return GraphSchema(labels, {kind: _ENDS.findall(columns) for kind, columns in _RELATIONS.findall(text)})


def ends_of(kind: str) -> tuple[str, str]:
    """Return the labels at the two ends of a relation type.

    Raises
    ------
    StoreError
        If the graph has no such type, or it joins more than one pair of labels, so that ids alone do not tell which.
    """
    known = graph_schema().ends
    if kind not in known:
        raise StoreError(f"The graph has no relation type {kind}.", f"It has: {', '.join(sorted(known))}.")
    if len(known[kind]) != 1:
        raise StoreError(f"Relations of type {kind} join nodes of several labels.", "Write them in Cypher.")
    return known[kind][0]


def server_statements() -> list[str]:
    """Return the statements of ``graphs/schema.neo4j.cypher``: constraints and indexes, each safe to repeat."""
    text = (resource_dir("graphs") / "schema.neo4j.cypher").read_text(encoding="utf-8")
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def quoted(name: str) -> str:
    """Return a label, type or property name in backticks, whatever it holds."""
    return "`" + name.replace("`", "``") + "`"
