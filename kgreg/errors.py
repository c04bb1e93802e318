"""Errors that a user can act on.

Every error says what is wrong (naming the file, line, column or id) and, in ``hint``, what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable


class KgregError(Exception):
    """Base of every error that kgreg raises on purpose.

    Parameters
    ----------
    message
        What is wrong, naming the file, line, column or id.
    hint
        What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class SourceError(KgregError):
    """A file of knowledge is missing, altered or malformed."""


class StoreError(KgregError):
    """A graph store cannot be opened, is incomplete, or cannot be written."""


class QueryError(StoreError):
    """A Cypher query was refused, or returned other columns than it should."""


class BlueprintError(KgregError):
    """A query result cannot be compiled into an architecture."""


class DataError(KgregError):
    """The samples do not fit what was asked of them."""


class ExperimentError(KgregError):
    """The experiment file is not valid."""


class MissingPackageError(KgregError):
    """A library that only some users need is not installed."""


class OutputError(KgregError):
    """A result cannot be written, or would overwrite another."""


class FitError(KgregError):
    """Training failed, or a trained model does not fit its blueprint."""


def some(values: Iterable[object], most: int = 5) -> str:
    """Name the first few of many, each once, for a message."""
    distinct = list(dict.fromkeys(str(value) for value in values))
    rest = len(distinct) - most
    return ", ".join(distinct[:most]) + (f" and {rest:,} more" if rest > 0 else "")
