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


def continue_run(folder: Path, until: str, again: list[str] | None = None, workers: int | None = None) -> Any:
    """Do the unfinished stages of a run up to ``until``, with a bar; return the run."""
    with console.progress_bar("starting") as progress, resumable(folder):
        # Importing torch is most of the first seconds; the bar is there already.
        from kgreg.runs import continue_run

        return continue_run(folder, again=again or (), until=until, workers=workers, progress=progress)


class resumable:  # noqa: N801 (a context manager, used like a function)
    """Say after Ctrl-C how to go on, if there is something to go on with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is KeyboardInterrupt and (self.folder / "run.json").is_file():
            console.err.print(f"Stopped; finished fits are kept. Go on with: kgreg report {escape(str(self.folder))}")
