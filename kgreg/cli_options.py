"""Options and helpers that several groups of commands share."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kgreg import console
from kgreg.errors import QueryError

Store = Annotated[
    str | None,
    typer.Option(
        "--store", help="The graph store: a path, or neo4j://...  \\[default: $KGREG_STORE or your data folder]"
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Form = Annotated[console.Format, typer.Option("--format", "-f", help="How to print.")]


def read_parameters(texts: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found:
            raise QueryError(f"The parameter '{text}' is not of the form NAME=VALUE.", "For example: -p symbol=CD79A.")
        values[name] = value
        with suppress(ValueError):
            values[name] = json.loads(value)
    return values


def say(what: str, text: Path | str) -> None:
    console.out.print(f"[bold]{what}[/] {escape(str(text))}", highlight=False, soft_wrap=True)
