"""Effects of knockouts as sentences; every number comes from the table."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from kgreg.decode.importance import ALL

Row = dict[Hashable, Any]

_TERMS = 3  # subsystems that a sentence names
_GENES = 5  # genes that the sentence on a sweep names


def sentences(table: pd.DataFrame) -> list[str]:
    """Say in plain text what the table of knockouts, of pairs or of a sweep shows.

    Parameters
    ----------
    table
        Of :func:`kgreg.decode.knockout_table` (a sentence a knockout), :func:`kgreg.decode.epistasis_table` (a sentence
        a pair and model) or :func:`kgreg.decode.sweep_table` (a sentence an output and group).

    Returns
    -------
    list of str
        A knockout is described by the output that it moves most (of classes and labels in their own samples) and the
        subsystems that move most there. Where the interval holds 0, it says that no effect can be told; with a single
        network, that there is no interval.
    """
    if table.empty:
        return []
    if "epistasis" in table:
        return [_of_pair(rows) for _, rows in table.groupby(["first", "second", "model"], sort=False)]
    if "knockout" in table:
        return [_of_knockout(rows) for _, rows in table.groupby("knockout", sort=False)]
    outputs = table[table["kind"] == "output"]
    return [_of_sweep(rows) for _, rows in outputs.groupby(["target", "group"], sort=False)]


def _of_knockout(rows: pd.DataFrame) -> str:
    outputs = _own(rows[rows["kind"] == "output"])
    row = _first(outputs.sort_values("delta", key=abs, ascending=False, kind="stable"))
    what = f"{_act(row, str(row['genes']).split(', '))}{_as(row)}"
    if row["delta"] == 0:
        return f"{what} changes no output at all."
    found = f"{what} {_change(row, 'delta')} ({'; '.join(_support(row))})"
    terms = rows[(rows["kind"] == "term") & (rows["group"] == row["group"]) & (rows["delta"] > 0)]
    best = terms.sort_values("delta", ascending=False, kind="stable").head(_TERMS).to_dict("records")
    if not best:
        return found + "."
    names = _listed([f"{term['label']} ({term['delta']:.2f} sd)" for term in best])
    verb = "subsystems that move most there are" if len(best) > 1 else "subsystem that moves most there is"
    return f"{found}; the {verb} {names}."


def _of_pair(rows: pd.DataFrame) -> str:
    known = _own(rows[rows["epistasis"].notna()])
    first, second = rows["first"].iloc[0], rows["second"].iloc[0]
    if known.empty:
        return f"{first} and {second}: nothing is expected of both under the model {rows['model'].iloc[0]}."
    row = _first(known.sort_values("epistasis", key=abs, ascending=False, kind="stable"))
    independent = "if their effects added" if row["model"] == "additive" else "if they were independent (Bliss)"
    there = f"{_act(row, [first, second])} changes {_quantity(row)} by {row['both_delta']:+.3g}"
    alone = f"{first} alone by {row['first_delta']:+.3g}, {second} alone by {row['second_delta']:+.3g}"
    said = f"{there}; {alone}; {independent}, {row['expected']:+.3g} would be expected"
    deviation = f"{row['epistasis']:+.3g}{_interval(row)}"
    if _no_interval(row):
        return f"{said}, so that the epistasis is {deviation} (in the one network there is, without an interval)."
    if row["low"] <= 0 <= row["high"]:
        return f"{said}; no epistasis can be told: {deviation} ({_networks(row)})."
    return f"{said}, so that the epistasis is {deviation} ({_networks(row)})."


def _of_sweep(rows: pd.DataFrame) -> str:
    ordered = rows.sort_values("delta", key=abs, ascending=False, kind="stable").head(_GENES).to_dict("records")
    row = ordered[0]
    names = _listed([f"{one['gene']} ({one['delta']:+.3g}{_interval(one)})" for one in ordered])
    most = f"those that move {_quantity(row)} most are {names}"
    if _no_interval(row):
        return f"Of {len(rows):,} genes, one by one, {most} (one network, so that there are no intervals)."
    beyond = int(((rows["low"] > 0) | (rows["high"] < 0)).sum())
    return (
        f"Of {len(rows):,} genes, one by one, {most} ({_networks(row)}); the interval of {beyond:,} leaves out 0, "
        f"which {0.05 * len(rows):.0f} would do by chance."
    )


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the outputs in the samples of their own class or label; where there are no such groups, in all."""
    own = rows[rows["group"] == rows["target"]]
    return own if len(own) else rows[rows["group"] == ALL]


def _first(rows: pd.DataFrame) -> Row:
    return rows.iloc[:1].to_dict("records")[0]


def _act(row: Row, genes: list[str]) -> str:
    who, how, dose = _listed(genes), str(row["how"]), row["dose"]
    together = " together" if len(genes) > 1 else ""
    if how == "silent":
        return f"Silencing {who}{together}"
    if how == "altered":
        return f"Altering {who}{together}"
    if how == "unaltered":
        return f"Taking every alteration of {who} away"
    if np.isfinite(dose):
        return f"{'Lowering' if dose < 1 else 'Raising'} {who}{together} to {dose:g} times what was measured"
    return f"Setting {who}{together} to the {how}"


def _as(row: Row) -> str:
    name, genes = str(row["knockout"]), str(row["genes"])
    return "" if name == genes or name.startswith(f"{genes} at ") else f" ({name})"


def _quantity(row: Row) -> str:
    """Return what is predicted, of whom, in whose samples."""
    target, unit = row["target"], row["unit"]
    if unit == "log hazard":
        return "the predicted log hazard"
    if unit == "value":
        return f"the predicted {target}"
    samples = "all samples" if row["group"] == ALL else f"samples of {row['group']}"
    return f"the predicted {unit} of {target} in {samples}"


def _change(row: Row, column: str) -> str:
    quantity = _quantity(row)
    if not _no_interval(row) and row["low"] <= 0 <= row["high"]:
        return f"has no effect on {quantity} that can be told: {row[column]:+.3g}{_interval(row)}"
    size = f"{abs(row[column]):.3g}"
    if not _no_interval(row):
        low, high = sorted((abs(row["low"]), abs(row["high"])))
        size += f" [{low:.3g}, {high:.3g}]"
    return f"{'lowers' if row[column] < 0 else 'raises'} {quantity} by {size}"


def _interval(row: Row) -> str:
    return "" if _no_interval(row) else f" [{row['low']:+.3g}, {row['high']:+.3g}]"


def _no_interval(row: Row) -> bool:
    return not (np.isfinite(row["low"]) and np.isfinite(row["high"]))


def _networks(row: Row) -> str:
    return f"95 % interval over {row['n']:.0f} networks, {row['samples']:,.0f} samples"


def _support(row: Row) -> list[str]:
    found = ["one network, so that there is no interval" if _no_interval(row) else _networks(row)]
    if np.isfinite(row["p"]) and row["n_null"]:
        n = int(row["n_null"])
        smaller = n - round(row["p"] * (n + 1) - 1)
        of = "genes" if ", " not in str(row["genes"]) else "sets of genes"
        beaten = f"all {n}" if smaller == n else f"{smaller} of {n}"
        found.append(
            f"larger than that of {beaten} random {of} expressed alike, p = {row['p']:.2g}, q = {row['q']:.2g}"
        )
    return found


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
