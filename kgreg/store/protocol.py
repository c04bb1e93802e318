"""What every graph store can do."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import pyarrow as pa


@runtime_checkable
class GraphStore(Protocol):
    """A graph that answers Cypher with tables.

    Attributes
    ----------
    location
        Path or URL, for messages and provenance.
    read_only
        Whether statements that write are refused.
    """

    location: str
    read_only: bool

    def query(self, cypher: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one Cypher statement; values travel as ``$parameters``, all of which must be given.

        Raises
        ------
        QueryError
            If the store refuses the statement.
        """

    def counts(self) -> dict[str, int]:
        """Return the number of nodes of every label and of relations of every type."""

    def sources(self) -> pa.Table:
        """Return what was loaded: ``name, title, release, date, licence, url, rows``, sorted by name."""

    def close(self) -> None:
        """Let go of the store; closing twice is harmless."""

    def __enter__(self) -> Self:
        """Return the store itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
