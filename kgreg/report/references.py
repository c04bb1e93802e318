"""The publications that runs rest on: sources of knowledge, architectures, measures of importance, other methods."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


def of_source(name: str) -> list[str]:
    """Return what to cite for a source of knowledge, by its name in the store."""
    entries = _table("sources")
    fitting = [begin for begin in entries if name.startswith(begin)]
    return list(entries[max(fitting, key=len)]) if fitting else []


def of_recipe(name: str | None) -> list[str]:
    """Return what to cite for the architecture of a recipe; nothing if no paper on it is known."""
    entries = _table("recipes")
    return [entries[name]] if name in entries else []


def of_measure(name: str) -> list[str]:
    """Return what to cite for a measure of importance; nothing for one that is nobody's in particular."""
    entries = _table("importance")
    return [entries[name]] if name in entries else []


def of_method(name: str) -> str:
    """Return what to cite for another method: a key of ``[methods]`` in ``references.toml``."""
    return str(_table("methods")[name])


@cache
def _all() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("kgreg.report") / "references.toml").read_text(encoding="utf-8"))


def _table(section: str) -> dict[str, Any]:
    return _all()[section]
