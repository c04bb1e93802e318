"""What can be said of a server before it is reached: its address, the credentials, and which statements write."""

from __future__ import annotations

import logging
import re
import sys
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import StoreError
from kgreg.resources import resource_dir
from kgreg.store import default_location, named_query, neo4j_connection, open_store, query_names
from kgreg.store.neo4j import writes
from kgreg.store.neo4j_connection import checked_address, credentials
from kgreg.store.neo4j_schema import STATE_LABELS, ends_of, graph_schema, quoted, server_statements


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "PASSWORD", "DATABASE"):
        monkeypatch.delenv(f"KGREG_NEO4J_{name}", raising=False)
    for name in ("USERNAME", "PASSWORD", "DATABASE"):
        monkeypatch.delenv(f"NEO4J_{name}", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)  # as if it were not installed


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://localhost:7474", "cannot be reached by 'http'"),
        ("neo4j://", "not the address"),
        ("neo4j://localhost:port", "not the address"),
        ("neo4j://localhost/kg", "not the address"),
        ("neo4j://neo4j:secret@localhost", "must not hold a user name or password"),
        ("neo4j://neo4j:sec@ret:12@localhost:x", "must not hold a user name or password"),
    ],
)
def test_addresses_that_are_not_sound_are_refused(uri: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        open_store(uri)
    assert caught.value.hint
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_plain_text_to_this_machine_is_fine(host: str, caplog: pytest.LogCaptureFixture) -> None:
    assert checked_address(f"bolt://{host}:7687/") == f"bolt://{host}:7687"
    assert not caplog.records


def test_plain_text_over_a_network_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert checked_address("neo4j://graph.example.org?policy=eu") == "neo4j://graph.example.org?policy=eu"
        assert "not encrypted" in caplog.text
        caplog.clear()
        for scheme in ("neo4j+s", "bolt+s", "neo4j+ssc"):
            assert checked_address(f"{scheme}://graph.example.org") == f"{scheme}://graph.example.org"
        assert not caplog.records


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="no password") as caught:
        credentials("neo4j://localhost")
    assert "KGREG_NEO4J_PASSWORD" in caught.value.hint
    monkeypatch.setenv("NEO4J_PASSWORD", "general")
    assert credentials("neo4j://localhost") == ("neo4j", "general")
    monkeypatch.setenv("KGREG_NEO4J_PASSWORD", "own")
    monkeypatch.setenv("KGREG_NEO4J_USER", "reader")
    assert credentials("neo4j://localhost") == ("reader", "own")


def test_credentials_come_from_the_keyring_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class KeyringError(Exception):
        pass

    kept = {"neo4j://localhost": SimpleNamespace(username="reader", password="kept")}

    def get_credential(service: str, user: str | None) -> SimpleNamespace | None:
        if service == "neo4j://locked":
            raise KeyringError
        return kept.get(service)

    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    keyring.get_credential = get_credential
    errors.KeyringError = KeyringError
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert credentials("neo4j://localhost") == ("reader", "kept")
    for other in ("neo4j://elsewhere", "neo4j://locked"):
        with pytest.raises(StoreError, match="no password"):
            credentials(other)


def test_a_server_that_is_not_there_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGREG_NEO4J_PASSWORD", "hidden-word")
    monkeypatch.setattr(neo4j_connection, "_CONNECT", 1.0)
    monkeypatch.setenv("KGREG_STORE", "bolt://127.0.0.1:1")
    assert default_location() == "bolt://127.0.0.1:1"
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        open_store()
    assert "hidden-word" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "cypher",
    [
        "CREATE (:Gene)",
        "match (g:Gene)\nset g.name = 'x'",
        "MATCH (n) DETACH DELETE n",
        "MATCH (n) REMOVE n.name",
        "MERGE(g:Gene {id: 'x'})",
        "LOAD  CSV FROM 'file:///etc/passwd' AS row RETURN row",
        "DROP CONSTRAINT gene_id",
        "CALL { CREATE (:Gene) }",
        "CALL apoc.create.node(['Gene'], {})",
        "FOREACH (x IN [1] | CREATE (:Gene))",
        "MATCH (g:Gene) /* ' */ DELETE g // '",
        "RETURN 1 \\u0043REATE (:Gene)",
    ],
)
def test_statements_that_write_are_known(cypher: str) -> None:
    assert writes(cypher)


@pytest.mark.parametrize(
    "cypher",
    [
        "MATCH (s:Set) WHERE s.set = $set AND s.create <> 'DELETE' RETURN s.`merge` // DROP",
        "MATCH (n) WHERE n.offset > 1 RETURN n.created AS created, {set: 1, delete: 2} AS map",
        "CALL db.labels() YIELD label RETURN label",
        "MATCH (g:Gene) CALL { WITH g RETURN 1 AS one } RETURN one",
    ],
)
def test_statements_that_only_read_are_let_through(cypher: str) -> None:
    assert not writes(cypher)


def test_named_queries_only_read() -> None:
    assert not [name for name in query_names() if writes(named_query(name).text)]


@given(st.text())
def test_what_stands_in_quotes_never_writes(text: str) -> None:
    literal = text.replace("\\", "\\\\").replace("'", "\\'")
    assert not writes(f"RETURN '{literal} CREATE (n)' AS x")


@given(st.text(min_size=1))
def test_a_quoted_name_stays_a_name(text: str) -> None:
    name = quoted(text)
    assert name[0] == name[-1] == "`"
    assert name[1:-1].replace("``", "").count("`") == 0
    assert name[1:-1].replace("``", "`") == text


def test_both_schemas_know_the_same_labels() -> None:
    constrained = set(re.findall(r"FOR \(n:(\w+)\) REQUIRE n.id IS UNIQUE", "\n".join(server_statements())))
    assert constrained == {*graph_schema().labels, *STATE_LABELS}
    text = (resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8")
    assert len(graph_schema().ends) == text.count("CREATE REL TABLE")


def test_ends_of_relations_are_those_of_the_schema() -> None:
    assert ends_of("ANNOTATED_TO") == ("Gene", "Term")
    with pytest.raises(StoreError, match="no relation type NOPE"):
        ends_of("NOPE")
    with pytest.raises(StoreError, match="several labels"):
        ends_of("SCORED")
