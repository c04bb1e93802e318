"""Virtual knockouts without a trained network: scTenifoldKnk (Osorio et al., Patterns 3:100434, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from kgreg.data.cells import LEAST_CELLS, Cells, counts_per_million, find_genes
from kgreg.decode.intervals import mean_interval
from kgreg.decode.tenifold.alignment import Alignment
from kgreg.decode.tenifold.networks import resampled_networks
from kgreg.decode.tenifold.regulation import Expectation, fold_changes, upper_tail, z_scores
from kgreg.decode.tenifold.tensor import decompose, denoised
from kgreg.errors import DataError
from kgreg.progress import Progress, no_progress

#: A gene counts as perturbed in a replicate when it is among this many.
TOP = 20

Normalise = Literal["auto", "cpm", "none"]


@dataclass(frozen=True)
class TenifoldSettings:
    """What a network is built with; the defaults are those of the paper.

    Attributes
    ----------
    least_share
        Genes expressed in a smaller share of the cells are left out.
    normalise
        "cpm": counts per million in every cell, as the paper does. "none": values are taken as they are. "auto": "cpm"
        for whole numbers, "none" for others, which were normalised already.
    networks, cells
        Networks a replicate, each of so many cells drawn with replacement.
    components, quantile
        Principal components of a regression; coefficients below this quantile of absolute values are cut.
    rank, tolerance, rounds, decimals
        Of the tensor decomposition.
    direction
        From 0 (both directions stay as they are) to 1 (of two links between two genes only the stronger stays).
    dimensions
        Of the manifold alignment.
    expectation
        See :data:`kgreg.decode.tenifold.regulation.Expectation`.
    """

    least_share: float = 0.05
    normalise: Normalise = "auto"
    networks: int = 10
    cells: int = 500
    components: int = 3
    quantile: float = 0.9
    rank: int = 3
    tolerance: float = 1e-5
    rounds: int = 1000
    decimals: int = 3
    direction: float = 0.0
    dimensions: int = 2
    expectation: Expectation = "others"

    def __post_init__(self) -> None:
        whole = {"networks": 2, "cells": LEAST_CELLS, "components": 1, "rank": 1, "rounds": 1, "dimensions": 1}
        for name, least in whole.items():
            if getattr(self, name) < least:
                raise DataError(f"{name} is {getattr(self, name)}.", f"Give a whole number of {least} or more.")
        for name in ("least_share", "quantile", "direction"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} is {getattr(self, name)}.", "Give a number from 0 to 1.")


@dataclass(frozen=True)
class TenifoldResult:
    """What the knockouts do.

    Attributes
    ----------
    table
        One row a knockout and gene: ``knockout, gene, knocked`` (whether it is one of the genes knocked out),
        ``distance, z, fold_change`` (means over replicates), ``low, high`` (95 % interval of the fold change, Student's
        t over replicates; NaN with one replicate), ``p, q`` (chi-square, Benjamini-Hochberg), ``p_null, q_null`` (share
        of expression-matched random knockouts that move the gene as far), ``rank, rank_low, rank_high`` (mean, least
        and largest over replicates), ``top`` (share of replicates in which it is among the first 20), ``weight`` (mean
        link from the genes knocked out), ``n`` (replicates), ``n_null``, ``seed``. Sorted by fold change.
    summary
        One row a knockout: ``knockout, genes, links`` (mean number of links cut), ``effect`` (mean squared distance of
        the other genes), ``low, high``, ``effect_null`` (its median over random knockouts), ``p_null``, ``n``,
        ``n_null``, ``seed``.
    network
        ``[n_genes, n_genes]`` mean of the replicates' networks; rows regulate.
    genes
        Of rows and columns.
    replicates, null
        Knockout -> fold changes ``[n, n_genes]`` in every replicate, and in every random knockout (NaN: of a gene that
        was knocked out itself).
    about
        Settings, counts of cells and genes, what was left out (JSON values).
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    network: sparse.csr_matrix
    genes: list[str]
    replicates: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    null: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def edges(self, regulators: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the links of the mean network, ``regulator, target, weight``; of some regulators or of all."""
        network = self.network
        rows = np.arange(len(self.genes))
        if regulators is not None:
            rows = np.array(find_genes(regulators, self.genes, "the network"))
            network = network[rows]
        links = sparse.coo_matrix(network)
        names = np.asarray(self.genes, dtype=object)
        table = pd.DataFrame(
            {"regulator": names[rows[links.row]], "target": names[links.col], "weight": links.data.astype(np.float32)}
        )
        return table[table["weight"] != 0].reset_index(drop=True)


def prepare_cells(cells: Cells, settings: TenifoldSettings) -> tuple[Cells, dict[str, Any]]:
    """Return normalised cells with the genes that enough of them express, and what was done (JSON values).

    Raises
    ------
    DataError
        If fewer than 50 cells have counts, or too few genes are left.
    """
    counted = np.asarray(cells.x.sum(axis=1)).ravel() > 0
    if int(counted.sum()) < LEAST_CELLS:
        raise DataError(
            f"{int(counted.sum())} cells of {cells.origin} have any counts; networks need at least {LEAST_CELLS}.",
            "Choose another layer or more cells.",
        )
    keep = (cells.shares() > settings.least_share) & _varies(cells.x)
    least = max(settings.components + 2, settings.dimensions + 3)
    if int(keep.sum()) < least:
        raise DataError(
            f"{int(keep.sum())} genes of {cells.origin} vary and are expressed in more than "
            f"{settings.least_share:.0%} of the cells; at least {least} are needed.",
            "Lower the share, or give more genes.",
        )
    chosen = cells.choose_genes(keep)
    cpm = settings.normalise == "cpm" or (settings.normalise == "auto" and cells.are_counts)
    # Library sizes are those of the genes that are left, as in the original.
    normal = chosen.with_x(counts_per_million(chosen.x)) if cpm else chosen
    about = {
        "cells": len(cells), "genes": int(keep.sum()), "genes_left_out": int((~keep).sum()),
        "cells_without_counts": int((~counted).sum()), "normalised": "cpm" if cpm else "none", "layer": cells.layer,
        "origin": cells.origin, "sha256": cells.sha256,
    }  # fmt: skip
    return normal, about


def build_network(
    x: NDArray[Any] | sparse.csr_matrix, settings: TenifoldSettings, seed: int, progress: Progress = no_progress
) -> sparse.csr_matrix:
    """Return the denoised network of normalised expression ``x [n_cells, n_genes]``.

    Returns
    -------
    csr_matrix
        ``[n_genes, n_genes]``; rows regulate columns, entries between -1 and 1, the diagonal 0.
    """
    stack = resampled_networks(
        x,
        networks=settings.networks,
        cells=settings.cells,
        components=settings.components,
        quantile=settings.quantile,
        seed=seed,
        progress=lambda text, share: progress(text, 0.85 * share),
    )
    decomposition = decompose(
        stack,
        settings.rank,
        tolerance=settings.tolerance,
        most=settings.rounds,
        seed=seed,
        progress=lambda text, share: progress(text, 0.85 + 0.15 * share),
    )
    network = directed(denoised(decomposition, settings.decimals), settings.direction).T.tocsr()
    network.setdiag(0.0)
    network.eliminate_zeros()
    return network


def directed(network: sparse.csr_matrix, strength: float) -> sparse.csr_matrix:
    """Return the network with the weaker of two opposite links multiplied by ``1 - strength``."""
    if strength == 0:
        return network
    weaker = abs(network) < abs(network.T)
    return sparse.csr_matrix(network - strength * network.multiply(weaker))


def virtual_knockouts(
    cells: Cells,
    knockouts: Mapping[str, Sequence[str]],
    settings: TenifoldSettings | None = None,
    *,
    replicates: int = 5,
    null: int = 50,
    seed: int = 0,
    progress: Progress = no_progress,
) -> TenifoldResult:
    """Knock genes out of networks that are built from the cells alone, and return which genes that perturbs.

    A replicate draws its cells anew, so that the interval says how far the result hangs on the draw. Beside every
    knockout, random genes of like expression are knocked out of the same networks: a gene that moves whatever is
    knocked out has a large fold change and no small ``p_null``.

    Parameters
    ----------
    knockouts
        Name -> genes that are knocked out together.
    replicates
        Networks, each from draws of its own.
    null
        Random knockouts for each one that is asked for, dealt to the replicates; 0 for none.

    Raises
    ------
    DataError
        If a gene is not in the data (the nearest names are offered) or is expressed in too few cells; if there are too
        few cells or genes.
    """
    settings = settings or TenifoldSettings()
    if replicates < 1 or null < 0:
        raise DataError(
            f"{replicates} replicates with {null} random knockouts are none.", "Give 1 or more, and 0 or more."
        )
    if not knockouts:
        raise DataError("No gene is named.", "Name at least one gene.")
    normal, about = prepare_cells(cells, settings)
    places = {name: _places(genes, cells, normal, settings) for name, genes in knockouts.items()}
    for name, found in places.items():
        if len(found) > len(normal.genes) - 2:
            raise DataError(f"The knockout '{name}' leaves no genes to look at.", "Knock out fewer genes.")
    ranks = stats.rankdata(normal.means(), method="ordinal")
    kept: dict[str, list[tuple[NDArray[np.float64], ...]]] = {name: [] for name in places}
    nulls: dict[str, list[tuple[NDArray[np.float64], float]]] = {name: [] for name in places}
    mean: sparse.csr_matrix | None = None
    for r in range(replicates):

        def part(text: str, share: float, r: int = r) -> None:
            progress(f"replicate {r + 1} of {replicates}: {text}", (r + share) / replicates)

        network = build_network(normal.x, settings, _seed(seed, r), lambda text, share: part(text, 0.7 * share))
        mean = network if mean is None else mean + network
        alignment = Alignment(network, settings.dimensions)
        draws = null // replicates + (r < null % replicates)
        for done, (name, found) in enumerate(places.items()):
            part(f"knocking out {name}", 0.7 + 0.3 * done / len(places))
            distances, noise = alignment.distances(found)
            lost = network[found]
            kept[name].append(
                (
                    distances,
                    z_scores(distances, noise),
                    np.where(distances > noise, fold_changes(distances, found, settings.expectation), 0.0),
                    np.asarray(lost.mean(axis=0)).ravel(),
                    np.array([lost.nnz, np.mean(np.delete(distances, found) ** 2)]),
                )
            )
            rng = np.random.default_rng([seed, r, done])
            for k in range(draws):
                part(f"knocking out {name}, random genes", 0.7 + 0.3 * (done + (k + 1) / (draws + 1)) / len(places))
                other = matched_genes(found, ranks, rng)
                away, noise = alignment.distances(other)
                change = np.where(away > noise, fold_changes(away, other, settings.expectation), 0.0)
                change[other] = np.nan  # of a gene that is knocked out itself
                nulls[name].append((change, float(np.mean(np.delete(away, other) ** 2))))
    assert mean is not None
    tables, summaries = [], []
    for name, found in places.items():
        table, summary = _tables(name, found, normal.genes, kept[name], nulls[name])
        tables.append(table.assign(seed=seed))
        summaries.append(summary | {"seed": seed})
    about |= {"settings": asdict(settings), "replicates": replicates, "null": null, "seed": seed}
    return TenifoldResult(
        pd.concat(tables, ignore_index=True),
        pd.DataFrame(summaries),
        sparse.csr_matrix(mean / replicates),
        normal.genes,
        {name: np.stack([parts[2] for parts in values]) for name, values in kept.items()},
        {name: np.array([change for change, _ in values]) for name, values in nulls.items()},
        about,
    )


def matched_genes(
    knocked: Sequence[int], ranks: NDArray[Any], rng: np.random.Generator, share: float = 0.1
) -> list[int]:
    """Return as many random genes as are knocked out, each among the nearest in mean expression.

    Parameters
    ----------
    ranks
        ``[n_genes]`` rank of every gene by its mean expression.
    share
        Of all genes that are near a gene; at least 20.
    """
    near = min(max(20, round(share * len(ranks))), len(ranks) - len(knocked) - 1)
    taken = set(knocked)
    chosen: list[int] = []
    for gene in knocked:
        order = np.argsort(np.abs(ranks - ranks[gene]), kind="stable")
        free = [int(i) for i in order[: near + len(taken)] if int(i) not in taken]
        pick = free[int(rng.integers(len(free)))]
        taken.add(pick)
        chosen.append(pick)
    return chosen


def _tables(
    name: str,
    found: list[int],
    genes: list[str],
    kept: list[tuple[NDArray[np.float64], ...]],
    nulls: list[tuple[NDArray[np.float64], float]],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    distances, z, changes, weights, totals = (np.stack(parts) for parts in zip(*kept, strict=True))
    change, low, high, n = mean_interval(changes)
    ranks = stats.rankdata(-changes, axis=1)
    p = upper_tail(change)
    table = pd.DataFrame(
        {
            "knockout": name,
            "gene": genes,
            "knocked": np.isin(np.arange(len(genes)), found),
            "distance": distances.mean(axis=0),
            "z": z.mean(axis=0),
            "fold_change": change,
            "low": np.maximum(low, 0.0),
            "high": high,
            "p": p,
            "q": stats.false_discovery_control(p),
        }
    )
    if nulls:
        drawn = np.stack([values for values, _ in nulls])
        valid = np.isfinite(drawn)
        table["p_null"] = (1 + ((drawn >= change) & valid).sum(axis=0)) / (1 + valid.sum(axis=0))
        table["q_null"] = stats.false_discovery_control(table["p_null"])
    else:
        table["p_null"] = table["q_null"] = np.nan
    table["rank"], table["rank_low"], table["rank_high"] = ranks.mean(axis=0), ranks.min(axis=0), ranks.max(axis=0)
    table["top"] = (ranks <= TOP).mean(axis=0)
    table["weight"] = weights.mean(axis=0)
    table["n"], table["n_null"] = n, len(nulls)
    effect, effect_low, effect_high, _ = mean_interval(totals[:, 1])
    moved = np.array([value for _, value in nulls])
    summary = {
        "knockout": name,
        "genes": ", ".join(genes[i] for i in found),
        "links": float(totals[:, 0].mean()),
        "effect": float(effect),
        "low": float(np.maximum(effect_low, 0.0)),
        "high": float(effect_high),
        "effect_null": float(np.median(moved)) if len(moved) else float("nan"),
        "p_null": float((1 + (moved >= effect).sum()) / (1 + len(moved))) if len(moved) else float("nan"),
        "n": len(kept),
        "n_null": len(moved),
    }
    return table.sort_values("fold_change", ascending=False, kind="stable", ignore_index=True), summary


def _places(genes: Sequence[str], cells: Cells, normal: Cells, settings: TenifoldSettings) -> list[int]:
    found = find_genes(genes, cells.genes, cells.origin)
    known = set(normal.genes)
    shares = cells.shares()
    for place in found:
        if cells.genes[place] not in known:
            raise DataError(
                f"The gene '{cells.genes[place]}' is expressed in {shares[place]:.1%} of the cells, or is the same in "
                "all of them: no network says what it regulates.",
                f"Choose a gene that varies and is expressed in more than {settings.least_share:.0%} of the cells.",
            )
    return find_genes([cells.genes[place] for place in found], normal.genes, cells.origin)


def _varies(x: NDArray[Any] | sparse.csr_matrix) -> NDArray[np.bool_]:
    if sparse.issparse(x):
        low, high = x.min(axis=0).toarray().ravel(), x.max(axis=0).toarray().ravel()
        return np.asarray(high > low)
    return np.asarray(x.max(axis=0) > x.min(axis=0))


def _seed(seed: int, replicate: int) -> int:
    return int(np.random.SeedSequence([seed, replicate]).generate_state(1)[0])
