"""DNA with a planted grammar: two motifs of JASPAR at a fixed spacing, in random sequence."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError
from kgreg.sources import jaspar

CLASSES = ("background", "planted")

#: A motif that is drawn is at least so informative: weaker ones turn up in random sequence by themselves.
LEAST_BITS = 14.0

#: A motif that is drawn was made of at least so many sites, so that its probabilities are known.
LEAST_SITES = 100.0

_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


def simulate_grammar(
    n_samples: int = 400,
    length: int = 200,
    first: str | None = None,
    second: str | None = None,
    spacing: int = 8,
    decoys: float = 0.0,
    gc: float = 0.42,
    seed: int = 0,
) -> Simulation:
    """Simulate sequences, half of which hold a site of one motif and, at a fixed distance, a site of another.

    Background letters are independent, with ``gc`` of G and C together. Sites are drawn from the probabilities of the
    motifs (JASPAR CORE, vertebrates), column by column. The pair lies anywhere in the sequence, on either strand,
    always in the same order and at the same distance.

    Parameters
    ----------
    n_samples
        Sequences, half of them with the pair.
    first, second
        Ids or names of the motifs, such as ``MA0139.2`` or ``CTCF``. None: drawn among those of at least
        :data:`LEAST_BITS` bits and :data:`LEAST_SITES` sites.
    spacing
        Bases between the end of the first site and the start of the second.
    decoys
        Share of the sequences without the grammar that hold both sites at any other distance, in any order: with
        decoys it is the spacing that tells the classes apart, not the sites.
    seed
        Of the random numbers.

    Returns
    -------
    Simulation
        Files ``planted.fa`` and ``background.fa``. Table ``sites``: ``sequence, motif, start, strand`` (0-based) of
        everything that was put in. Truth: every motif by its name, its id as ``motif``, and whether it was planted.

    Raises
    ------
    DataError
        If a motif is not known, the sites do not fit into the sequences, or a number makes no sense.
    """
    if n_samples < 4 or not 0 <= decoys <= 1 or not 0 < gc < 1 or spacing < 0:
        raise DataError(
            f"There is nothing to simulate with n_samples = {n_samples}, decoys = {decoys}, gc = {gc}, spacing = "
            f"{spacing}.",
            "Give at least 4 samples, shares between 0 and 1, and a spacing of 0 or more.",
        )
    rng = np.random.default_rng(seed)
    table = _motifs()
    pair = _chosen(table, (first, second), length - spacing, rng)
    names, ids = table["name"].iloc[pair].tolist(), table["id"].iloc[pair].tolist()
    probabilities = [_probabilities(table["pfm"].iloc[row]) for row in pair]
    widths = [len(p) for p in probabilities]
    if sum(widths) + spacing > length:
        raise DataError(
            f"{names[0]} ({widths[0]} bases), {names[1]} ({widths[1]}) and {spacing} bases between them do not fit "
            f"into {length} bases.",
            "Give longer sequences, or a smaller spacing.",
        )
    base = np.array([1 - gc, gc, gc, 1 - gc]) / 2
    planted = rng.permutation(np.arange(n_samples) % 2).astype(bool)
    codes = rng.choice(4, size=(n_samples, length), p=base)
    sequence_names = [f"{CLASSES[int(one)]}_{i + 1}" for i, one in enumerate(planted)]
    sites: list[tuple[str, str, int, str]] = []
    for i in range(n_samples):
        if not planted[i] and rng.random() >= decoys:
            continue
        starts = _places(widths, spacing, length, rng, fixed=bool(planted[i]))
        forward = bool(rng.random() < 0.5)
        for motif, start, p in zip(ids, starts, probabilities, strict=True):
            codes[i, start : start + len(p)] = _site(p, rng)
            own = start if forward else length - start - len(p)
            sites.append((sequence_names[i], motif, own, "+" if forward else "-"))
        if not forward:
            codes[i] = 3 - codes[i, ::-1]
    truth = pd.DataFrame({"node": table["name"], "motif": table["id"], "planted": table["id"].isin(ids)})
    return Simulation(
        adata=None,
        tables={"sites": pd.DataFrame(sites, columns=["sequence", "motif", "start", "strand"])},
        truth=truth,
        files={f"{name}.fa": _fasta(sequence_names, codes, planted == bool(k)) for k, name in enumerate(CLASSES)},
        about={
            "simulator": "grammar", "n_samples": n_samples, "length": length, "first": ids[0], "second": ids[1],
            "names": names, "spacing": spacing, "decoys": decoys, "gc": gc, "seed": seed,
        },
    )  # fmt: skip


@cache
def _motifs() -> pd.DataFrame:
    table: pd.DataFrame = jaspar.read().nodes["Motif"].to_pandas()
    return table


def _chosen(
    table: pd.DataFrame, asked: tuple[str | None, str | None], room: int, rng: np.random.Generator
) -> list[int]:
    """Return the rows of the two motifs; those not named are drawn among the informative ones that fit."""
    strong = [
        row
        for row, (pfm, width) in enumerate(zip(table["pfm"], table["width"], strict=True))
        if width * 2 <= room and _bits(pfm) >= LEAST_BITS and np.sum(pfm) / width >= LEAST_SITES
    ]
    rows = [None if name is None else _row(table, name) for name in asked]
    for k, row in enumerate(rows):
        if row is None:
            others = [one for one in strong if one not in rows]
            if not others:
                raise DataError(f"No informative motif fits into {room} bases.", "Give longer sequences.")
            rows[k] = int(rng.choice(others))
    return [row for row in rows if row is not None]


def _row(table: pd.DataFrame, name: str) -> int:
    found = np.flatnonzero((table["id"] == name) | (table["name"] == name))
    if not len(found):
        raise DataError(f"JASPAR has no vertebrate CORE motif '{name}'.", "Give an id such as MA0139.2, or its name.")
    return int(found[0])


def _probabilities(pfm: Any) -> NDArray[np.float64]:
    counts = np.asarray(pfm, dtype=np.float64).reshape(-1, 4)
    found: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return found


def _bits(pfm: Any) -> float:
    p = _probabilities(pfm)
    return float((2 + (p * np.log2(np.maximum(p, 1e-12))).sum(axis=1)).sum())


def _places(widths: list[int], spacing: int, length: int, rng: np.random.Generator, fixed: bool) -> list[int]:
    """Return where the two sites start; at any other distance, in any order, if it is not to be the fixed one."""
    if fixed:
        start = int(rng.integers(length - sum(widths) - spacing + 1))
        return [start, start + widths[0] + spacing]
    while True:
        a, b = (int(rng.integers(length - width + 1)) for width in widths)
        apart = b - a - widths[0]
        if apart != spacing and (apart >= 0 or a - b >= widths[1]):
            return [a, b]


def _site(probabilities: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    reached = np.cumsum(probabilities, axis=1)
    drawn: NDArray[np.int64] = (rng.random(len(probabilities))[:, None] > reached / reached[:, -1:]).sum(axis=1)
    return drawn


def _fasta(names: list[str], codes: NDArray[np.int64], chosen: NDArray[np.bool_]) -> str:
    letters = _LETTERS[codes]
    return "".join(f">{names[i]}\n{letters[i].tobytes().decode()}\n" for i in np.flatnonzero(chosen))
