"""Graphs over windows: what was read of a file, and the graphs that it is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgreg.blueprint.null import exchange_pairs
from kgreg.data.contacts.reading import Contact, Format, read_contact_lines
from kgreg.data.contacts.windows import Windows
from kgreg.errors import DataError

#: "sum": the scores (or lines) of a pair. "sqrt_vc": that, divided by the square root of the product of both sums.
Normalisation = Literal["sum", "sqrt_vc"]

#: Contacts that are looked up at once.
_CHUNK = 1 << 18

#: Reasons for which a line joins nothing.
NO_PLACE = "an end without a place"
BETWEEN = "between chromosomes"
OUTSIDE = "an end outside the windows"
ITSELF = "within one window"
WEAK = "weaker than the strongest of the chromosome"


@dataclass(frozen=True)
class ContactGraph:
    """Undirected contacts between windows, every pair once.

    Attributes
    ----------
    windows
        The nodes.
    one, two
        ``[m]`` positions in ``windows``, ``one < two``, in rising order.
    weight
        ``[m]`` positive.
    origin
        Where they come from, for records.
    counts
        What was read, and for every reason how many contacts were left out.
    """

    windows: Windows
    one: NDArray[np.int64]
    two: NDArray[np.int64]
    weight: NDArray[np.float64]
    origin: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.one)

    def adjacency(self, rows: NDArray[np.int64] | None = None) -> sparse.csr_matrix:
        """Return the symmetric matrix of weights, of all windows or of those in ``rows``; its diagonal is empty."""
        n = len(self.windows)
        ends = (np.concatenate([self.one, self.two]), np.concatenate([self.two, self.one]))
        matrix = sparse.csr_matrix((np.concatenate([self.weight, self.weight]), ends), shape=(n, n))
        return matrix if rows is None else matrix[rows][:, rows]

    def degrees(self) -> NDArray[np.int64]:
        """Return the number of partners of every window, ``[n]``."""
        return np.bincount(np.concatenate([self.one, self.two]), minlength=len(self.windows)).astype(np.int64)

    def summary(self) -> dict[str, Any]:
        """Return what a report says of the graph (JSON values)."""
        degree = self.degrees()
        return {
            "origin": self.origin,
            "windows": len(self.windows),
            "chromosomes": len(self.windows.chromosomes),
            "pairs": len(self),
            "isolated_windows": int((degree == 0).sum()),
            "median_partners": float(np.median(degree)) if len(degree) else 0.0,
            **dict(self.counts),
        }


def read_contacts(
    path: Path,
    windows: Windows,
    *,
    strongest: int | None = None,
    weighted: bool = False,
    between: bool = False,
    anchors: Literal["overlap", "middle"] = "overlap",
    normalise: Normalisation = "sum",
    kind: Format | None = None,
    score: str | None = None,
) -> ContactGraph:
    """Read contacts and map them to windows.

    Lines that join the same two windows add up: their scores, or their number where there are none. Chromosomes are
    found by either of their names ("1" and "chr1"). Contacts between chromosomes, within a window, or with an end
    outside the windows are left out and counted. Files are streamed; memory grows with the pairs of windows alone.

    Parameters
    ----------
    path
        BEDPE or pairs, plain or gzip; see :func:`kgreg.data.contacts.reading.read_contact_lines`.
    strongest
        So many pairs of each chromosome stay (ChromeGCN: 250,000), ties by the order of the windows; those between
        chromosomes count as one more chromosome. Default: all.
    weighted
        Whether weights stay. Default: all are 1.
    between
        Whether contacts between chromosomes are kept.
    anchors
        An end belongs to all windows that it overlaps, or to that of its middle.
    normalise
        "sqrt_vc" divides by the square roots of the sums of both windows, as Juicer's VC_SQRT does; over what lies in
        the windows, contacts of a window with itself included. Before ``strongest``.

    Raises
    ------
    DataError
        If a line is malformed (file and line), or no contact joins two windows.
    """
    lines = read_contact_lines(path, kind, score)
    found, counts = _collect(lines, windows, between, anchors)
    one, two, weight = found
    apart = one != two
    if normalise == "sqrt_vc":
        n = len(windows)
        total = np.bincount(one, weight, n) + np.bincount(two[apart], weight[apart], n)
        weight = weight / np.sqrt(np.where(total > 0, total, 1.0))[[one, two]].prod(axis=0)
    apart &= weight > 0
    one, two, weight = one[apart], two[apart], weight[apart]
    if not len(one):
        told = ", ".join(f"{n:,} {reason}" for reason, n in counts.items() if n and reason != "lines")
        raise DataError(
            f"No contact of {path} joins two of the {len(windows):,} windows"
            + (f": of {counts['lines']:,} lines {told}." if told else "."),
            f"The windows lie on {', '.join(windows.chromosomes[:5])}; do both belong to one genome assembly?",
        )
    if strongest is not None:
        kept = _strongest(windows, one, two, weight, strongest)
        counts[WEAK] = len(one) - len(kept)
        one, two, weight = one[kept], two[kept], weight[kept]
    return ContactGraph(windows, one, two, weight if weighted else np.ones(len(one)), str(path), counts)


def _collect(
    lines: Iterable[Contact], windows: Windows, between: bool, anchors: str
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], dict[str, int]]:
    """Return pairs of windows (``one <= two``) in rising order with their sums, and what was counted."""
    counts = {"lines": 0, NO_PLACE: 0, BETWEEN: 0, OUTSIDE: 0, ITSELF: 0}
    keys: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    sums: NDArray[np.float64] = np.zeros(0)
    code_of = cache(windows.code_of)
    rows: list[tuple[int, int, int, int, int, int, float]] = []

    def settle() -> None:
        nonlocal keys, sums
        table = np.array(rows, dtype=np.float64).reshape(-1, 7)  # positions are far below 2^53
        rows.clear()
        ends = table[:, :6].astype(np.int64)
        new, values = _pairs(windows, ends, table[:, 6], anchors, counts)
        every = np.concatenate([keys, new])
        keys, place = np.unique(every, return_inverse=True)
        sums = np.bincount(place, np.concatenate([sums, values]), len(keys)).astype(np.float64)

    for contact in lines:
        counts["lines"] += 1
        one, two = contact.one, contact.two
        if one.start < 0 or two.start < 0:
            counts[NO_PLACE] += 1
            continue
        codes = code_of(one.chrom), code_of(two.chrom)
        if one.chrom != two.chrom and (codes[0] != codes[1] or codes[0] < 0) and not between:
            counts[BETWEEN] += 1
            continue
        if min(codes) < 0:
            counts[OUTSIDE] += 1
            continue
        score = 1.0 if contact.score is None else contact.score
        rows.append((codes[0], one.start, one.end, codes[1], two.start, two.end, score))
        if len(rows) == _CHUNK:
            settle()
    settle()
    n = len(windows)
    return (keys // n, keys % n, sums), counts


def _pairs(
    windows: Windows, ends: NDArray[np.int64], score: NDArray[np.float64], anchors: str, counts: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the pair of windows ``low * n + high`` and the score, of all pairs that each contact joins."""
    stretches = []
    for chrom, start, end in (ends[:, :3].T, ends[:, 3:].T):
        if anchors == "middle":
            start = (start + end) // 2
            end = start + 1
        stretches.append(windows.overlapping(chrom, start, end))
    (first1, last1), (first2, last2) = stretches
    wide1, wide2 = last1 - first1, last2 - first2
    counts[OUTSIDE] += int(((wide1 == 0) | (wide2 == 0)).sum())
    times = wide1 * wide2
    contact = np.repeat(np.arange(len(ends)), times)
    # Counted within the pairs of each contact: the windows of its second end, for each of its first.
    number = np.arange(len(contact)) - np.repeat(np.cumsum(times) - times, times)
    one = windows.order[first1[contact] + number // np.maximum(wide2[contact], 1)]
    two = windows.order[first2[contact] + number % np.maximum(wide2[contact], 1)]
    counts[ITSELF] += int((np.bincount(contact[one != two], minlength=len(ends)) == 0)[times > 0].sum())
    keys = np.minimum(one, two) * len(windows) + np.maximum(one, two)
    return keys.astype(np.int64), score[contact]


def _strongest(
    windows: Windows, one: NDArray[np.int64], two: NDArray[np.int64], weight: NDArray[np.float64], most: int
) -> NDArray[np.int64]:
    """Return the pairs that stay, rising."""
    if most < 1:
        raise DataError(f"The strongest {most} contacts of a chromosome are none.", "Give a number of 1 or more.")
    group = np.where(windows.codes[one] == windows.codes[two], windows.codes[one], -1)
    order = np.lexsort((np.arange(len(one)), -weight, group))
    begins = np.flatnonzero(np.diff(group[order], prepend=-2))
    rank = np.arange(len(one)) - np.repeat(begins, np.diff([*begins, len(one)]))
    return np.sort(order[rank < most])


# ---- graphs that contacts are held against -------------------------------------------------------------------------


def no_contacts(windows: Windows) -> ContactGraph:
    """Return the graph without contacts."""
    none = np.zeros(0, dtype=np.int64)
    return ContactGraph(windows, none, none, np.zeros(0), "no contacts")


def neighbour_graph(windows: Windows, reach: int = 7) -> ContactGraph:
    """Join every window with the next ``reach`` on either side along its chromosome ("constant", ChromeGCN).

    Next are the next windows that there are, however far.
    """
    order, parts = windows.order, []
    for step in range(1, reach + 1):
        one, two = order[:-step], order[step:]
        same = windows.codes[one] == windows.codes[two]
        parts.append(np.stack([one[same], two[same]], axis=1))
    ends = np.concatenate(parts) if parts else np.zeros((0, 2), dtype=np.int64)
    return _of_pairs(windows, ends, np.ones(len(ends)), f"the nearest {reach} windows on either side")


def random_graph(contacts: ContactGraph, seed: int) -> ContactGraph:
    """Return as many pairs on every chromosome, drawn at random among all pairs of its windows.

    Pairs between chromosomes are not drawn. Weights are dealt at random.
    """
    rng, windows = np.random.default_rng(seed), contacts.windows
    parts, weights = [], []
    for code, inside in _by_chromosome(contacts):
        own = np.flatnonzero(windows.codes == code)
        parts.append(own[_distinct_pairs(rng, len(own), len(inside))])
        weights.append(rng.permutation(contacts.weight[inside]))
    return _of_pairs(windows, np.concatenate(parts), np.concatenate(weights), f"random pairs, seed {seed}")


def rewired_contacts(contacts: ContactGraph, seed: int, swaps_per_pair: int = 10) -> ContactGraph:
    """Return the contacts with their ends exchanged at random, every window with as many partners as before.

    Within every chromosome by itself, and between every two of them. Distances change: most pairs become long.
    """
    rng, windows = np.random.default_rng(seed), contacts.windows
    codes = np.stack([windows.codes[contacts.one], windows.codes[contacts.two]], axis=1)
    ends = np.stack([contacts.one, contacts.two], axis=1)
    turned = codes[:, 0] > codes[:, 1]
    ends[turned], codes[turned] = ends[turned, ::-1], codes[turned, ::-1]
    group = codes[:, 0] * (int(windows.codes.max()) + 1) + codes[:, 1]
    for value in np.unique(group):
        own = np.flatnonzero(group == value)
        within = codes[own[0], 0] == codes[own[0], 1]
        ends[own] = exchange_pairs(ends[own], len(windows), swaps_per_pair, rng, flip=bool(within))
    return _of_pairs(windows, ends, contacts.weight, f"rewired contacts, seed {seed}")


def shifted_contacts(contacts: ContactGraph, seed: int) -> ContactGraph:
    """Return the contacts of every chromosome, all moved by one random number of windows around it.

    Each chromosome is a circle of its windows, turned by a quarter to three quarters: partners are as many and, in
    windows, as far from each other as before (but for those that the turn carries over the end), and are not the
    partners any more. A rewired graph loses the distances and with them what neighbours have in common.
    """
    rng, windows = np.random.default_rng(seed), contacts.windows
    place, moved = np.empty(len(windows), dtype=np.int64), np.empty(len(windows), dtype=np.int64)
    place[windows.order] = np.arange(len(windows))
    for code in range(len(windows.chromosomes)):
        own = windows.order[windows.codes[windows.order] == code]
        turn = int(rng.integers(max(1, len(own) // 4), max(2, 3 * len(own) // 4)))
        moved[own] = np.roll(own, -turn)
    ends = np.stack([moved[contacts.one], moved[contacts.two]], axis=1)
    return _of_pairs(windows, ends, contacts.weight, f"shifted contacts, seed {seed}")


def joined_contacts(*graphs: ContactGraph) -> ContactGraph:
    """Return the pairs of several graphs over the same windows; of one that several have, the largest weight."""
    windows = graphs[0].windows
    if any(len(graph.windows) != len(windows) for graph in graphs):
        raise DataError("Graphs over different windows cannot be joined.", "Make them over the same table.")
    matrix = reduce(lambda a, b: a.maximum(b), (graph.adjacency() for graph in graphs))
    upper = sparse.triu(matrix, k=1).tocoo()
    ends = np.stack([upper.row, upper.col], axis=1).astype(np.int64)
    return _of_pairs(windows, ends, upper.data, " and ".join(graph.origin for graph in graphs))


def _of_pairs(windows: Windows, ends: NDArray[np.int64], weight: NDArray[np.float64], origin: str) -> ContactGraph:
    """Return the graph of distinct pairs, in any order."""
    low, high = ends.min(axis=1), ends.max(axis=1)
    order = np.lexsort((high, low))
    graph = ContactGraph(windows, low[order], high[order], np.asarray(weight, dtype=float)[order], origin)
    return replace(graph, counts={"pairs": len(graph)})


def _by_chromosome(contacts: ContactGraph) -> list[tuple[int, NDArray[np.int64]]]:
    """Return the pairs within every chromosome."""
    codes = contacts.windows.codes
    inside = codes[contacts.one] == codes[contacts.two]
    return [
        (code, np.flatnonzero(inside & (codes[contacts.one] == code)))
        for code in range(len(contacts.windows.chromosomes))
    ]


def _distinct_pairs(rng: np.random.Generator, n: int, many: int) -> NDArray[np.int64]:
    """Return ``[many, 2]`` different pairs of different numbers below ``n``, all equally likely."""
    if 4 * many > n * (n - 1) // 2:
        every = np.stack(np.triu_indices(n, k=1), axis=1)
        return np.asarray(rng.permutation(every)[:many], dtype=np.int64)
    found = np.zeros(0, dtype=np.int64)
    while len(found) < many:
        low, high = np.sort(rng.integers(n, size=(2, 2 * (many - len(found)) + 8)), axis=0)
        found = np.unique(np.concatenate([found, (low * n + high)[low < high]]))
    drawn = rng.permutation(found)[:many]
    return np.stack([drawn // n, drawn % n], axis=1)
