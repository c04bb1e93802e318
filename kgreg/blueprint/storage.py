"""Blueprints on disk: a folder of Parquet tables and one JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from kgreg.blueprint.model import Blueprint
from kgreg.errors import BlueprintError

_TABLES = ("nodes", "edges", "inputs", "outputs", "dropped")
#: Written where there are any.
_OPTIONAL = ("interactions", "motifs")
FORMAT_VERSION = 1


def save_blueprint(blueprint: Blueprint, folder: Path) -> None:
    """Write ``nodes/edges/inputs/outputs/dropped(/interactions/motifs).parquet`` and ``blueprint.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _TABLES:
        getattr(blueprint, name).to_parquet(folder / f"{name}.parquet", index=False)
    for name in _OPTIONAL:
        if len(getattr(blueprint, name)):
            getattr(blueprint, name).to_parquet(folder / f"{name}.parquet", index=False)
    record = {
        "format": FORMAT_VERSION,
        "content_hash": blueprint.content_hash(),
        "summary": blueprint.summary(),
        "provenance": blueprint.provenance,
    }
    (folder / "blueprint.json").write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")


def load_blueprint(folder: Path) -> Blueprint:
    """Read a blueprint that :func:`save_blueprint` wrote.

    Raises
    ------
    BlueprintError
        If a file is missing or unreadable, or the tables are not those that were saved.
    """
    try:
        record = json.loads((folder / "blueprint.json").read_text(encoding="utf-8"))
        if record["format"] != FORMAT_VERSION:
            raise BlueprintError(f"{folder}/blueprint.json has format {record['format']}, not {FORMAT_VERSION}.")
        provenance, content_hash = record["provenance"], record["content_hash"]
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        tables |= {
            name: pd.read_parquet(folder / f"{name}.parquet") for name in _OPTIONAL if record["summary"].get(name)
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BlueprintError(f"{folder} holds no readable blueprint: {error}", "Run `kgreg compile` again.") from error
    blueprint = Blueprint(**tables, provenance=provenance)
    if blueprint.content_hash() != content_hash:
        raise BlueprintError(f"The tables in {folder} are not those that were saved.", "Run `kgreg compile` again.")
    return blueprint
