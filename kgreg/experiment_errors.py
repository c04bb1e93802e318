"""What is wrong with an experiment file: line, key, and what is allowed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel


def explain(
    model: type[BaseModel], networks: Mapping[str, type[BaseModel]], problem: Any, origin: str, text: str
) -> tuple[int, str, str]:
    """Return line, message and hint for one problem that pydantic found in a record of ``model``.

    ``networks`` are the sections that ``[network]`` may be, by its ``model``; ``origin`` and ``text`` name and text of
    the file, for the line.
    """
    # What concerns two sections names its place itself.
    place = [str(part) for part in problem["loc"] or problem.get("ctx", {}).get("place", ())]
    # Of a section that looks differently for every model, pydantic names the model too.
    network = networks.get(place[1]) if place[:1] == ["network"] and len(place) > 1 else None
    if network is not None:
        del place[1]
    line = _line_of(text, place)
    where = f"{origin}, line {line}" if line else origin
    kind = problem["type"]
    section, allowed = _keys_at(model, place[:-1])
    if network is not None:
        allowed = list(network.model_fields)
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(place[-1], allowed, n=1)
        meant = f"Did you mean '{close[0]}'? " if close else ""
        inside = f"[{section}]" if section else "the experiment file"
        hint = f"{meant}Allowed in {inside}: {', '.join(allowed)}."
        return line, f"{where}: {inside} has no key '{place[-1]}'.", hint
    if kind == "union_tag_invalid":
        given = problem["ctx"]["tag"]
        line = _line_of(text, [*place, "model"]) or line
        where = f"{origin}, line {line}" if line else origin
        close = difflib.get_close_matches(given, list(networks), n=1)
        meant = f"Did you mean '{close[0]}'? " if close else ""
        return (
            line,
            f"{where}: [network] model = {given}: there is no such model.",
            (f"{meant}Choose one of: {', '.join(networks)}."),
        )
    if kind == "missing":
        if place[-1] in model.model_fields and not section:
            return line, f"{where}: the section [{place[-1]}] is missing.", ""
        return line, f"{where}: [{section}] {place[-1]} is missing.", f"Add `{place[-1]} = ...` under [{section}]."
    if kind == "missing_key":
        name, key = ".".join(place), problem["msg"]
        hint = f"Add `{key} = ...` under [{name}]."
        if key == "label":
            hint = f"{hint[:-1]}, or `time` and `event` for survival."
        return line, f"{where}: [{name}] {key} is missing.", hint
    if kind in ("model_type", "model_attributes_type"):
        return line, f"{where}: {'.'.join(place)} must be a section, written `[{'.'.join(place)}]`.", ""
    if kind in ("value_error", "sections"):
        return line, f"{where}: {'.'.join(place)}: {problem['msg'].removeprefix('Value error, ')}.", ""
    said = problem["msg"].replace("Input should be", "it should be")
    return line, f"{where}: {'.'.join(place)} is {json.dumps(problem['input'], default=str)}, but {said}.", ""


def _keys_at(model: type[BaseModel], place: list[str]) -> tuple[str, list[str]]:
    """Return the section's name and its keys."""
    keys = list(model.model_fields)
    section: Any = model
    for part in place:
        if isinstance(section, type) and issubclass(section, BaseModel):
            field = section.model_fields.get(part)
            section = None if field is None else field.annotation
        elif get_origin(section) is dict:  # of sections, by names that the user gives
            section = get_args(section)[1]
        else:
            section = None
        if get_origin(section) in (Union, UnionType):  # of a section that may be left out
            section = get_args(section)[0]
        is_model = isinstance(section, type) and issubclass(section, BaseModel)
        keys = list(section.model_fields) if is_model else []
    return ".".join(place), keys


_HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")


def _line_of(text: str, place: list[str]) -> int:
    """Return the line (from 1) of a key, else of its section, else 0."""
    best, depth = 0, 0
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = found = _parts(header[1])
        elif key := _KEY.match(line):
            found = [*table, *_parts(key[1])]
        else:
            continue
        common = len(found) if found == place[: len(found)] else 0
        if common > depth:
            best, depth = number, common
    return best


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
