"""The ranking as small tables with documented columns: one row a gene, or a subsystem, of one output."""

from __future__ import annotations

from difflib import get_close_matches

import pandas as pd

from kgreg.decode.explanation import Explanation
from kgreg.decode.importance import ALL
from kgreg.errors import DataError, some

#: Columns of :func:`genes` and :func:`subsystems`, and what each is called in ``Explanation.ranking``.
COLUMNS = {
    "id": "node",
    "label": "label",
    "score": "score",
    "low": "low",
    "high": "high",
    "q": "q",
    "stability": "stability",
    "n": "n",
}


def genes(explanation: Explanation, output: str = ALL, n: int | None = None) -> pd.DataFrame:
    """Return the genes of an output as a table, best first.

    Parameters
    ----------
    explanation
        From :func:`kgreg.decode.explain`.
    output
        A class or label, or "all".
    n
        How many; default: all.

    Returns
    -------
    DataFrame
        ``id`` (of the graph), ``label`` (symbol), ``score`` (mean over the networks), ``low, high`` (95 % interval; NaN
        with one network), ``q`` (Benjamini and Hochberg's, against the null of its kind; NaN without one),
        ``stability`` (share of networks with the node among the best of its kind) and ``n`` (networks).

    Raises
    ------
    DataError
        If there is no such output, or nothing of this kind was ranked.
    """
    return _table(explanation, "gene", output, n)


def subsystems(
    explanation: Explanation, output: str = ALL, n: int | None = None, *, redundant: bool = True
) -> pd.DataFrame:
    """Return the subsystems of an output as a table, best first; columns as :func:`genes`.

    Parameters
    ----------
    explanation, output, n
        As in :func:`genes`.
    redundant
        False: of near copies only the best, with a further column ``alike``, how many others it stands for; see
        :mod:`kgreg.decode.redundancy`.
    """
    return _table(explanation, "term", output, n, redundant=redundant)


def of_output(table: pd.DataFrame, output: str) -> pd.DataFrame:
    """Return the rows of one output.

    Raises
    ------
    DataError
        If there are none; the nearest names are offered.
    """
    chosen = table[table["output"] == output]
    if chosen.empty:
        known = [str(name) for name in dict.fromkeys(table["output"])]
        near = get_close_matches(output, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise DataError(f"There is no output '{output}'.", f"{hint}Choose one of: {some(known, 20)}.")
    return chosen


def _table(explanation: Explanation, kind: str, output: str, n: int | None, *, redundant: bool = True) -> pd.DataFrame:
    of_output(explanation.ranking, output)
    chosen = explanation.top(kind, output, len(explanation.ranking) if n is None else n, redundant=redundant)
    if chosen.empty:
        kinds = [str(name) for name in dict.fromkeys(explanation.ranking["kind"])]
        raise DataError(f"No node of kind '{kind}' was ranked.", f"The kinds are: {some(kinds)}.")
    table = chosen[list(COLUMNS.values()) + (["alike"] if "alike" in chosen else [])]
    return table.rename(columns={old: new for new, old in COLUMNS.items()}).reset_index(drop=True)
