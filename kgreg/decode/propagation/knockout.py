"""Knockouts of transcription factors that spread over a network fitted in every group of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from kgreg.data.cells import LEAST_CELLS, Cells, find_genes
from kgreg.decode.propagation.embedding import embedding_shift, permuted
from kgreg.decode.propagation.regression import (
    BaseNetwork,
    base_network,
    choose_links,
    fit_links,
    held_out_r2,
    rewired_network,
)
from kgreg.decode.propagation.signal import propagate
from kgreg.errors import DataError
from kgreg.progress import Progress, no_progress

#: The name of the group where cells have none.
ALL = "all"


@dataclass(frozen=True)
class PropagationSettings:
    """How networks are fitted and signals spread.

    Attributes
    ----------
    alpha
        Penalty of the ridge regression (10 in CellOracle's simulations).
    p
        Links with a larger p are dropped, and the others fitted again; 1 keeps all.
    dose
        The genes are set to so many times what they are.
    steps
        How far a signal spreads (3 in CellOracle).
    bootstrap
        Draws of cells for the intervals.
    rewired
        Networks with the same degrees and other links, for comparison.
    neighbours
        On the embedding; None: a fifth of the cells, at most 200.
    """

    alpha: float = 10.0
    p: float = 0.05
    dose: float = 0.0
    steps: int = 3
    bootstrap: int = 50
    rewired: int = 20
    neighbours: int | None = None

    def __post_init__(self) -> None:
        if self.alpha <= 0 or not 0 < self.p <= 1 or self.dose < 0 or self.steps < 1:
            raise DataError(
                f"A signal cannot spread with alpha = {self.alpha}, p = {self.p}, dose = {self.dose} and "
                f"steps = {self.steps}.",
                "Give alpha above 0, p above 0 and at most 1, a dose of 0 or more and 1 step or more.",
            )
        if self.bootstrap < 0 or self.rewired < 0 or self.bootstrap == 1:
            raise DataError(
                f"{self.bootstrap} draws and {self.rewired} rewired networks make no interval and no comparison.",
                "Give 2 draws or more, or 0 for none.",
            )


@dataclass(frozen=True)
class PropagationResult:
    """What a knockout does downstream.

    Attributes
    ----------
    table
        One row a knockout, group and gene that the signal reaches: ``knockout, group, gene, knocked, delta`` (mean
        change over the cells, in units of the expression), ``low, high`` (95 % over bootstrap draws of cells; NaN
        without), ``p, q`` (of no change: normal, with the sd over the draws; Benjamini-Hochberg), ``relative`` (delta
        by the sd of the gene in the group), ``direct`` (coefficient of the gene knocked out, or their sum), ``alone``
        (the change by the regression on the genes knocked out alone, without a network), ``cells``, ``n`` (draws),
        ``seed``.
    groups
        One row a group: ``group, cells, targets, links`` (kept), ``r2`` (mean held-out share of variance that the
        candidate regulators predict), ``low, high`` (95 % over targets), ``r2_rewired`` (mean over rewired networks),
        ``p_rewired, n_rewired, seed``.
    links
        ``group, tf, target, coefficient`` of what was fitted.
    change
        Knockout -> ``[n_cells, n_genes]`` change of every cell, float32.
    shift
        Knockout -> ``[n_cells, d]`` on the embedding, and ``<knockout>, control`` of permuted changes; empty without an
        embedding.
    about
        Settings and counts (JSON values).
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    links: pd.DataFrame
    change: dict[str, NDArray[np.float32]]
    shift: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def propagate_knockouts(
    cells: Cells,
    network: pd.DataFrame,
    knockouts: Mapping[str, Sequence[str]],
    settings: PropagationSettings | None = None,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> PropagationResult:
    """Set genes to 0 (or another dose) and let the change spread over the network of every group of cells.

    In every group, a gene is regressed on the factors that the network allows for it; the change of the factors spreads
    through the coefficients (:func:`kgreg.decode.propagation.signal.propagate`). Cells are drawn anew for the
    intervals, and the regressions are compared with those on rewired networks in cells that they were not fitted to.

    Parameters
    ----------
    cells
        Normalised, log transformed expression, in groups if they have any.
    network
        ``tf, target`` by the names of the genes.
    knockouts
        Name -> genes that are set together.

    Raises
    ------
    DataError
        If a gene is not in the data (the nearest names are offered) or regulates nothing in the network; if a group has
        fewer than 50 cells; if the network and the data share no link.
    """
    settings = settings or PropagationSettings()
    if not knockouts:
        raise DataError("No gene is named.", "Name at least one gene.")
    base = base_network(network, cells.genes)
    found = {name: _regulators(genes, cells, base) for name, genes in knockouts.items()}
    labels = np.full(len(cells), ALL, dtype=object) if cells.groups is None else cells.groups
    names, sizes = np.unique(labels.astype(str), return_counts=True)
    if sizes.min() < LEAST_CELLS:
        small = ", ".join(f"{name} ({size})" for name, size in zip(names, sizes, strict=True) if size < LEAST_CELLS)
        raise DataError(
            f"These groups have fewer than {LEAST_CELLS} cells: {small}.",
            f"Leave them out (--only), or join groups; large enough: {', '.join(names[sizes >= LEAST_CELLS]) or '-'}.",
        )
    given: Any = cells.x
    x = np.asarray(given.toarray() if sparse.issparse(given) else given, dtype=np.float64)
    low, high = x.min(axis=0), x.max(axis=0)
    change = {name: np.zeros(x.shape, dtype=np.float32) for name in found}
    tables, group_rows, link_tables = [], [], []
    for g, group in enumerate(names):

        def part(text: str, share: float, g: int = g, group: str = group) -> None:
            progress(f"{group}: {text}", (g + share) / len(names))

        mine = labels == group
        inside = x[mine]
        part("fitting", 0.0)
        kept = choose_links(inside, base, settings.alpha, settings.p)
        links = fit_links(inside, kept, settings.alpha)
        draws = _draws(inside, kept, found, settings, low, high, np.random.default_rng([seed, g]), part)
        for name, places in found.items():
            moved = propagate(inside, links, places, dose=settings.dose, steps=settings.steps, low=low, high=high)
            change[name][mine] = moved
            tables.append(_table(name, group, places, cells.genes, inside, moved, draws[name], links, settings, seed))
        link_tables.append(_links_table(group, links, cells.genes))
        compared = _compare(inside, base, settings, seed, part)
        group_rows.append({"group": group, "cells": int(mine.sum()), "targets": len(kept.targets), "links": kept.links}
                          | compared | {"seed": seed})  # fmt: skip
    shift: dict[str, NDArray[np.float32]] = {}
    if cells.embedding is not None:
        for name in found:
            progress(f"{name}: shift on the embedding", 0.99)
            moved = change[name].astype(np.float64)
            shift[name] = embedding_shift(x, moved, cells.embedding, neighbours=settings.neighbours)
            shift[f"{name}, control"] = embedding_shift(
                x, permuted(moved, seed), cells.embedding, neighbours=settings.neighbours
            )
    about = {
        "cells": len(cells), "genes": len(cells.genes), "links_of_network": len(network), "links_in_data": base.links,
        "layer": cells.layer, "origin": cells.origin, "sha256": cells.sha256, "settings": asdict(settings),
        "seed": seed,
    }  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    return PropagationResult(
        table, pd.DataFrame(group_rows), pd.concat(link_tables, ignore_index=True), change, shift, about
    )


def _draws(
    x: NDArray[np.float64],
    kept: BaseNetwork,
    found: Mapping[str, list[int]],
    settings: PropagationSettings,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    rng: np.random.Generator,
    progress: Progress,
) -> dict[str, NDArray[np.float64]]:
    """Return for every knockout the mean change in draws of cells, ``[n_draws, n_genes]``."""
    made: dict[str, list[NDArray[np.float64]]] = {name: [] for name in found}
    for b in range(settings.bootstrap):
        progress(f"draw {b + 1} of {settings.bootstrap}", 0.1 + 0.6 * b / settings.bootstrap)
        weights = rng.multinomial(len(x), np.full(len(x), 1 / len(x))).astype(float)
        links = fit_links(x, kept, settings.alpha, weights)
        for name, places in found.items():
            moved = propagate(x, links, places, dose=settings.dose, steps=settings.steps, low=low, high=high)
            made[name].append(weights @ moved / len(x))
    return {name: np.array(values).reshape(-1, x.shape[1]) for name, values in made.items()}


def _table(
    name: str,
    group: str,
    places: list[int],
    genes: list[str],
    x: NDArray[np.float64],
    moved: NDArray[np.float64],
    draws: NDArray[np.float64],
    links: sparse.csr_matrix,
    settings: PropagationSettings,
    seed: int,
) -> pd.DataFrame:
    delta = moved.mean(axis=0)
    reached = np.flatnonzero((moved != 0).any(axis=0) | (draws != 0).any(axis=0))
    low = high = p = np.full(len(delta), np.nan)
    if len(draws):
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        error = draws.std(axis=0, ddof=1)
        p = 2 * stats.norm.sf(np.divide(np.abs(delta), error, out=np.zeros_like(delta), where=error > 0))
    spread = x.std(axis=0)
    # Without a network: every gene on the genes knocked out.
    alone = BaseNetwork(np.arange(len(genes)), [np.array(places)] * len(genes), len(genes))
    single = fit_links(x, alone, settings.alpha)
    expected = ((settings.dose - 1) * x.mean(axis=0)) @ single
    table = pd.DataFrame(
        {
            "knockout": name,
            "group": group,
            "gene": genes,
            "knocked": np.isin(np.arange(len(genes)), places),
            "delta": delta,
            "low": low,
            "high": high,
            "p": p,
            "relative": np.divide(delta, spread, out=np.zeros_like(delta), where=spread > 0),
            "direct": np.asarray(links[places].sum(axis=0)).ravel(),
            "alone": expected,
            "cells": len(x),
            "n": len(draws),
            "seed": seed,
        }
    ).iloc[reached]
    others = ~table["knocked"].to_numpy()
    q = np.full(len(table), np.nan)
    if len(draws) and others.any():
        q[others] = stats.false_discovery_control(table["p"].to_numpy()[others])
    table.insert(8, "q", q)
    return table.sort_values("delta", key=abs, ascending=False, kind="stable", ignore_index=True)


def _compare(
    x: NDArray[np.float64], base: BaseNetwork, settings: PropagationSettings, seed: int, progress: Progress
) -> dict[str, Any]:
    """Return how well the candidates of the network predict held-out cells, and those of rewired ones."""
    real = held_out_r2(x, base, settings.alpha, seed)
    real = real[np.isfinite(real)]
    half = (
        stats.t.ppf(0.975, max(len(real) - 1, 1)) * real.std(ddof=1) / np.sqrt(len(real)) if len(real) > 1 else np.nan
    )
    drawn = []
    for r in range(settings.rewired):
        progress(f"rewired network {r + 1} of {settings.rewired}", 0.7 + 0.3 * r / settings.rewired)
        drawn.append(float(np.nanmean(held_out_r2(x, rewired_network(base, seed + r + 1), settings.alpha, seed))))
    mean = float(real.mean())
    return {
        "r2": mean,
        "low": mean - float(half),
        "high": mean + float(half),
        "r2_rewired": float(np.mean(drawn)) if drawn else float("nan"),
        "p_rewired": (1 + sum(value >= mean for value in drawn)) / (1 + len(drawn)) if drawn else float("nan"),
        "n_rewired": len(drawn),
    }


def _links_table(group: str, links: sparse.csr_matrix, genes: list[str]) -> pd.DataFrame:
    entries = sparse.coo_matrix(links)
    names = np.asarray(genes, dtype=object)
    table = pd.DataFrame(
        {"group": group, "tf": names[entries.row], "target": names[entries.col], "coefficient": entries.data}
    )
    return table.sort_values(["tf", "target"], ignore_index=True)


def _regulators(genes: Sequence[str], cells: Cells, base: BaseNetwork) -> list[int]:
    places = find_genes(genes, cells.genes, cells.origin)
    factors = set(base.factors.tolist())
    for place in places:
        if place not in factors:
            known = [cells.genes[i] for i in sorted(factors)]
            raise DataError(
                f"The gene '{cells.genes[place]}' regulates no gene of the data in the network, so that its knockout "
                "has nowhere to spread.",
                f"Choose one of its {len(known):,} factors, such as {', '.join(known[:8])}.",
            )
    return places
