"""The named queries in ``graphs/*.cypher``.

The comment at the top of a file describes it, with two marked lines: ``// parameters: a, b`` (left out where there are
none) and ``// columns: x, y``. The rest is Cypher that every store understands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from kgreg.errors import QueryError
from kgreg.resources import resource_dir
from kgreg.store.protocol import GraphStore

# Text in quotes (with backslash escapes), names in backticks, and both kinds of comments.
OPAQUE = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`|//[^\n]*|/\*.*?\*/", re.DOTALL)

#: What every store answers ``sources()`` with.
SOURCES_LOADED = (
    "MATCH (s:Source) RETURN s.id AS name, s.title AS title, s.release AS release, s.date AS date,"
    " s.licence AS licence, s.url AS url, s.rows AS rows ORDER BY name"
)


@dataclass(frozen=True)
class NamedQuery:
    """A query of ``graphs/`` with its description, and the parameters and columns that it declares."""

    name: str
    text: str
    description: str
    parameters: tuple[str, ...]
    columns: tuple[str, ...]


def query_names() -> list[str]:
    """Return the names of all named queries, sorted."""
    files = resource_dir("graphs").glob("*.cypher")
    return sorted(file.stem for file in files if not file.name.startswith("schema."))


@cache
def named_query(name: str) -> NamedQuery:
    """Return one named query.

    Raises
    ------
    QueryError
        If there is none of that name; the names are listed.
    """
    if name not in query_names():
        raise QueryError(f"There is no named query '{name}'.", f"The named queries are: {', '.join(query_names())}.")
    return read_query(resource_dir("graphs") / f"{name}.cypher")


def read_query(path: Path | str) -> NamedQuery:
    """Return the query in a ``.cypher`` file, whose first lines describe it as those of ``graphs/`` do.

    Raises
    ------
    QueryError
        If the file cannot be read, or does not say which columns it returns.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"The query {path} cannot be read: {error}", "Give the path of a .cypher file.") from None
    description: list[str] = []
    declared: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        content = line[2:].strip()
        key, colon, value = content.partition(":")
        if colon and key in ("parameters", "columns"):
            declared[key] = tuple(word.strip() for word in value.split(","))
        else:
            description.append(content)
    if "columns" not in declared:
        raise QueryError(
            f"The query {path} does not say which columns it returns.",
            "Begin the file with lines such as `// parameters: root` and `// columns: child, parent, relation`.",
        )
    return NamedQuery(path.stem, text, " ".join(description), declared.get("parameters", ()), declared["columns"])


def find_query(name: str) -> NamedQuery:
    """Return the query of a ``.cypher`` file, if ``name`` is the path of one, else the named query."""
    return read_query(name) if name.endswith(".cypher") else named_query(name)


def run_named(store: GraphStore, name: str, **parameters: Any) -> pa.Table:
    """Run a named query, or that of a ``.cypher`` file, and return its rows.

    They are sorted by all columns (but those of lists), so that every store gives the same table.

    Raises
    ------
    QueryError
        If the name is unknown, parameters are missing or too many, or the columns are not those declared.
    """
    query = find_query(name)
    _check_parameters(f"The named query '{name}'", query.parameters, parameters)
    table = store.query(query.text, parameters)
    if tuple(table.column_names) != query.columns:
        raise QueryError(
            f"The named query '{name}' returned the columns {', '.join(table.column_names)} from {store.location}"
            f" instead of {', '.join(query.columns)}.",
            "Make it return the columns that its first lines declare.",
        )
    keys = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    return table.sort_by([(key, "ascending") for key in keys])


def check_statement(cypher: str, parameters: Mapping[str, Any]) -> None:
    """Refuse what a store might take without a word: missing parameters, spare ones, several statements.

    Ladybug takes a parameter that was not given for null, and then simply finds nothing.

    Raises
    ------
    QueryError
        With what is missing or too much.
    """
    bare = OPAQUE.sub(" ", cypher)
    if not bare.strip(" \t\r\n;"):
        raise QueryError("The query is empty.", "Write a Cypher statement, such as MATCH (g:Gene) RETURN count(g).")
    if ";" in bare.rstrip(" \t\r\n;"):
        raise QueryError("The query holds several statements.", "Run them one at a time, without ';' between them.")
    _check_parameters("The query", tuple(dict.fromkeys(re.findall(r"\$(\w+)", bare))), parameters)


def _check_parameters(what: str, declared: tuple[str, ...], given: Mapping[str, Any]) -> None:
    takes = f"It takes: {', '.join(declared)}." if declared else "It takes no parameters."
    missing = [name for name in declared if name not in given]
    if missing:
        raise QueryError(f"{what} needs the parameters {', '.join(missing)}, which were not given.", takes)
    spare = [name for name in given if name not in declared]
    if spare:
        raise QueryError(f"{what} has no parameters {', '.join(spare)}.", takes)
