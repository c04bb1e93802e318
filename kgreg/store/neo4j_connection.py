"""Reaching a Neo4j server: its address, the credentials, and its errors in words."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import neo4j
from neo4j import exceptions as failures

from kgreg.errors import QueryError, StoreError

log = logging.getLogger(__name__)

#: Schemes of the driver; ``+s`` is TLS, ``+ssc`` is TLS with a certificate that nobody vouches for.
SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")

_USER = ("KGREG_NEO4J_USER", "NEO4J_USERNAME")
_PASSWORD = ("KGREG_NEO4J_PASSWORD", "NEO4J_PASSWORD")
_DATABASE = ("KGREG_NEO4J_DATABASE", "NEO4J_DATABASE")
_CREDENTIALS_HINT = (
    f"Set {_USER[0]} and {_PASSWORD[0]}, or keep them with the package keyring under the server's address as service."
)
# Seconds until a connection is given up, and for which transactions are tried again after transient errors.
_CONNECT, _RETRY = 10.0, 15.0


def checked_address(uri: str) -> str:
    """Return the address of a server without anything else, after a look at whether it is a safe one.

    A password that would travel in plain text over a network is warned of in the log.

    Raises
    ------
    StoreError
        If the scheme is not one of :data:`SCHEMES`, there is no host, or the address holds a user name, a password
        or a path.
    """
    scheme = uri.partition("://")[0]
    if scheme not in SCHEMES:
        raise StoreError(f"A server cannot be reached by '{scheme}'.", f"Use one of: {', '.join(SCHEMES)}.")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    # Neither message may repeat what could be a password.
    if "@" in uri:
        raise StoreError("The address of a server must not hold a user name or password.", _CREDENTIALS_HINT)
    if not host or parts.path not in ("", "/") or parts.fragment:
        raise StoreError(
            f"{uri} is not the address of a server.",
            f"Write it like neo4j://localhost:7687; a database is named in {_DATABASE[0]}.",
        )
    if scheme in ("neo4j", "bolt") and not _is_loopback(host):
        log.warning("The connection to %s is not encrypted; use %s+s:// if the server has TLS.", host, scheme)
    name = f"[{host}]" if ":" in host else host
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{name}" + (f":{port}" if port else "") + query


def credentials(address: str) -> tuple[str, str]:
    """Return the user name and password of a server, from the environment or else the keyring.

    Raises
    ------
    StoreError
        If there are none.
    """
    user, password = _first(_USER), _first(_PASSWORD)
    if password is not None:
        return user or "neo4j", password
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        pass
    else:
        try:
            found = keyring.get_credential(address, user)
        except KeyringError as error:
            log.debug("The keyring gives nothing for %s: %s", address, type(error).__name__)
        else:
            if found is not None and found.password is not None:
                return found.username or user or "neo4j", found.password
    raise StoreError(f"There is no password for {address}.", _CREDENTIALS_HINT)


def database_name() -> str | None:
    """Return the database that the environment names; None for the server's own choice."""
    return _first(_DATABASE)


def open_driver(uri: str) -> tuple[neo4j.Driver, str]:
    """Connect to a server; return the driver and the address without anything secret.

    Raises
    ------
    StoreError
        If the address is not sound, the server cannot be reached, or it refuses the credentials.
    """
    address = checked_address(uri)
    # The driver logs a warning for every label that an empty database does not know yet.
    logging.getLogger("neo4j.notifications").setLevel(logging.ERROR)
    with in_words(address):
        driver = neo4j.GraphDatabase.driver(
            address,
            auth=credentials(address),
            connection_timeout=_CONNECT,
            connection_acquisition_timeout=2 * _CONNECT,
            max_transaction_retry_time=_RETRY,
        )
        try:
            driver.verify_connectivity()
        except BaseException:
            driver.close()
            raise
    return driver, address


@contextmanager
def in_words(address: str) -> Iterator[None]:
    """Turn what the driver and the server say into a StoreError or a QueryError."""
    try:
        yield
    except failures.Neo4jError as error:
        raise _of_server(error, address) from None
    except (failures.DriverError, OSError) as error:
        log.debug("%s: %s", address, error)
        # A routing driver hides a refused password behind the failed look-up of its routing table.
        raise StoreError(
            f"The server {address} cannot be reached, or the connection broke: {_line(str(error))}",
            "Check that it runs and listens there, and the address; docker compose ps shows a container's state.",
        ) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise QueryError(_line(str(error)), "Check the values of the parameters.") from None


def _of_server(error: failures.Neo4jError, address: str) -> StoreError:
    code, text = error.code or "", _line(error.message or str(error))
    if isinstance(error, failures.AuthError) or code.startswith("Neo.ClientError.Security.Un"):
        return StoreError(f"The server {address} refuses the user name or password.", _CREDENTIALS_HINT)
    if code.endswith("Database.DatabaseNotFound"):
        return StoreError(f"The server {address} has no such database: {text}", f"Name another in {_DATABASE[0]}.")
    if code.endswith("Statement.AccessMode"):
        return read_only_refusal(address)
    if code.endswith("Security.Forbidden"):
        return QueryError(f"The server {address} forbids it: {text}", "Ask its administrator for the right to.")
    if code.startswith("Neo.TransientError"):
        return StoreError(f"The server {address} could not do it: {text}", "Try again later.")
    return QueryError(text, "Check the Cypher and the values of its parameters.")


def read_only_refusal(location: str) -> QueryError:
    """Return the error of a statement that writes in a store that is open for reading."""
    return QueryError(
        f"The store {location} is open for reading, and the query writes.",
        "Open it with --write (read_only=False) if you mean to change it.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _line(text: str) -> str:
    return " ".join(text.split())
