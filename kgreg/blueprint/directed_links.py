"""Tables of directed links between proteins, and which of their ends are the expression of a gene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from kgreg.errors import BlueprintError, some

#: "along": a target reads its source. "against": a regulator reads what it regulates, as in KPNN.
Direction = Literal["along", "against"]

#: Ends the name of a node that is the expression of a gene, and not its protein.
EXPRESSION = "_gene"


def clean_links(edges: pd.DataFrame, direction: Direction, min_weight: float) -> tuple[pd.DataFrame, list[Any]]:
    """Return ``child, parent, regulated, relation, sign`` of the links that are used, and rows of what is left out.

    ``regulated`` says whether the child is the regulated end.
    """
    dropped: list[Any] = []
    table = edges.reset_index(drop=True)
    if {"parent", "child"} <= set(table.columns):
        child, parent, regulated = table["child"], table["parent"], True
    elif {"source", "target"} <= set(table.columns):
        regulated = direction == "against"
        child, parent = (table["target"], table["source"]) if regulated else (table["source"], table["target"])
    else:
        raise BlueprintError(
            f"A network has the columns source and target, or parent and child; this has {', '.join(table.columns)}.",
            "Rename its columns.",
        )
    links = pd.DataFrame({"child": _names(child), "parent": _names(parent)}).assign(regulated=regulated)
    links["relation"] = table["relation"].astype(str) if "relation" in table else "links"
    links["sign"] = np.sign(_numbers(table, "sign", 0.0)).astype(int)
    links["weight"] = _numbers(table, "weight", np.inf)
    negative = np.flatnonzero(links["weight"] < 0)
    if len(negative):
        one = links.iloc[negative[0]]
        raise BlueprintError(
            f"Row {negative[0] + 1}: {one['child']} - {one['parent']} has the negative weight {one['weight']:g}"
            f" ({len(negative)} such rows).",
            "A weight says how sure a link is; repression goes into the column 'sign'.",
        )
    for step, wrong, reason in (
        ("loops", links["child"] == links["parent"], "a link of a node with itself"),
        ("min_weight", links["weight"] < min_weight, f"weight below {min_weight:g}"),
        ("repeats", links.duplicated(["child", "parent", "relation"]), "listed again"),
    ):
        wrong &= ~links.get("gone", pd.Series(False, links.index))
        dropped += [
            (step, "edge", f"{c} -> {p}", "", reason)
            for c, p in zip(links.loc[wrong, "child"], links.loc[wrong, "parent"], strict=True)
        ]
        links["gone"] = links.get("gone", pd.Series(False, links.index)) | wrong
    used = links[~links["gone"]].drop(columns=["gone", "weight"]).reset_index(drop=True)
    if used.empty:
        raise BlueprintError(
            f"None of the {len(links)} links can be used.", "Self loops and weights below min_weight do not count."
        )
    return used, dropped


def _names(column: pd.Series[Any]) -> pd.Series[Any]:
    names = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    empty = np.flatnonzero(names == "")
    if len(empty):
        raise BlueprintError(f"Row {empty[0] + 1}: a link has no '{column.name}'.", "Name both ends.")
    return names


def _numbers(table: pd.DataFrame, name: str, default: float) -> Any:
    if name not in table:
        return np.full(len(table), default)
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise BlueprintError(
            f"Row {wrong[0] + 1}: '{table[name].iloc[wrong[0]]}' in the column '{name}' is no number"
            f" ({len(wrong)} such rows).",
            "Give every row a number, or leave the column out.",
        )
    return values


def tell_apart(links: pd.DataFrame, transcription: Sequence[str]) -> tuple[dict[tuple[int, str], str], list[str]]:
    """Return which ends are expression, (row or -1 for all, name) -> gene, and the names of the proteins."""
    genes: dict[tuple[int, str], str] = {}
    readers = set(links["parent"])
    wrong = sorted(name for name in readers if name.endswith(EXPRESSION))
    if wrong:
        raise BlueprintError(
            f"The expression of a gene reads other nodes: {some(wrong)}.",
            f"Names that end with {EXPRESSION} are inputs; check the direction of the links.",
        )
    for name in dict.fromkeys(links["child"]):
        if name.endswith(EXPRESSION):
            genes[-1, name] = name.removesuffix(EXPRESSION)
        elif name not in readers:
            genes[-1, name] = name
    by_transcription = links["regulated"] & links["relation"].isin(list(transcription))
    for row in np.flatnonzero(by_transcription).tolist():
        name = str(links["child"].iloc[row])
        genes.setdefault((row, name), name.removesuffix(EXPRESSION))
    proteins = dict.fromkeys(links["parent"])
    for row, name in enumerate(links["child"]):
        if (row, name) not in genes and (-1, name) not in genes:
            proteins.setdefault(name)
    return genes, list(proteins)
