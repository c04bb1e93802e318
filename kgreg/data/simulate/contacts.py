"""Windows of a genome that contacts join, with motifs whose signal lies in the partners."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError

#: Of a motif.
_WIDTH = 10

_LETTERS = np.array(list("ACGT"))


def simulate_contacts(
    n_chromosomes: int = 12,
    n_windows: int = 200,
    length: int = 200,
    hub: int = 4,
    present: float = 0.8,
    elsewhere: float = 0.1,
    noise: float = 2.0,
    n_motifs: int = 6,
    seed: int = 0,
) -> Simulation:
    """Simulate windows along chromosomes, contacts between them, and three labels of which contacts know more.

    The windows of a chromosome fall into hubs of ``hub`` windows from anywhere on it, all of which touch each other.
    Half of the hubs are active; their windows are ``open``, and carry the first motif with probability ``present``,
    others with ``elsewhere``: a window without the motif is known by its partners. The second motif stands in a fifth
    of the windows, which are ``bound``; a window is ``touched`` if a partner is bound, of which its own sequence says
    nothing.

    Contacts of hubs have scores of 20 to 60. ``noise`` times as many random pairs, and all neighbours, have scores
    below 20: they are what the strongest contacts are told from.

    Parameters
    ----------
    length
        Letters of a window; the next one begins where it ends.
    n_motifs
        Two are planted, the others are nowhere.

    Returns
    -------
    Simulation
        Files ``windows.fa``, ``windows.bed``, ``contacts.bedpe`` and ``motifs.jaspar``; the table ``labels`` (``name,
        open, bound, touched``, 0 or 1); the truth ``node, planted``. ``about["strongest"]`` is how many contacts of
        hubs a chromosome has.

    Raises
    ------
    DataError
        If the numbers make no windows, no hubs or no motifs.
    """
    if n_chromosomes < 3 or hub < 2 or n_windows < 2 * hub or length < 3 * _WIDTH or n_motifs < 2:
        raise DataError(
            f"There is nothing to simulate with {n_chromosomes} chromosomes of {n_windows} windows of {length} "
            f"letters, hubs of {hub} and {n_motifs} motifs.",
            f"Give 3 chromosomes, two hubs of 2 windows, 2 motifs and {3 * _WIDTH} letters at least.",
        )
    rng = np.random.default_rng(seed)
    n = n_chromosomes * n_windows
    chromosome = np.repeat(np.arange(n_chromosomes), n_windows)
    member = np.concatenate([c * n_windows + rng.permutation(n_windows) // hub for c in range(n_chromosomes)])
    active = (rng.random(n) < 0.5)[member]
    motifs = [_motif(rng) for _ in range(n_motifs)]
    first = rng.random(n) < np.where(active, present, elsewhere)
    second = rng.random(n) < 0.2
    codes = rng.integers(4, size=(n, length))
    half = length // 2
    for carrier, motif, low, high in ((first, motifs[0], 0, half), (second, motifs[1], half, length)):
        for row in np.flatnonzero(carrier):
            at = rng.integers(low, high - _WIDTH)
            codes[row, at : at + _WIDTH] = _site(motif, rng)
    hubs = [np.flatnonzero(member == one) for one in np.unique(member)]
    true = np.array([pair for own in hubs for pair in combinations(own, 2)])
    touched = np.zeros(n, dtype=bool)
    for i, j in true:
        touched[i] |= second[j]
        touched[j] |= second[i]
    start = (np.arange(n) % n_windows) * length
    names = [f"chr{c + 1}:{s}-{s + length}" for c, s in zip(chromosome, start, strict=True)]
    places = [f"chr{c + 1}\t{s}\t{s + length}" for c, s in zip(chromosome, start, strict=True)]
    text = ["".join(_LETTERS[row]) for row in codes]
    labels = pd.DataFrame(
        {"name": names, "open": active.astype(int), "bound": second.astype(int), "touched": touched.astype(int)}
    )
    planted = [f"motif{i + 1}" for i in range(n_motifs)]
    return Simulation(
        adata=None,
        tables={"labels": labels},
        truth=pd.DataFrame({"node": planted, "planted": np.arange(n_motifs) < 2}),
        about={
            "simulator": "contacts", "n_samples": n, "n_chromosomes": n_chromosomes, "n_windows": n_windows,
            "length": length,
            "hub": hub, "present": present, "elsewhere": elsewhere, "noise": noise, "n_motifs": n_motifs, "seed": seed,
            "strongest": len(true) // n_chromosomes,
        },
        files={
            "windows.fa": "".join(f">{name}\n{one}\n" for name, one in zip(names, text, strict=True)),
            "windows.bed": "".join(f"{place}\t{name}\n" for place, name in zip(places, names, strict=True)),
            "contacts.bedpe": _bedpe(true, chromosome, places, noise, n_windows, rng),
            "motifs.jaspar": "".join(_jaspar(name, motif) for name, motif in zip(planted, motifs, strict=True)),
        },
    )  # fmt: skip


def _motif(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return counts ``[width, 4]`` of 100 sites, about 1.5 bits a position."""
    counts = np.full((_WIDTH, 4), 3)
    counts[np.arange(_WIDTH), rng.integers(4, size=_WIDTH)] = 91
    return counts


def _site(motif: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a site of a motif, on either strand."""
    site = (rng.random((len(motif), 1)) * motif.sum(axis=1, keepdims=True) > motif.cumsum(axis=1)).sum(axis=1)
    return np.asarray(3 - site[::-1] if rng.random() < 0.5 else site)


def _bedpe(
    true: NDArray[np.int64],
    chromosome: NDArray[np.int64],
    places: Sequence[str],
    noise: float,
    n_windows: int,
    rng: np.random.Generator,
) -> str:
    """Return contacts of hubs, of neighbours, and random ones, in random order."""
    random = rng.integers(n_windows, size=(round(noise * len(true)), 2))
    base = n_windows * rng.integers(chromosome.max() + 1, size=(len(random), 1))
    random = np.sort(random + base, axis=1)[random[:, 0] != random[:, 1]]
    neighbours = np.stack([np.arange(len(chromosome) - 1), np.arange(1, len(chromosome))], axis=1)
    neighbours = neighbours[chromosome[neighbours[:, 0]] == chromosome[neighbours[:, 1]]]
    others = np.unique(np.concatenate([random, neighbours]), axis=0)
    pairs = np.concatenate([true, others])
    scores = np.concatenate([rng.integers(20, 61, len(true)), rng.integers(1, 20, len(others))])
    once = np.sort(np.unique(pairs, axis=0, return_index=True)[1])  # a pair of a hub keeps its score
    lines = [f"{places[i]}\t{places[j]}\t.\t{s}\n" for (i, j), s in zip(pairs[once], scores[once], strict=True)]
    header = "#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tname\tscore\n"
    return header + "".join(lines[i] for i in rng.permutation(len(lines)))


def _jaspar(name: str, motif: NDArray[np.int64]) -> str:
    rows = "".join(
        f"{letter} [ {' '.join(str(n) for n in row)} ]\n" for letter, row in zip("ACGT", motif.T, strict=True)
    )
    return f">{name} {name}\n{rows}"
