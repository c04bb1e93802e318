"""Where the bundled snapshot (``ontologies/``) and the Cypher (``graphs/``) lie."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """Return the folder ``name`` ("ontologies" or "graphs").

    An installed wheel holds it inside the package; a checkout holds it beside the package.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def recipe_file(name: str) -> Path:
    """Return the path of a bundled experiment file, such as "pbmc68k"."""
    return _PACKAGE / "recipes" / f"{name}.toml"
