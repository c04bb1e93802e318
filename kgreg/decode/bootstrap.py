"""How sure a rank is: the ranking made again from networks and test samples drawn with replacement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.decode.importance import SampleScores
from kgreg.decode.nulls import as_sizes, null_unit, relative_sizes

#: Percentiles of a rank interval.
_BOUNDS = (2.5, 97.5)

#: What the bootstrap adds to a ranking.
BOOTSTRAP_COLUMNS = ("top_probability", "rank_low", "rank_high")


def draw_networks(folds: NDArray[Any], draws: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return how often each network is drawn, ``[draws, n_networks]``.

    Folds are drawn with replacement, then, in each fold as often as it was drawn, as many of its networks as it has:
    replicates of one fold share training and test samples and are more alike than networks of different folds. With one
    fold its networks alone are drawn.

    Parameters
    ----------
    folds
        ``[n_networks]``, the fold of each.
    """
    names, own = np.unique(folds, return_inverse=True)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    drawn = np.zeros((draws, len(folds)), dtype=np.float32)
    for f in range(len(names)):
        members = np.flatnonzero(own == f)
        # A fold that was drawn k times has k x its networks drawn from it.
        drawn[:, members] = rng.multinomial(times[:, f] * len(members), np.full(len(members), 1 / len(members)))
    return drawn


def weighted_scores(
    pieces: Iterable[SampleScores],
    weights: NDArray[np.float64],
    n_nodes: int,
    n_outputs: int,
    *,
    overall: bool = True,
    signed: bool = False,
) -> NDArray[Any]:
    """Return the scores of one network under several weightings of its samples.

    Parameters
    ----------
    pieces
        The scores of its samples, of :func:`kgreg.decode.importance.sample_scores`.
    weights
        ``[draws, n_samples]``: how often a sample counts.
    n_nodes, n_outputs
        Of the network.
    overall
        Whether outputs have scores of their own beside ``all``, which is last.
    signed
        ``all`` is the mean over outputs of the size of the mean, instead of the mean size.

    Returns
    -------
    ``[draws, n_nodes, n_outputs + 1]``, or ``[draws, n_nodes, 1]``; NaN where a weighting has no sample of an output,
    which ``all`` leaves out.
    """
    draws = len(weights)
    # Many weightings are held in single precision: they are draws, and take most of the memory.
    number: type[np.floating[Any]] = np.float64 if draws == 1 else np.float32
    shown: NDArray[Any] = np.zeros((n_outputs, n_nodes, draws), dtype=number)
    size, total = np.zeros_like(shown), np.zeros((n_outputs, draws), dtype=number)
    for piece in pieces:
        own: NDArray[Any] = weights[:, piece.rows].T.astype(number)
        shown[piece.output] += np.asarray(piece.shown, dtype=number) @ own
        size[piece.output] += np.asarray(piece.size, dtype=number) @ own
        total[piece.output] += own.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shown, size = shown / total[:, None], size / total[:, None]
    known = total > 0
    counted = np.abs(shown) if signed else size
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known[:, None], counted, 0.0).sum(axis=0) / known.sum(axis=0)
    parts = [*shown, mean] if overall else [mean]
    return np.stack(parts, axis=-1).transpose(1, 0, 2)


