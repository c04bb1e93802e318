"""Both stores with the same slice of the snapshot: a Ladybug file, and a server that speaks Bolt."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neo4j
import pytest

PASSWORD = "only-for-tests"
PEER = Path(__file__).parent / "bolt_peer.py"


@dataclass(frozen=True)
class BoltServer:
    """A server that the tests may empty."""

    uri: str
    database: str | None
    user: str
    password: str

    def run(self, cypher: str, **parameters: Any) -> list[list[Any]]:
        """Run a statement past kgreg."""
        with (
            neo4j.GraphDatabase.driver(self.uri, auth=(self.user, self.password)) as driver,
            driver.session(database=self.database) as session,
        ):
            return [record.values() for record in session.run(cypher, parameters)]

    def empty(self) -> None:
        """Remove everything."""
        self.run("MATCH (n) DETACH DELETE n")


@pytest.fixture(scope="session")
def bolt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoltServer]:
    """The server of KGREG_TEST_NEO4J_URI, which must be empty, or else an ArcadeDB of this test run."""
    uri = os.environ.get("KGREG_TEST_NEO4J_URI")
    if uri:
        user = os.environ.get("KGREG_TEST_NEO4J_USER", "neo4j")
        server = BoltServer(uri, None, user, os.environ["KGREG_TEST_NEO4J_PASSWORD"])
        if server.run("MATCH (n) RETURN count(n)") != [[0]]:
            pytest.fail("The server of KGREG_TEST_NEO4J_URI is not empty; these tests would empty it.")
        yield server
        server.empty()
        return
    if importlib.util.find_spec("arcadedb_embedded") is None:
        pytest.skip("needs KGREG_TEST_NEO4J_URI, or the package arcadedb-embedded")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("arcadedb")
    with (folder / "log.txt").open("w") as log:
        command = [sys.executable, str(PEER), str(folder / "root"), str(port), PASSWORD, "kg"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder)
    try:
        assert process.stdout is not None
        if not any(line == "ready\n" for line in process.stdout):
            pytest.fail(f"ArcadeDB did not start:\n{(folder / 'log.txt').read_text()[-2000:]}")
        yield BoltServer(f"bolt://127.0.0.1:{port}", "kg", "root", PASSWORD)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def as_user(bolt_server: BoltServer, monkeypatch: pytest.MonkeyPatch) -> BoltServer:
    """The server, with its credentials in the environment."""
    set_credentials(monkeypatch.setenv, bolt_server)
    return bolt_server


def set_credentials(setenv: Callable[[str, str], None], server: BoltServer) -> None:
    """Put what reaches the server into the environment."""
    setenv("KGREG_NEO4J_USER", server.user)
    setenv("KGREG_NEO4J_PASSWORD", server.password)
    if server.database:
        setenv("KGREG_NEO4J_DATABASE", server.database)