@dataclass
class Bootstrap:
    """Sums of the scores of the networks that each draw has drawn; one network at a time is held.

    Parameters
    ----------
    folds
        ``[n_networks]``, the fold of each network that will be added, in order.
    draws, seed
        How many, and of what.
    clusters
        ``[n_samples]`` group of every sample, or None: groups are drawn whole.
    """

    folds: NDArray[np.int64]
    draws: int
    seed: int
    clusters: NDArray[Any] | None = None
    _times: NDArray[np.float32] = field(init=False, repr=False)
    _added: int = field(default=0, init=False, repr=False)
    _sum: NDArray[np.float32] | None = field(default=None, init=False, repr=False)
    _count: NDArray[np.float32] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._times = draw_networks(self.folds, self.draws, np.random.default_rng([self.seed, 0]))

    def weights(self, fold: int, test: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``[1 + draws, n_test]``: every sample once, then how often each draw has it.

        The networks of a fold, which share their test samples, share the draws of these.
        """
        codes = np.arange(len(test))
        if self.clusters is not None:
            codes = np.unique(self.clusters[test], return_inverse=True)[1]
        units = int(codes.max()) + 1
        rng = np.random.default_rng([self.seed, 1, fold])
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=self.draws)[:, codes]
        return np.concatenate([np.ones((1, len(test))), drawn])

    def add(self, scores: NDArray[Any]) -> None:
        """Add the next network, ``[draws, n_nodes, n_outputs]``, or ``[1, ...]`` where samples are not drawn."""
        times = self._times[:, self._added, None]
        self._added += 1
        known: NDArray[np.bool_] = np.isfinite(scores).any(axis=1)
        if self._sum is None or self._count is None:
            self._sum = np.zeros((self.draws, *scores.shape[1:]), dtype=np.float32)
            self._count = np.zeros((self.draws, scores.shape[2]), dtype=np.float32)
        self._sum += times[:, :, None] * np.where(known[:, np.newaxis], scores, 0.0).astype(np.float32)
        self._count += times * known

    def means(self) -> NDArray[np.float64]:
        """Return the mean scores of every draw, ``[draws, n_nodes, n_outputs]``; NaN where a draw has no sample."""
        assert self._sum is not None
        assert self._count is not None
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self._sum / self._count[:, None], dtype=np.float64)


def rank_draws(
    ranking: pd.DataFrame,
    means: NDArray[np.float64] | None,
    top: int,
    outputs: list[str],
    real: NDArray[np.float64],
    nulls: dict[str, NDArray[np.float64]],
) -> pd.DataFrame:
    """Return a ranking with ``top_probability, rank_low, rank_high``.

    In every draw the nodes are ranked as in the ranking itself: by the mean score, or by z. The null, and the unit of
    z, are kept: it is the networks of the graph that are drawn.

    Parameters
    ----------
    ranking
        Of :func:`kgreg.decode.rank_scores`: the nodes of one output after the other.
    means
        ``[draws, n_nodes, n_outputs]`` of :meth:`Bootstrap.means`, or None: the columns are NaN.
    top
        How many nodes of a kind are the best.
    outputs, real, nulls
        What the ranking was made of.

    Returns
    -------
    DataFrame
        The ranking with the share of draws in which a node is among the ``top`` best of its kind, and the 2.5th and
        97.5th percentile of its ranks (whole ranks).
    """
    ranking = ranking.assign(**dict.fromkeys(BOOTSTRAP_COLUMNS, np.nan))
    if means is None:
        return ranking
    filled = {name: np.full(len(ranking), np.nan) for name in BOOTSTRAP_COLUMNS}
    for output, rows in ranking.groupby("output", sort=False).indices.items():
        part, o = ranking.iloc[rows], outputs.index(str(output))
        kinds, drawn = part["kind"].to_numpy(), means[:, :, o]
        drawn = drawn[np.isfinite(drawn).any(axis=1)]
        own = {kind: draws[..., o] for kind, draws in nulls.items()}
        value = _ranked_by(part, drawn, real[:, :, o], own, as_sizes(str(output), real[:, :, o], own))
        for kind in np.unique(kinds):
            mine = np.flatnonzero((kinds == kind) & part["rank"].notna().to_numpy())
            if not len(mine) or not len(value):
                continue
            order = np.argsort(-value[:, mine], axis=1, kind="stable")
            ranks = np.empty_like(order)
            np.put_along_axis(ranks, order, np.arange(1, len(mine) + 1)[None], axis=1)
            low, high = np.percentile(ranks, _BOUNDS, axis=0, method="inverted_cdf")
            for name, values in zip(BOOTSTRAP_COLUMNS, ((ranks <= top).mean(axis=0), low, high), strict=True):
                filled[name][rows[mine]] = values
    return ranking.assign(**filled)


def _ranked_by(
    part: pd.DataFrame,
    drawn: NDArray[np.float64],
    real: NDArray[np.float64],
    nulls: dict[str, NDArray[np.float64]],
    sizes: bool,
) -> NDArray[np.float64]:
    """Return what nodes of one output are ranked by in each draw, ``[draws, n_nodes]``: z that moves with the mean."""
    kinds, value = part["kind"].to_numpy(), drawn.copy()
    z, score = (part[name].to_numpy(dtype=float) for name in ("z", "score"))

    def compared(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return relative_sizes(values, kinds) if sizes else values

    for null, draws in nulls.items():
        mine = (part["null"] == null).to_numpy()
        if mine.any():
            moved = compared(drawn) - compared(score[None])
            with np.errstate(invalid="ignore", divide="ignore"):
                shift = moved / null_unit(compared(real), compared(draws), kinds)
            # Of nodes that say nothing in any network, nothing moves.
            value[:, mine] = (z + np.where(np.isfinite(shift), shift, 0.0))[:, mine]
    return value
